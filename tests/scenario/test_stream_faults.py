"""The running collection on a machine that misbehaves: a sync fails, the clock is set. Nothing acknowledged is lost, no slot is there twice,
it goes on without a hand, and the log tells."""
import datetime
import json
import struct
import subprocess
import time

import pytest

import bitcoin_server
import lake as look

CONF = '[stream]\nage = 1s\nsegment = 16KiB\n'
PAIRS = 3


class Collection:
    """A running `fetch bitcoin --follow`, and the records that it acknowledged."""

    def __init__(self, pregao, lake, conf, server, env):
        self.told = []
        conf.write_text(CONF)
        words = (w for i in range(PAIRS) for w in ('--source', f'binance/PAIR{i}={server.url}/binance?symbol=PAIR{i}'))
        self.process = pregao.start('fetch', 'bitcoin', '--follow', '--period', '1s', '--lake', lake, '--config', conf, '--format', 'json', *words,
                                    env=env, stdout=subprocess.PIPE)

    def collect(self, fits):
        """What is acknowledged up to the first record that fits, and that one."""
        new = []
        while not (new and fits(new[-1])):
            line = self.process.stdout.readline()
            assert line, 'it ended'
            new.append(json.loads(line))
        self.told += new
        return new

    def slots(self, n):
        """So many more slots of each pair."""
        for _ in range(n * PAIRS):
            self.collect(lambda r: r['kind'] == 'tick')

    def end(self):
        self.process.terminate()
        self.told += [json.loads(line) for line in self.process.communicate(timeout=30)[0].splitlines()]
        assert self.process.returncode == 0


def status_of(pregao, lake):
    return json.loads(pregao('stream', 'status', '--lake', lake, '--format', 'json').stdout)[0]


def events_of(pregao, lake, *names):
    """The log's events of these names."""
    told = json.loads(pregao('logs', '--lake', lake, '--format', 'json', '--limit', 1000).stdout)
    return [r for r in told if r['event'] in names]


def rows(pregao, lake, what):
    return look.sql(pregao, lake, what)


def as_acknowledged(pregao, lake, told):
    """Every record that was acknowledged is there, once, and delivered; and no slot has two answers."""
    got = [r['seq'] for r in rows(pregao, lake, 'SELECT seq FROM raw.bitcoin_ticks UNION ALL SELECT seq FROM raw.bitcoin_gaps ORDER BY 1')]
    assert got == sorted(r['seq'] for r in told) == list(range(1, len(told) + 1))
    assert not rows(pregao, lake, 'SELECT pair, slot FROM raw.bitcoin_ticks GROUP BY ALL HAVING count(*) > 1')
    status = status_of(pregao, lake)
    assert (status['lag_records'], status['failed'], status['damaged']) == (0, False, 0)


def delivered(pregao, lake, seq):
    """Waits until the running collection has delivered up to there."""
    end = time.monotonic() + 30
    while status_of(pregao, lake)['delivered_seq'] < seq:
        assert time.monotonic() < end, status_of(pregao, lake)
        time.sleep(0.2)


def test_a_sync_that_fails_once(pregao, preload, tmp_path):
    """Again and again: what was not acknowledged is written again, and no slot is missed."""
    lake, bad = tmp_path / 'lake', tmp_path / 'bad'
    env = {'LD_PRELOAD': str(preload('iofault')), 'IOFAULT_CALL': 'fdatasync', 'IOFAULT_UNDER': str(lake / 'state/stream/bitcoin/0'),
           'IOFAULT_ONCE': str(bad)}
    with bitcoin_server.serve() as server:
        running = Collection(pregao, lake, tmp_path / 'conf.ini', server, env)
        running.slots(1)
        for _ in range(3):
            bad.touch()
            running.slots(2)
            assert not bad.exists()
        delivered(pregao, lake, running.told[-1]['seq'])
        running.end()
    as_acknowledged(pregao, lake, running.told)
    assert not [r for r in running.told if r.get('reason') == 'append_failed']
    assert len(events_of(pregao, lake, 'spool_recovered')) == 3
    told = [r['event'] for r in events_of(pregao, lake, 'append_failed', 'append_recovered')]
    assert len(told) >= 2 and told == ['append_failed', 'append_recovered'] * (len(told) // 2)


@pytest.mark.parametrize('seconds', (-3600, 86400), ids=('back an hour', 'forward a day'))
def test_the_clock_is_set(pregao, preload, tmp_path, seconds):
    """Slots follow the clock; the ones that it left out are one gap for each pair; and when it is right again, the next start goes on."""
    lake, step = tmp_path / 'lake', tmp_path / 'step'
    env = {'LD_PRELOAD': str(preload('fastclock')), 'FASTCLOCK_STEP': str(step)}
    ahead = [0]

    def set_clock(by):
        ahead[0] = by
        with step.open('r+b') as file:
            file.write(struct.pack('q', by))
    step.write_bytes(bytes(8))
    with bitcoin_server.serve(clock=lambda: time.time() + ahead[0]) as server:
        running = Collection(pregao, lake, tmp_path / 'conf.ini', server, env)
        running.slots(2)
        before = datetime.datetime.fromisoformat(running.told[-1]['slot'].rstrip('Z'))
        set_clock(seconds)
        running.slots(4)
        # sealed and delivered on the new time
        delivered(pregao, lake, running.told[-1]['seq'])
        running.end()
        after = datetime.datetime.fromisoformat(running.told[-1]['slot'].rstrip('Z'))
        assert abs((after - before).total_seconds() - seconds) < 60
        as_acknowledged(pregao, lake, running.told)
        stepped = [r for r in running.told if r['kind'] == 'gap' and r['reason'] == 'clock_stepped']
        assert len(stepped) == (PAIRS if seconds > 0 else 0)
        assert all(abs(r['slots'] - seconds) < 60 for r in stepped)
        steps = events_of(pregao, lake, 'clock_stepped')
        assert [r['level'] for r in steps] == ['warning'] and ('forward' if seconds > 0 else 'back') in steps[0]['text']

        set_clock(0)
        again = Collection(pregao, lake, tmp_path / 'conf.ini', server, env)
        again.slots(2)
        again.end()
        as_acknowledged(pregao, lake, running.told + again.told)
