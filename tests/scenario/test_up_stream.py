"""What `pregao up` does with the stream: whoever ends it, all that was collected is in files; what it cannot seal is seen from outside."""
import json
import os
import signal
import time

import pytest

import bitcoin_server
import lake as look
from supervised import Up, eventually


def status_of(pregao, lake):
    return json.loads(pregao('stream', 'status', '--lake', lake, '--format', 'json').stdout)[0]


@pytest.mark.parametrize('number', (signal.SIGTERM, signal.SIGINT), ids=('term', 'int'))
@pytest.mark.parametrize('to', (os.kill, os.killpg), ids=('supervisor', 'group'))
def test_a_clean_end_delivers(pregao, tmp_path, number, to):
    """systemd signals the supervisor alone; Ctrl-C and timeout(1) its whole process group."""
    lake, conf = tmp_path / 'lake', tmp_path / 'up.ini'
    conf.write_text('[stream]\nage = 1s\n')
    with bitcoin_server.serve() as server:
        words = ['--lake', lake, '--config', conf, '--period', '1s',
                 *(w for i in range(3) for w in ('--source', f'binance/PAIR{i}={server.url}/binance?symbol=PAIR{i}'))]
        for _ in range(2):
            up = Up(pregao, *words, start_new_session=True)
            up.wait(lambda e: e['event'] == 'up')
            before = status_of(pregao, lake)['last_seq']
            assert eventually(lambda before=before: status_of(pregao, lake)['last_seq'] > before + 3), up.said()
            to(up.process.pid, number)
            assert up.end(0) == 0, up.said()
            assert not [e for e in up.events if e['event'] in ('failed', 'killed') or e.get('status')], up.said()
            status = status_of(pregao, lake)
            assert (status['lag_records'], status['delivered_seq']) == (0, status['last_seq']), 'the deliverer ended before the collector'
    rows = look.sql(pregao, lake, 'SELECT seq FROM raw.bitcoin_ticks UNION ALL SELECT seq FROM raw.bitcoin_gaps ORDER BY 1')
    assert [r['seq'] for r in rows] == list(range(1, status['last_seq'] + 1))


def events_of(pregao, lake, *names):
    """The log's events of these names, the oldest first."""
    told = json.loads(pregao('logs', '--lake', lake, '--format', 'json', '--limit', 1000).stdout)
    return [r['event'] for r in told if r['event'] in names]


def test_a_segment_that_cannot_be_sealed(pregao, preload, tmp_path):
    """`stream status` shows it though nothing is appended meanwhile; it recovers alone, and nothing is lost."""
    lake, conf, bad = tmp_path / 'lake', tmp_path / 'up.ini', tmp_path / 'bad'
    conf.write_text('[stream]\nage = 1s\n')
    bad.touch()
    env = {'LD_PRELOAD': str(preload('iofault')), 'IOFAULT_CALL': 'rename', 'IOFAULT_UNDER': str(lake / 'state/stream/bitcoin/0'), 'IOFAULT_WHILE': str(bad)}
    with bitcoin_server.serve() as server:
        up = Up(pregao, '--lake', lake, '--config', conf, '--period', '1h', '--source', f'binance={server.url}/binance', env=env)
        assert eventually(lambda: status_of(pregao, lake)['failed']), up.said()
        status = status_of(pregao, lake)
        assert (status['errors'] > 0, status['last_seq'], status['delivered_seq'], status['last_error_code']) == (True, 1, 0, 'IO')
        assert 'the spool' in status['last_error']
        bad.unlink()
        assert eventually(lambda: not status_of(pregao, lake)['failed']), up.said()
        assert eventually(lambda: status_of(pregao, lake)['lag_records'] == 0), up.said()
        assert up.end() == 0, up.said()
    assert events_of(pregao, lake, 'seal_failed', 'seal_recovered') == ['seal_failed', 'seal_recovered']
    assert [r['seq'] for r in look.sql(pregao, lake, 'SELECT seq FROM raw.bitcoin_ticks')] == [1]


def test_a_job_outlives_a_bad_disk(pregao, preload, tmp_path):
    """What it writes fails for longer than all its tries would take: the disk's fault is no try, and no run fails."""
    lake, conf, bad = tmp_path / 'lake', tmp_path / 'up.ini', tmp_path / 'bad'
    conf.write_text('[stream]\nage = 1s\n')
    bad.touch()
    env = {'LD_PRELOAD': str(preload('iofault')), 'IOFAULT_CALL': 'rename', 'IOFAULT_UNDER': str(lake / 'refined'), 'IOFAULT_WHILE': str(bad)}

    def candle_runs():
        runs = json.loads(pregao('runs', '--lake', lake, '--format', 'json').stdout)
        return [r for r in runs if r['kind'] == 'job' and r['name'] == 'bitcoin_candles']
    with bitcoin_server.serve() as server:
        up = Up(pregao, '--lake', lake, '--config', conf, '--period', '1h', '--source', f'binance={server.url}/binance', env=env)
        assert eventually(lambda: [r for r in candle_runs() if r['error_code'] == 'IO']), up.said()
        first = candle_runs()[-1]['run']
        time.sleep(6)
        assert {r['state'] for r in candle_runs()} <= {'queued', 'running'}, up.said()
        bad.unlink()
        assert eventually(lambda: candle_runs() and all(r['state'] == 'succeeded' for r in candle_runs()), 90), up.said()
        assert first in [r['run'] for r in candle_runs()]
        assert up.end() == 0, up.said()
    assert look.sql(pregao, lake, 'SELECT count(*) AS n FROM refined.bitcoin_candles')[0]['n'] > 0
