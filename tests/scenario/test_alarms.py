"""Alarms: what is watched, how it is told, and that each change is told once."""
import datetime
import http.server
import json
import sqlite3
import sys
import threading

import pytest

TELLER = """import json, os, sys
with open(sys.argv[1], 'a') as out:
    json.dump([json.load(sys.stdin), {k: v for k, v in os.environ.items() if k.startswith('PREGAO_ALARM')}], out)
    out.write('\\n')
sys.exit(int(open(sys.argv[1] + '.status').read()) if os.path.exists(sys.argv[1] + '.status') else 0)
"""


@pytest.fixture
def lake(pregao, tmp_path):
    pregao('run', '--input', 'sample', '--lake', tmp_path / 'lake')
    return tmp_path / 'lake'


@pytest.fixture
def told(tmp_path):
    """What the command was told; a configuration that names it."""
    (tmp_path / 'teller.py').write_text(TELLER)
    path = tmp_path / 'told'
    conf = tmp_path / 'alarms.ini'
    conf.write_text(f'[alarms]\nnotify = {sys.executable} {tmp_path}/teller.py {path}\n')

    class Told:
        def __init__(self):
            self.conf = conf
            self.status = tmp_path / 'told.status'

        def __call__(self):
            return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return Told()


def states(pregao, lake, *more):
    done = pregao('alarms', 'check', '--lake', lake, '--format', 'json', *more, expect=None)
    rows = json.loads(done.stdout)
    now = {r['alarm']: r['state'] for r in rows}
    assert done.returncode == (4 if 'alarm' in now.values() else 0), done.stderr
    return now


def history(pregao, lake):
    return json.loads(pregao('alarms', 'history', '--lake', lake, '--format', 'json').stdout)


def refuse_something(pregao, lake, tmp_path):
    (tmp_path / 'bad.csv').write_text('<html>not today</html>')
    pregao('import', 'portfolio', tmp_path / 'bad.csv', '--lake', lake, expect=3)


def accept_again(lake):
    for path in (lake / 'quarantine').rglob('*.*'):
        path.unlink()


def test_a_sample_lake_is_well(pregao, lake):
    assert set(states(pregao, lake).values()) == {'ok'}
    assert len(states(pregao, lake)) == 7
    assert history(pregao, lake) == []


def test_a_lake_that_is_not_there(pregao, tmp_path):
    assert set(states(pregao, tmp_path / 'none').values()) == {'ok'}
    assert not (tmp_path / 'none').exists()


def test_each_change_is_told_once(pregao, lake, tmp_path, told):
    refuse_something(pregao, lake, tmp_path)
    for _ in range(3):
        now = states(pregao, lake, '--config', told.conf)
    assert [name for name, state in now.items() if state == 'alarm'] in (['quarantine'], ['quarantine', 'failed_runs'])
    mine = [t for t in told() if t[0]['alarm'] == 'quarantine']
    assert len(mine) == 1
    body, env = mine[0]
    assert (body['state'], body['was'], body['lake'], body['attempt']) == ('alarm', 'ok', str(lake), 1)
    assert '1' in body['text'] and env['PREGAO_ALARM_TEXT'] == body['text']
    assert (env['PREGAO_ALARM'], env['PREGAO_ALARM_STATE']) == ('quarantine', 'alarm')
    accept_again(lake)
    states(pregao, lake, '--config', told.conf)
    states(pregao, lake, '--config', told.conf)
    assert [t[0]['state'] for t in told() if t[0]['alarm'] == 'quarantine'] == ['alarm', 'ok']
    changes = [c for c in history(pregao, lake) if c['alarm'] == 'quarantine']
    assert [(c['was'], c['state'], c['told'], c['attempts']) for c in changes] == \
        [('alarm', 'ok', True, 1), ('ok', 'alarm', True, 1)]
    assert 'pregao_alarm{alarm="quarantine"} 0' in pregao('metrics', '--lake', lake).stdout


def test_what_could_not_be_told_is_told_later(pregao, lake, tmp_path, told):
    told.status.write_text('7')
    refuse_something(pregao, lake, tmp_path)
    states(pregao, lake, '--config', told.conf)
    first = len(told())
    assert first and not any(c['told'] for c in history(pregao, lake))
    logs = json.loads(pregao('logs', '--lake', lake, '--text', 'alarm_not_told', '--format', 'json').stdout)
    assert logs and logs[0]['error_code'] == 'RETRY' and logs[0]['object'] == 'quarantine' and '7' in logs[0]['text']
    told.status.unlink()
    states(pregao, lake, '--config', told.conf)
    assert len(told()) == first  # not at once again
    with sqlite3.connect(lake / 'state/telemetry.sqlite') as db:
        db.execute('UPDATE alarm_change SET next_us = 0')
    states(pregao, lake, '--config', told.conf)
    assert all(c['told'] and c['attempts'] == 2 for c in history(pregao, lake))
    assert [t[0]['attempt'] for t in told() if t[0]['alarm'] == 'quarantine'] == [1, 2]


def test_a_webhook(pregao, lake, tmp_path):
    got = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.headers['Content-Type'], json.loads(self.rfile.read(int(self.headers['Content-Length'])))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass
    server = http.server.HTTPServer(('127.0.0.1', 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    conf = tmp_path / 'hook.ini'
    conf.write_text(f'[alarms]\nwebhook = http://127.0.0.1:{server.server_port}/hook\n')
    refuse_something(pregao, lake, tmp_path)
    states(pregao, lake, '--config', conf)
    server.shutdown()
    assert [body['state'] for kind, body in got if body['alarm'] == 'quarantine' and kind == 'application/json'] == ['alarm']


def test_each_channel_is_told_until_it_took_it(pregao, lake, tmp_path, told):
    """A command that fails keeps no webhook waiting, and what one took is not told it again."""
    got, status = [], [500]

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_):
            pass
    server = http.server.HTTPServer(('127.0.0.1', 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.conf.write_text(told.conf.read_text() + f'webhook = http://127.0.0.1:{server.server_port}/hook\n')

    def again():
        with sqlite3.connect(lake / 'state/telemetry.sqlite') as db:
            db.execute('UPDATE alarm_change SET next_us = 0')
        states(pregao, lake, '--config', told.conf)
        mine = [c for c in history(pregao, lake) if c['alarm'] == 'quarantine']
        return [len([t for t in told() if t[0]['alarm'] == 'quarantine']),
                len([t for t in got if t['alarm'] == 'quarantine']), mine[0]['told']]
    told.status.write_text('7')
    refuse_something(pregao, lake, tmp_path)
    assert again() == [1, 1, False]
    status[0] = 204
    assert again() == [2, 2, False]
    told.status.unlink()
    assert again() == [3, 2, True]
    assert again() == [3, 2, True]
    server.shutdown()


def test_a_list_only_looks(pregao, lake, tmp_path, told):
    refuse_something(pregao, lake, tmp_path)
    rows = json.loads(pregao('alarms', 'list', '--lake', lake, '--config', told.conf, '--format', 'json').stdout)
    assert {r['alarm']: r['state'] for r in rows}['quarantine'] == 'alarm'
    assert told() == [] and history(pregao, lake) == []


def test_freshness_begins_with_the_schedule(pregao, lake):
    assert states(pregao, lake)['freshness'] == 'ok'
    pregao('schedule', 'run', 'portfolio', '--session', '2024-07-15', '--lake', lake)
    assert states(pregao, lake)['freshness'] == 'alarm'


def test_freshness_by_a_schedule_of_minutes(pregao, lake, tmp_path):
    conf = tmp_path / 'minutes.ini'
    conf.write_text('[schedule.always]\ncron = * * * * *\nsessions = no\n[alarm.freshness]\nschedule = always\n')
    for seen, said in ((False, 'has not run'), (True, 'no session has come due')):
        if seen:
            pregao('schedule', 'run', 'always', '--lake', lake, '--config', conf)
        rows = json.loads(pregao('alarms', 'list', '--lake', lake, '--config', conf, '--format', 'json').stdout)
        assert said in [r['text'] for r in rows if r['alarm'] == 'freshness'][0]


def test_alarms_of_ones_own(pregao, lake, tmp_path):
    conf = tmp_path / 'own.ini'
    conf.write_text('[alarm.huge]\nkind = disk_free\nfree = 8000TiB\n[alarm.disk_free]\nenabled = no\n'
                    '[alarm.other]\nkind = freshness\ndataset = raw.nothing\n')
    now = states(pregao, lake, '--config', conf)
    assert now['huge'] == 'alarm' and now['other'] == 'unknown' and 'disk_free' not in now


@pytest.mark.parametrize('text, said', [
    ('[alarm.x]\nkind = freshnes\n', 'freshness'),
    ('[alarm.nothing_known]\nlimit = 1\n', 'dead_letters'),
    ('[alarms]\nwebhook = http://example.com/\n', 'https'),
    ('[alarms]\nwebhook = http://127.0.0.1.example.com/\n', 'https'),
    ('[alarms]\nnotfy = x\n', 'notify'),
    ('[alarm.x]\nafter = soon\n', 'soon'),
])
def test_wrong_configuration(pregao, tmp_path, text, said):
    conf = tmp_path / 'wrong.ini'
    conf.write_text(text)
    for words in (('config', 'check', conf), ('alarms', 'list', '--config', conf, '--lake', tmp_path / 'none')):
        done = pregao(*words, expect=2)
        assert said in done.stderr and 'wrong.ini' in done.stderr


@pytest.mark.parametrize('dataset, said', [('raw.nothing', 'there is no table raw.nothing'), ('refined', 'there is no table refined'),
                                           ('raw.bitcoin_ticks', 'no table of sessions')])
def test_a_dataset_that_has_no_sessions(pregao, tmp_path, dataset, said):
    conf = tmp_path / 'wrong.ini'
    conf.write_text(f'[alarm.freshness]\nafter = 1h\ndataset = {dataset}\n')
    for words in (('config', 'check', conf), ('up', '--config', conf, '--lake', tmp_path / 'none')):
        done = pregao(*words, expect=2)
        assert said in done.stderr and 'wrong.ini:3' in done.stderr
    assert not (tmp_path / 'none').exists()


def test_freshness_of_a_lake_that_owes_nothing(pregao, tmp_path):
    """A schedule that has just begun: nothing is there, and nothing says that something is."""
    lake = tmp_path / 'new'
    today = datetime.date.today()
    later = pregao('calendar', 'sessions', '--from', today, '--to', today + datetime.timedelta(20)).stdout.split()[-1]
    pregao('schedule', 'run', 'portfolio', '--session', later, '--lake', lake)
    rows = json.loads(pregao('alarms', 'list', '--lake', lake, '--format', 'json').stdout)
    row = next(r for r in rows if r['alarm'] == 'freshness')
    assert row['state'] == 'ok' and 'is there' not in row['text'], row


def test_the_template_is_a_configuration(pregao, tmp_path):
    """As it is, and with every default switched on, in both languages."""
    plain = json.loads(pregao('config', 'show', '--format', 'json').stdout)
    for env in ({}, {'LC_MESSAGES': 'pt_BR.UTF-8'}):
        text = pregao('config', 'show', '--template', env=env).stdout
        keys = {(r['section'], r['key']) for r in plain}
        conf = tmp_path / 'template.ini'
        conf.write_text(text)
        pregao('config', 'check', conf)
        assert 'PREGAO_LAKE' in text
        sections = [line for line in text.splitlines() if line.startswith('[')]
        assert len(sections) == len(set(sections)) and '[alarm.failed_runs]' in sections
        comments = [line for line in text.splitlines() if len(line) > 60 and line.startswith('; ')]
        assert len(comments) == len(set(comments))
        switched = '\n'.join(line[1:] if line.startswith(';') and not line.startswith('; ') else line
                             for line in text.splitlines())
        conf.write_text(switched + '\n')
        pregao('config', 'check', conf)
        shown = json.loads(pregao('config', 'show', '--config', conf, '--format', 'json').stdout)
        assert {(r['section'], r['key']): r['value'] for r in shown} == {(r['section'], r['key']): r['value'] for r in plain}
        assert {(r['section'], r['key']) for r in shown if r['origin'] != 'default'} == keys
