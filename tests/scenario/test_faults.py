"""A machine that fails: read-only lakes, unreadable files, full disks, two passes at once."""
import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import subprocess
import sys

import pytest

import lake as look

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'fixtures'))
import make_portfolio  # noqa: E402


def portfolio(seed=1, day=15, **kw):
    return make_portfolio.make_portfolio(session=datetime.date(2024, 7, day), seed=seed, **{'stocks': 12, **kw})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_bytes(portfolio().csv())
    return path


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip('mounting a small file system needs root')
    disk = tmp_path / 'disk'
    disk.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk], capture_output=True).returncode:
        pytest.skip('mounting is not possible here')
    yield disk
    subprocess.run(['umount', '-l', disk], check=True)


def test_full_disk(pregao, small_disk, tmp_path):
    """Room for the first session, then none, then room again."""
    lake = small_disk / 'lake'
    first, second = tmp_path / 'first.csv', tmp_path / 'second.csv'
    first.write_bytes(portfolio().csv())
    second.write_bytes(portfolio(day=16, stocks=60).csv())
    pregao('import', 'portfolio', first, '--lake', lake)
    before = look.files(lake)
    rows = look.sql(pregao, lake, 'SELECT count(*) AS n FROM refined.portfolio')
    filler = small_disk / 'filler'
    with open(filler, 'wb', buffering=0) as f:
        try:
            while True:
                f.write(b'\0' * 4096)
        except OSError:
            pass
    done = pregao('import', 'portfolio', second, '--lake', lake, expect=1)
    assert 'space' in done.stderr or 'full' in done.stderr, done.stderr
    assert {k: v for k, v in look.files(lake).items() if k in before} == before
    assert look.sql(pregao, lake, 'SELECT count(*) AS n FROM refined.portfolio') == rows
    filler.unlink()
    pregao('import', 'portfolio', second, '--lake', lake)
    assert look.sql(pregao, lake, "SELECT count(*) AS n FROM raw.portfolio WHERE data_pregao = '2024-07-16'") == [{'n': 60}]


def test_read_only_lake(pregao, file, tmp_path, small_disk):
    """Reading works, writing says which folder; nothing changes."""
    lake = small_disk / 'lake'
    pregao('import', 'portfolio', file, '--lake', lake)
    subprocess.run(['mount', '-o', 'remount,ro', small_disk], check=True)
    before = look.digest(lake)
    assert look.sql(pregao, lake, 'SELECT count(*) AS n FROM raw.portfolio') == [{'n': 12}]
    for command in (['tables'], ['describe', 'refined.portfolio'], ['partitions', 'raw.portfolio'], ['runs'], ['queue', 'list'], ['quarantine', 'list'], ['job', 'list']):
        pregao(*command, '--lake', lake)
    other = tmp_path / 'b.csv'
    other.write_bytes(portfolio(2).csv())
    done = pregao('import', 'portfolio', other, '--lake', lake, expect=1)
    assert str(lake) in done.stderr and 'ead-only' in done.stderr
    assert look.digest(lake) == before


def test_a_file_where_the_lake_should_be(pregao, file):
    done = pregao('import', 'portfolio', file, '--lake', file, expect=2)
    assert str(file) in done.stderr


def test_unreadable_input(pregao, tmp_path):
    for name in ('missing.csv', '.'):
        done = pregao('import', 'portfolio', tmp_path / name, '--lake', tmp_path / 'lake', expect=1)
        assert str(tmp_path) in done.stderr
    big = tmp_path / 'big.csv'
    with open(big, 'wb') as f:
        f.truncate(100 << 20)
    assert 'big.csv' in pregao('import', 'portfolio', big, '--lake', tmp_path / 'lake', expect=None).stderr


def test_two_passes_at_once(pregao, tmp_path):
    """Eight writers of one lake, the same and different sessions: all end well, the lake is what one after the other would have made."""
    files = []
    for n in range(4):
        path = tmp_path / f'{n}.csv'
        path.write_bytes(portfolio(day=15 + n).csv())
        files.append(path)
    calm, busy = tmp_path / 'calm', tmp_path / 'busy'
    pregao('import', 'portfolio', *files, '--lake', calm, '--as-of', '2024-08-01')
    started = [pregao.start('import', 'portfolio', f, '--lake', busy, '--as-of', '2024-08-01', stdout=subprocess.PIPE, stderr=subprocess.PIPE) for f in files * 2]
    for p in started:
        out, err = p.communicate(timeout=120)
        assert p.returncode == 0, err
    assert look.files(busy) == look.files(calm)
    assert look.sql(pregao, busy, 'SELECT count(*) AS n FROM refined.portfolio') == look.sql(pregao, calm, 'SELECT count(*) AS n FROM refined.portfolio')


def test_a_held_lock_is_waited_for_once(pregao, tmp_path):
    """Somebody holds the raw tables: the first file waits and fails, the others say that they were not tried."""
    lake, config = tmp_path / 'lake', tmp_path / 'c.ini'
    config.write_text('[lake]\nlock_wait = 300ms\n')
    files = []
    for n in range(5):
        files.append(tmp_path / f'{n}.csv')
        files[n].write_bytes(portfolio(day=15 + n).csv())
    pregao('import', 'portfolio', files[0], '--lake', lake)
    before = look.files(lake)
    with contextlib.ExitStack() as held:
        for path in (lake / 'state/locks').iterdir():
            fcntl.flock(held.enter_context(open(path)), fcntl.LOCK_EX)
        done = pregao('import', 'portfolio', *files, '--lake', lake, '--config', config, '--format', 'json', expect=1)
    rows = json.loads(done.stdout)
    assert [r['outcome'] for r in rows] == ['unchanged'] + ['failed'] * 4
    assert ['not tried' in (r['text'] or '') for r in rows] == [False, False, True, True, True], rows
    assert 'holds the lock' in rows[1]['text'] and 'holds the lock' in rows[4]['text']
    assert look.files(lake) == before


def test_damaged_catalog_is_said(pregao, file, tmp_path):
    lake = tmp_path / 'lake'
    pregao('import', 'portfolio', file, '--lake', lake)
    (lake / 'state/catalog.sqlite').write_bytes(b'this is no database' * 100)
    for suffix in ('-wal', '-shm'):
        (lake / f'state/catalog.sqlite{suffix}').unlink(missing_ok=True)
    done = pregao('tables', '--lake', lake, expect=1)
    assert 'catalog.sqlite' in done.stderr


def test_missing_data_file_is_said(pregao, file, tmp_path):
    """Somebody deleted a file behind the catalog's back."""
    lake = tmp_path / 'lake'
    pregao('import', 'portfolio', file, '--lake', lake)
    for f in (lake / 'raw/portfolio').rglob('*.parquet'):
        f.unlink()
    assert 'raw/portfolio' in pregao('sql', 'SELECT count(*) FROM raw.portfolio', '--lake', lake, expect=1).stderr


def test_poison_message_becomes_a_dead_letter(pregao, file, tmp_path):
    """A message that nobody can read is received a few times and then set aside, seen and sent again; the others go on."""
    import sqlite3
    lake = tmp_path / 'lake'
    pregao('import', 'portfolio', file, '--lake', lake)
    queue = next((lake / 'state/queue').glob('*.sqlite'))
    with sqlite3.connect(queue) as db:
        db.execute("INSERT INTO message (body, sent_us, visible_us) VALUES ('this is no event', 1, 1)")
    other = tmp_path / 'b.csv'
    other.write_bytes(portfolio(day=16).csv())
    for _ in range(6):
        pregao('import', 'portfolio', other, '--lake', lake)
    assert look.sql(pregao, lake, 'SELECT count(DISTINCT pregao_date) AS n FROM refined.portfolio') == [{'n': 2}]
    dead = json.loads(pregao('queue', 'list', '--dead', '--lake', lake, '--format', 'json').stdout)
    assert len(dead) == 1 and dead[0]['state'] == 'dead' and dead[0]['last_error']
    assert 'this is no event' in pregao('queue', 'show', dead[0]['message'], '--lake', lake).stdout
    assert json.loads(pregao('queue', 'redrive', dead[0]['message'], '--lake', lake, '--format', 'json').stdout) == {'redriven': 1}
    pregao('queue', 'redrive', 'nothing', '--lake', lake, expect=1)
    waiting = json.loads(pregao('queue', 'list', '--lake', lake, '--format', 'json').stdout)
    assert [m['state'] for m in waiting] == ['waiting'] and waiting[0]['receives'] == 0
