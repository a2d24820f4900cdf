"""A day of `pregao up` in minutes: its clock runs fast (fastclock.c), so that slots, segments, hours, the evening's session, merges and
copies come as in a day. Memory and open files of each role stay as they are, the logs within their limit.

Half an hour of it in every run, two days in `make soak` (DAY_HOURS, at DAY_TIMES the clock's pace): a job computes a day anew from
all that it has, and so takes more in the evening than in the morning, but no more than the evening before.
"""
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import time

import pytest

import bitcoin_server
import lake as look
from b3_server import B3Server, make_portfolio
from supervised import Up

HERE = pathlib.Path(__file__).parent
TIMES = 120
# Monday, 18:50 in São Paulo: ten minutes before the schedule. File times are real, and so lie in this clock's future.
BEGINS = datetime.datetime(2024, 7, 15, 21, 50, tzinfo=datetime.timezone.utc).timestamp()
LOG_LIMIT = 1 << 20
SOURCES = ('cointradermonitor', 'mercadobitcoin', 'binance', 'coinbase')


@pytest.fixture(scope='session')
def fastclock(tmp_path_factory):
    library = tmp_path_factory.mktemp('fastclock') / 'fastclock.so'
    subprocess.run(['cc', '-shared', '-fPIC', '-O1', '-o', library, HERE / 'fastclock.c', '-ldl'], check=True)
    return library


def own_kib(pid):
    """Memory that is the process's own."""
    text = pathlib.Path(f'/proc/{pid}/status').read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith('RssAnon:'))


def descriptors(pid):
    """How many are open; None where only root may know."""
    try:
        return len(os.listdir(f'/proc/{pid}/fd'))
    except PermissionError:
        return None


def log_bytes(lake):
    return sum(p.stat().st_size for p in (lake / 'state').glob('telemetry.sqlite*'))


def live(pregao, tmp_path, fastclock, hours, times):
    """Samples of each role, one a minute of the fast clock: (hour, KiB, descriptors); and the log's greatest size."""
    lake, conf = tmp_path / 'lake', tmp_path / 'up.ini'
    real = int(time.time())

    def clock():
        return BEGINS + (time.time() - real) * times
    pregao.env.update(LD_PRELOAD=str(fastclock), FASTCLOCK_TIMES=str(times), FASTCLOCK_SHOWN=str(int(BEGINS)), FASTCLOCK_REAL=str(real))
    session = datetime.date(2024, 7, 15)
    with bitcoin_server.serve(clock=clock) as bitcoin, B3Server({'IBOV': make_portfolio('IBOV', session)}, seconds=7200) as b3:
        # Patience for servers and disks, which are not faster than they are.
        conf.write_text(f'[b3_portfolio]\nurl = {b3.url}\ndeadline = 1h\n[bitcoin]\ndeadline = 1h\n[telemetry]\nlimit = {LOG_LIMIT}\n'
                        '[lake]\nlock_wait = 1h\n[schedule.portfolio]\njitter = 1m\n[alarms]\nevery = 1m\n')
        up = Up(pregao, '--lake', lake, '--config', conf, *(w for s in SOURCES for w in ('--source', f'{s}={bitcoin.url}/{s}')))
        up.wait(lambda e: e['event'] == 'up')
        pids = up.pids() | {'supervisor': up.process.pid}
        samples, log = {role: [] for role in pids}, 0
        while (now := (clock() - BEGINS) / 3600) < hours:
            time.sleep(0.5)
            for role, pid in pids.items():
                samples[role].append((now, own_kib(pid), descriptors(pid)))
            log = max(log, log_bytes(lake))
        assert up.process.poll() is None and up.pids() | {'supervisor': up.process.pid} == pids, f'a role died\n{up.said()}'
        assert up.end() == 0, up.said()
        slots = bitcoin.count('/binance')
    for name in [n for n in pregao.env if n.startswith('FASTCLOCK_')] + ['LD_PRELOAD']:
        del pregao.env[name]
    return lake, samples, log, slots


def flat(samples, hours):
    """Compares the second half of the time with what was before; the first quarter is for what is made once. Of open files the
    median counts: those that are open for the moment of a copy come and go."""
    grown = []
    for role, seen in samples.items():
        early = [s for s in seen if hours / 4 <= s[0] < hours / 2]
        late = [s for s in seen if s[0] >= hours / 2]
        memory = [statistics.median(s[1] for s in part) for part in (early, late[len(late) // 2:])]
        files = [statistics.median((s[2] or 0) for s in part) for part in (early, late)]
        course = [statistics.median([s[1] for s in seen if hours * i / 12 <= s[0] < hours * (i + 1) / 12] or [0]) for i in range(12)]
        print(f'{role:12} {memory[0] / 1024:6.1f} MB, then {memory[1] / 1024:6.1f} MB; {files[0]:.0f} files open, then {files[1]:.0f}, '
              f'at most {max((s[2] or 0) for s in seen)}; MB by twelfths: {" ".join(f"{kib / 1024:.1f}" for kib in course)}')
        if memory[1] > memory[0] * 1.1 + 1024:
            grown.append(f'{role}: {memory[0]} KiB, then {memory[1]} KiB')
        if files[1] > files[0] + 4:
            grown.append(f'{role}: {files[0]} descriptors, then {files[1]}')
    return grown


def day(pregao, tmp_path, fastclock, hours, times=TIMES):
    lake, samples, log, slots = live(pregao, tmp_path, fastclock, hours, times)
    grown = flat(samples, hours)
    print(f'{hours} hours: {slots} slots of {len(SOURCES)} sources, log {log / 1024:.0f} KiB at most')
    assert slots >= hours * 60 * 0.9
    # The write-ahead log lies beside the database, and a checkpoint waits for readers.
    assert log <= 3 * LOG_LIMIT
    assert look.sql(pregao, lake, 'SELECT count(*) AS n FROM refined.portfolio')[0]['n'] == 85
    seqs = [r['seq'] for r in look.sql(pregao, lake, 'SELECT seq FROM raw.bitcoin_ticks UNION ALL SELECT seq FROM raw.bitcoin_gaps ORDER BY 1')]
    assert seqs == list(range(1, len(seqs) + 1)) and len(seqs) >= slots
    assert not json.loads(pregao('queue', 'list', '--dead', '--lake', lake, '--format', 'json').stdout)
    return lake, grown


@pytest.mark.slow
def test_half_an_hour(pregao, tmp_path, fastclock):
    _, grown = day(pregao, tmp_path, fastclock, 0.5)
    assert not [g for g in grown if 'descriptors' in g]


@pytest.mark.soak
def test_two_days(pregao, tmp_path, fastclock):
    hours, times = float(os.environ.get('DAY_HOURS', '48')), int(os.environ.get('DAY_TIMES', '240'))
    lake, grown = day(pregao, tmp_path, fastclock, hours, times)
    assert not grown
    for path in sorted((lake / 'state').rglob('*')):
        if path.is_file() and path.stat().st_size > 1 << 20:
            print(f'{path.relative_to(lake)}: {path.stat().st_size / 1024:.0f} KiB')
    print(pregao('tables', '--lake', lake).stdout)
