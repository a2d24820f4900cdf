"""How `pregao up` ends: whoever is signalled, all that was collected is in files, and the next start goes on behind it."""
import json
import os
import signal

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
