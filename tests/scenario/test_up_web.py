"""The role web of `pregao up`: the link, what it answers, and that it goes on when its process dies."""
import json
import os
import signal
import urllib.request

import pytest

from b3_server import B3Server, make_portfolio
from supervised import Up, eventually


@pytest.fixture
def words(tmp_path):
    with B3Server({'IBOV': make_portfolio('IBOV')}) as b3:
        conf = tmp_path / 'up.ini'
        conf.write_text(f'[b3_portfolio]\nurl = {b3.url}\n')
        yield ['--lake', tmp_path / 'lake', '--config', conf, '--period', '1d', '--source', 'binance=http://127.0.0.1:9/']


def ask(link, path):
    base, token = link.split('/?token=')
    request = urllib.request.Request(base + path, headers={'Authorization': f'Bearer {token}'})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()
    except OSError as e:
        raise AssertionError(e) from e


def test_the_link_opens_the_lake(pregao, words):
    up = Up(pregao, *words)
    try:
        link = up.wait(lambda e: e['event'] == 'up')['link']
        tables = eventually(lambda: json.loads(ask(link, '/api/tables')))
        assert any(t['table'] == 'raw.portfolio' for t in tables)
        assert b'pregao' in ask(link, '/')
        # the same link after its process died, and after a new configuration
        old = up.pids()['web']
        os.kill(old, signal.SIGKILL)
        eventually(lambda: up.pids().get('web', old) != old)
        assert eventually(lambda: json.loads(ask(link, '/api/tables')))
        up.process.send_signal(signal.SIGHUP)
        up.wait(lambda e: e['event'] == 'reloaded')
        assert eventually(lambda: json.loads(ask(link, '/api/tables')))
    finally:
        assert up.end() == 0


def test_where_somebody_else_listens(pregao, words, tmp_path):
    up = Up(pregao, *words)
    try:
        link = up.wait(lambda e: e['event'] == 'up')['link']
        address = link.split('/')[2]
        said = pregao('up', '--lake', tmp_path / 'other', '--listen', address, expect=1).stderr
        assert address in said and '--listen' in said
        assert not (tmp_path / 'other').exists()
    finally:
        up.end()


def test_nowhere(pregao, words):
    up = Up(pregao, *words, '--listen', 'none')
    assert 'link' not in up.wait(lambda e: e['event'] == 'up')
    up.end()
    assert 'expected an address' in pregao('serve', '--listen', 'none', expect=2).stderr
    for wrong in ('0.0.0.0:1', 'nonsense', '127.0.0.1:99999'):
        assert wrong in pregao('up', '--listen', wrong, *words[:2], expect=2).stderr
