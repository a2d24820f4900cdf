"""kill -9 of roles and supervisors at random, while sessions are fetched and refined, Bitcoin's prices collected and all of it
copied: the system recovers alone, nothing acknowledged is lost, nothing is there twice, and nothing stays behind.

Seconds of it in every run (UP_KILL_SECONDS), minutes in `make soak` (SOAK_SECONDS).
"""
import datetime
import fcntl
import json
import os
import random
import signal
import sqlite3
import time

import pytest

import bitcoin_server
import lake as look
from b3_server import B3Server, make_portfolio
from make_portfolio import sessions_from
from supervised import ROLES, Up, eventually, lives, of_lake

INDICES = ('IBOV', 'SMLL')
FIRST = datetime.date(2024, 1, 2)
STOCKS = 30


def show(b3, day):
    """From now on B3 shows that session."""
    b3.portfolios.update({index: make_portfolio(index, day, STOCKS, seed=str(day)) for index in INDICES})


def told(pregao, lake, *words, expect=0):
    return json.loads(pregao(*words, '--lake', lake, '--format', 'json', expect=expect).stdout)


def refined(pregao, lake, day):
    """How many of the session's indices a query finds whole."""
    found = look.sql(pregao, lake, f"SELECT count(*) AS n FROM refined.portfolio WHERE pregao_date = '{day}' GROUP BY index_code")
    return sum(row['n'] == STOCKS for row in found)


def records(pregao, lake):
    """Whole, in their order: a number that was used twice shows by what stands behind it."""
    rows = [r for t in ('ticks', 'gaps') for r in look.sql(pregao, lake, f'SELECT * FROM raw.bitcoin_{t}')]
    return sorted(rows, key=lambda r: (r['seq'], json.dumps(r)))


def held_locks(lake):
    """The lock files that somebody still holds."""
    held = []
    for path in [*(lake / 'state').rglob('*.lock'), *(p for p in (lake / 'state/locks').rglob('*') if p.is_file())]:
        with path.open('r+') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                held.append(path.name)
    return held


class Killer:
    """Kills a role at random, or the supervisor, which is then started again as systemd would."""

    def __init__(self, pregao, words, chance):
        self.pregao, self.words, self.chance = pregao, words, chance
        self.kills = dict.fromkeys([*sorted(ROLES), 'supervisor'], 0)
        self.start()

    def start(self):
        self.up = Up(self.pregao, *self.words)
        self.up.wait(lambda e: e['event'] == 'up', 60)

    def kill(self):
        pids = self.up.pids()
        if self.chance.random() < 0.2:
            self.kills['supervisor'] += 1
            self.up.process.kill()
            self.up.process.wait()
            assert eventually(lambda: not [p for p in pids.values() if lives(p)], 10), 'roles outlived their supervisor'
            self.start()
        elif pids:
            role = self.chance.choice(sorted(pids))
            self.kills[role] += 1
            os.kill(pids[role], signal.SIGKILL)


def scenes(pregao, tmp_path, b3, bitcoin, seconds):
    """Session after session is asked for while the killer kills; returns the sessions and the supervisor that is left."""
    lake, conf = tmp_path / 'lake', tmp_path / 'up.ini'
    conf.write_text(f'[b3_portfolio]\nurl = {b3.url}\nindices = {",".join(INDICES)}\npause = 100ms\n[bitcoin]\nperiod = 1s\n'
                    '[stream]\nage = 1s\nsegment = 16KiB\n[scheduler]\nvisibility = 3s\n[backup]\nvisibility = 3s\n'
                    '[schedule.portfolio]\njitter = 0\nanswer = 10s\nretry = 1s\n')
    words = ['--lake', lake, '--config', conf,
             *(w for i in range(3) for w in ('--source', f'binance/PAIR{i}={bitcoin.url}/binance?symbol=PAIR{i}'))]
    chance = random.Random(5)
    days = iter(sessions_from(FIRST, 2000))
    asked = [next(days)]
    show(b3, asked[-1])
    killer = Killer(pregao, words, chance)
    until = time.monotonic() + seconds

    def ask():
        pregao('schedule', 'run', 'portfolio', '--session', asked[-1], '--lake', lake, '--config', conf)
    ask()
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.2, 1.5))
        killer.kill()
        # B3 shows one session at a time: the next one only comes when somebody has seen this one.
        if refined(pregao, lake, asked[-1]) == len(INDICES) and \
                told(pregao, lake, 'schedule', 'list', '--config', conf)[0]['state'] == 'done':
            asked.append(next(days))
            show(b3, asked[-1])
            ask()
    return asked, killer


def drained(pregao, lake):
    """No message waits, and the backup has what there was a moment ago."""
    return not told(pregao, lake, 'queue', 'list') and told(pregao, lake, 'backup', 'status')[0]['waiting'] == 0


def undisturbed(pregao, tmp_path, b3, days):
    """The same sessions, by one pass after the other."""
    calm = tmp_path / 'calm'
    for day in days:
        show(b3, day)
        pregao('run', '--lake', calm, '--url', b3.url, '--index', ','.join(INDICES))
    return calm


def whole(pregao, lake):
    rows = 'SELECT * FROM {0} ORDER BY ALL'
    return [look.sql(pregao, lake, rows.format(table)) for table in ('raw.portfolio', 'raw.portfolio_total', 'refined.portfolio')]


def killed(pregao, tmp_path, seconds):
    lake = tmp_path / 'lake'
    with bitcoin_server.serve() as bitcoin, B3Server(seconds=seconds + 600) as b3:
        days, killer = scenes(pregao, tmp_path, b3, bitcoin, seconds)
        up = killer.up
        assert eventually(lambda: refined(pregao, lake, days[-1]) == len(INDICES), 90), up.said()
        assert eventually(lambda: told(pregao, lake, 'schedule', 'list')[0]['state'] == 'done', 60), up.said()
        assert eventually(lambda: set(up.pids()) == ROLES, 70), up.said()
        # As it recovers alone it gets done what waits, while more comes in.
        assert eventually(lambda: drained(pregao, lake), 60), (told(pregao, lake, 'queue', 'list'), up.said())
        seen = records(pregao, lake)
        assert up.end() == 0, up.said()
        print(f'{sum(killer.kills.values())} kills ({killer.kills}), {len(days)} sessions, {len(seen)} records')
        assert not of_lake(lake) and not held_locks(lake)
        got = records(pregao, lake)
        status = told(pregao, lake, 'stream', 'status')[0]
        assert [r['seq'] for r in got] == list(range(1, status['last_seq'] + 1)) and got[:len(seen)] == seen, 'records are lost, or there twice'
        assert status['lag_records'] == 0
        assert not told(pregao, lake, 'queue', 'list', '--dead'), 'a dead letter'
        assert whole(pregao, lake) == whole(pregao, undisturbed(pregao, tmp_path, b3, days)), 'not what an undisturbed run gives'
    # What the dead left behind goes when somebody writes again, and the copies are whole.
    pregao('compact', '--lake', lake)
    pregao('backup', 'run', '--lake', lake)
    pregao('backup', 'verify', '--lake', lake)
    assert not [p for p in (lake / 'scratch').rglob('*') if p.is_file()]
    for path in (lake / 'state').rglob('*.sqlite'):
        with sqlite3.connect(path) as db:
            assert db.execute('PRAGMA integrity_check').fetchall() == [('ok',)], path
        db.close()
    # Sessions of other days were never asked for, and a collector that is dead asks nobody.
    wrong = [f for f in told(pregao, lake, 'doctor', '--all', expect=None) if f['severity'] in ('warning', 'error')]
    assert not [f for f in wrong if f['check'] not in ('sessions', 'gaps')]


def test_killed_at_random(pregao, tmp_path):
    killed(pregao, tmp_path, float(os.environ.get('UP_KILL_SECONDS', '10')))


@pytest.mark.soak
def test_soak_of_kills(pregao, tmp_path):
    killed(pregao, tmp_path, float(os.environ.get('SOAK_SECONDS', '600')))
