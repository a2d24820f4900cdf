"""Backup through the program: killed at any moment and run again, verified, restored. What is backed up comes through the stream."""
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import time

import pytest

import lake as look
from test_kill import killpoint  # noqa: F401

HOURS = 60
KILLS = int(os.environ.get('BACKUP_KILLS', '12'))  # of `backup run`; a thousand in `make soak`
STEP = int(os.environ.get('KILL_STEP', '9'))  # every so manyth call is a point of death; 1: all of them
EVERYTHING = 'SELECT * FROM raw.bitcoin_trades ORDER BY trade_id'


def trades(path, first, count, hour0=0, id0=1000):
    """One trade an hour, so that each becomes a file of its own."""
    with open(path, 'w') as f:
        for i in range(first, first + count):
            us = (1723075200 + (hour0 + i) * 3600) * 1000
            f.write(json.dumps({'e': 'trade', 'E': us, 's': 'BTCUSDT', 't': id0 + i, 'p': f'{60000 + i}.25', 'q': '0.001', 'T': us, 'm': True}) + '\n')


@pytest.fixture(scope='session')
def template(tmp_path_factory):
    return tmp_path_factory.mktemp('template')


@pytest.fixture
def lake(pregao, template, tmp_path):
    """A lake with HOURS files, not backed up yet."""
    made = template / 'lake'
    if not made.exists():
        trades(template / 'a.ndjson', 0, HOURS)
        pregao('stream', 'replay', template / 'a.ndjson', '--lake', template / 'being-made')
        (template / 'being-made').rename(made)
    shutil.copytree(made, tmp_path / 'lake')
    return tmp_path / 'lake'


def one(done):
    return json.loads(done.stdout)[0]


def status(pregao, lake, *args):
    return one(pregao('backup', 'status', '--lake', lake, '--format', 'json', *args))


def run(pregao, lake, *args, **kw):
    return one(pregao('backup', 'run', '--lake', lake, '--format', 'json', *args, **kw))


def hashes(folder):
    folder = pathlib.Path(folder)
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob('*.parquet'))}


def copies(lake):
    return hashes(f'{lake}-backup/data')


def originals(lake):
    return {f'raw/{k}': v for k, v in hashes(lake / 'raw').items()}


def test_created_objects_are_copied_once(pregao, lake):
    assert status(pregao, lake)['waiting'] == HOURS
    assert run(pregao, lake, '--dry-run')['copied'] == HOURS
    assert not pathlib.Path(f'{lake}-backup').exists()
    done = pregao('backup', 'run', '--lake', lake, '--format', 'json')
    assert one(done)['copied'] == HOURS and one(done)['failed'] == 0
    assert 'same disk' in done.stderr
    assert copies(lake) == originals(lake)
    got = status(pregao, lake)
    assert (got['live'], got['copied'], got['waiting'], got['in_flight'], got['dead']) == (HOURS, HOURS, 0, 0, 0)
    assert json.loads(pregao('backup', 'verify', '--lake', lake, '--format', 'json').stdout) == []
    assert run(pregao, lake)['copied'] == 0
    # More comes in: it alone is copied.
    trades(lake.parent / 'b.ndjson', HOURS, 5)
    pregao('stream', 'replay', lake.parent / 'b.ndjson', '--lake', lake)
    assert run(pregao, lake, '--workers', 1)['copied'] == 5
    assert copies(lake) == originals(lake)


def whole(pregao, lake):
    """Everything has its copy, and nothing of the dead is left."""
    assert run(pregao, lake)['failed'] == 0
    assert copies(lake) == originals(lake)
    pregao('backup', 'verify', '--lake', lake)
    got = status(pregao, lake)
    assert got['copied'] == got['copies'] == HOURS and got['dead'] == 0
    assert not [p for p in pathlib.Path(f'{lake}-backup/scratch').rglob('*') if p.is_file() and p.name != 'lock']


def test_killed_at_any_moment(pregao, lake):
    """Again and again from no backup at all; what a manifest tells of is there whenever somebody was killed."""
    random.seed(4)
    killed = 0
    for n in range(KILLS):
        p = pregao.start('backup', 'run', '--lake', lake, '--workers', '3', stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.002, 0.06))
        killed += p.poll() is None
        p.kill()
        p.wait()
        told = {str(m.relative_to(f'{lake}-backup/manifest'))[:-len('.json')] for m in pathlib.Path(f'{lake}-backup/manifest').rglob('*.json')}
        there = copies(lake) if told else {}
        assert told <= set(there) and all(originals(lake)[k] == there[k] for k in told), f'a manifest without its copy after {n + 1} kills'
        if len(told) == HOURS:
            whole(pregao, lake)
            shutil.rmtree(f'{lake}-backup')
    print(f'{killed} kills')
    assert killed > KILLS / 4
    whole(pregao, lake)


@pytest.mark.soak
def test_soak_of_backup(pregao, lake, monkeypatch):
    monkeypatch.setitem(globals(), 'KILLS', int(os.environ.get('BACKUP_KILLS', '1000')))
    test_killed_at_any_moment(pregao, lake)


def test_verify_names_what_is_wrong(pregao, lake):
    run(pregao, lake)
    backup = pathlib.Path(f'{lake}-backup')
    keys = sorted(copies(lake))
    flipped, missing, untold = (backup / 'data' / k for k in keys[:3])
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 4
    flipped.write_bytes(data)
    missing.unlink()
    (backup / 'manifest' / f'{keys[2]}.json').unlink()
    done = pregao('backup', 'verify', '--lake', lake, '--format', 'json', expect=1)
    assert {r['object']: r['problem'] for r in json.loads(done.stdout)} == {keys[0]: 'hash', keys[1]: 'missing', keys[2]: 'not_copied'}
    done = pregao('backup', 'verify', '--lake', lake, expect=1)
    assert all(k in done.stdout for k in keys[:3])
    # What is missing is copied again; damage of the right size is for verify to find, and to mend when it is told to.
    assert run(pregao, lake)['copied'] == 2
    done = pregao('backup', 'verify', '--lake', lake, '--format', 'json', expect=1)
    assert [r['problem'] for r in json.loads(done.stdout)] == ['hash']
    # A damaged copy is not restored, and nothing is made up for it.
    new = lake.parent / 'new'
    done = pregao('backup', 'restore', '--lake', new, '--to', backup, '--format', 'json', expect=1)
    assert one(done)['failed'] == 1 and one(done)['restored'] == HOURS - 1 and keys[0] in done.stderr
    assert set(originals(new)) == set(keys[1:])
    # Put out of the way, it is copied again.
    flipped.unlink()
    run(pregao, lake)
    pregao('backup', 'verify', '--lake', lake)
    pregao('backup', 'restore', '--lake', new, '--to', backup)
    assert originals(new) == originals(lake)


def verify(pregao, lake, *words, code=0):
    return json.loads(pregao('backup', 'verify', '--lake', lake, '--format', 'json', *words, expect=code).stdout)


def test_what_the_lake_proves_is_mended(pregao, lake):
    """Every kind of damage at once; the lake's object decides, and where it is damaged itself everything stays."""
    run(pregao, lake)
    backup, keys = pathlib.Path(f'{lake}-backup'), sorted(copies(lake))
    whole = copies(lake)
    flipped, short, missing, told, untold, both = (backup / 'data' / k for k in keys[:6])
    for path in (flipped, both):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
    short.write_bytes(short.read_bytes()[:-1])
    missing.unlink()
    (backup / 'manifest' / f'{keys[3]}.json').write_text('{"key": ')
    (backup / 'manifest' / f'{keys[4]}.json').unlink()
    original = lake / keys[5]
    good = original.read_bytes()
    original.write_bytes(both.read_bytes())
    problems = {r['object']: r['problem'] for r in verify(pregao, lake, code=1)}
    assert problems == dict(zip(keys, ('hash', 'size', 'missing', 'manifest', 'not_copied', 'hash')))
    assert {r['mend'] for r in verify(pregao, lake, code=1)} == {'pregao backup run', 'pregao backup verify --repair'}
    left = verify(pregao, lake, '--repair', code=1)
    assert [(r['object'], r['mend']) for r in left] == [(keys[5], None)]
    original.write_bytes(good)
    assert verify(pregao, lake, '--repair') == [] and verify(pregao, lake) == []
    assert copies(lake) == whole


def test_marks_survive_a_lost_lake(pregao, lake, tmp_path):
    """Ticks have no ids: only the mark of their recording tells that they are there."""
    ticks = tmp_path / 'ticks.ndjson'
    ticks.write_text(''.join(json.dumps({'e': '24hrTicker', 'E': 1723075200000 + i * 1000, 's': 'BTCUSDT', 'P': '1.5', 'c': f'6000{i}.5', 'b': '60000.1', 'a': '60010.1', 'h': '99999', 'l': '1', 'v': '1', 'q': '60000'}) + '\n'
                             for i in range(5)))
    words = ('stream', 'replay', ticks)
    pregao(*words, '--lake', lake)
    rows = look.sql(pregao, lake, 'SELECT * FROM raw.bitcoin_ticks ORDER BY seq')
    assert len(rows) == 5
    run(pregao, lake)
    marks = pathlib.Path(f'{lake}-backup/marks.json')
    assert any(name.startswith('replay:') for name in json.loads(marks.read_text()))
    # A lake that knows less lowers nothing.
    before = marks.read_text()
    new = tmp_path / 'new'
    pregao('backup', 'restore', '--lake', new, '--to', f'{lake}-backup')
    pregao(*words, '--lake', new)
    assert look.sql(pregao, new, 'SELECT * FROM raw.bitcoin_ticks ORDER BY seq') == rows
    marks.write_text('{"replay:')
    other = tmp_path / 'other'
    done = pregao('backup', 'restore', '--lake', other, '--to', f'{lake}-backup', expect=1)
    assert 'marks.json' in done.stderr
    run(pregao, lake)
    assert marks.read_text() == before


def test_restored_into_an_empty_lake(pregao, lake, tmp_path):
    run(pregao, lake)
    backup, new = f'{lake}-backup', tmp_path / 'new'
    assert one(pregao('backup', 'restore', '--lake', new, '--to', backup, '--dry-run', '--format', 'json'))['restored'] == HOURS
    assert not new.exists()
    got = one(pregao('backup', 'restore', '--lake', new, '--to', backup, '--format', 'json'))
    assert got['restored'] == HOURS and got['equal'] and got['failed'] == 0
    assert originals(new) == originals(lake)
    assert look.sql(pregao, new, EVERYTHING) == look.sql(pregao, lake, EVERYTHING)
    assert one(pregao('backup', 'restore', '--lake', new, '--to', backup, '--format', 'json'))['present'] == HOURS
    # The stream goes on behind the last number, and known trades stay known.
    trades(tmp_path / 'c.ndjson', HOURS - 5, 10)
    pregao('stream', 'replay', tmp_path / 'c.ndjson', '--lake', new)
    got = look.sql(pregao, new, 'SELECT count(*) AS n, count(DISTINCT trade_id) AS ids, count(DISTINCT seq) AS seqs, max(seq) AS last FROM raw.bitcoin_trades')
    assert got == [{'n': HOURS + 5, 'ids': HOURS + 5, 'seqs': HOURS + 5, 'last': HOURS + 10}]


def test_lost_files_come_back(pregao, lake):
    run(pregao, lake)
    before, rows = originals(lake), look.sql(pregao, lake, EVERYTHING)
    victims = sorted((lake / 'raw/bitcoin_trades').rglob('*.parquet'))
    for path in victims[::2]:
        path.unlink()
    victims[1].write_bytes(b'not what it was')
    got = one(pregao('backup', 'restore', '--lake', lake, '--format', 'json'))
    assert got['restored'] == len(victims[::2]) + 1 and got['equal']
    assert originals(lake) == before and look.sql(pregao, lake, EVERYTHING) == rows
    # All of it is gone, what the catalog knew too.
    shutil.rmtree(lake)
    pregao('backup', 'restore', '--lake', lake)
    assert originals(lake) == before and look.sql(pregao, lake, EVERYTHING) == rows


def test_restore_killed_at_any_moment(pregao, lake, tmp_path):
    run(pregao, lake)
    random.seed(5)
    new = tmp_path / 'new'
    for _ in range(6):
        p = pregao.start('backup', 'restore', '--lake', new, '--to', f'{lake}-backup', stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.01, 0.2))
        p.kill()
        p.wait()
    pregao('backup', 'restore', '--lake', new, '--to', f'{lake}-backup')
    assert originals(new) == originals(lake)
    assert look.sql(pregao, new, EVERYTHING) == look.sql(pregao, lake, EVERYTHING)


def test_another_object_of_that_name_is_kept(pregao, lake):
    key = sorted(originals(lake))[7]
    copy = pathlib.Path(f'{lake}-backup/data') / key
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b'mine')
    done = pregao('backup', 'run', '--lake', lake, '--format', 'json', expect=1)
    assert one(done)['failed'] == 1 and one(done)['copied'] == HOURS - 1 and key in done.stderr
    assert copy.read_bytes() == b'mine'
    dead = json.loads(pregao('queue', 'list', '--lake', lake, '--dead', '--format', 'json').stdout)
    assert [d['queue'] for d in dead] == ['backup'] and 'another object' in dead[0]['last_error']
    copy.unlink()
    assert '1' in pregao('queue', 'redrive', dead[0]['message'], '--queue', 'backup', '--lake', lake).stdout
    assert run(pregao, lake)['copied'] == 1
    assert json.loads(pregao('queue', 'list', '--lake', lake, '--dead', '--format', 'json').stdout) == []


def test_places_that_are_none(pregao, lake, tmp_path):
    (tmp_path / 'link').symlink_to(lake)
    (tmp_path / 'file').write_text('')
    for bad in (lake, lake / 'inside', lake.parent, '/', tmp_path / 'link/x', tmp_path / 'lake/../lake/x', 's3://bucket/x', tmp_path / 'file'):
        assert pregao('backup', 'run', '--lake', lake, '--to', bad, expect=2).stdout == '', bad
    pregao('backup', 'restore', '--lake', lake, '--to', tmp_path / 'none', expect=1)
    assert not (tmp_path / 'none').exists()
    config = tmp_path / 'c.ini'
    config.write_text(f'[backup]\nto = {tmp_path}/other\nworkers = 2\n')
    assert run(pregao, lake, '--config', config)['to'] == str(tmp_path / 'other')
    assert len(hashes(tmp_path / 'other/data')) == HOURS


def numbers(pregao, lake):
    return look.sql(pregao, lake, 'SELECT count(*) AS n, count(DISTINCT trade_id) AS ids, count(DISTINCT seq) AS seqs, max(seq) AS last FROM raw.bitcoin_trades')[0]


def test_another_streams_copies_are_refused(pregao, lake, tmp_path):
    run(pregao, lake)
    backup, new = f'{lake}-backup', tmp_path / 'new'
    # The same hours and numbers, other trades.
    trades(tmp_path / 'other.ndjson', 0, 10, id0=9000)
    pregao('stream', 'replay', tmp_path / 'other.ndjson', '--lake', new)
    before, kept, rows = originals(new), copies(lake), look.sql(pregao, new, EVERYTHING)
    for args in (('restore',), ('restore', '--dry-run'), ('run',), ('run', '--dry-run')):
        done = pregao('backup', *args, '--lake', new, '--to', backup, expect=1)
        assert 'another stream' in done.stderr, args
    assert originals(new) == before and copies(lake) == kept and look.sql(pregao, new, EVERYTHING) == rows
    assert status(pregao, new, '--to', backup)['other_stream'] and not status(pregao, lake)['other_stream']
    assert numbers(pregao, new) == {'n': 10, 'ids': 10, 'seqs': 10, 'last': 10}
    # The deliverer goes on where it was, and the place of its own is taken.
    trades(tmp_path / 'more.ndjson', 10, 3, id0=9000)
    pregao('stream', 'replay', tmp_path / 'more.ndjson', '--lake', new)
    assert numbers(pregao, new) == {'n': 13, 'ids': 13, 'seqs': 13, 'last': 13}
    assert run(pregao, new)['copied'] == 13


@pytest.mark.parametrize('lost', ['catalog', 'state'])
def test_a_lost_catalog_is_not_begun_anew(pregao, lake, tmp_path, lost):
    run(pregao, lake)
    before = originals(lake)
    if lost == 'catalog':
        for path in (lake / 'state').glob('catalog.sqlite*'):
            path.unlink()
    else:
        shutil.rmtree(lake / 'state')
    assert 'backup restore' in pregao('stream', 'status', '--lake', lake).stderr
    trades(tmp_path / 'more.ndjson', HOURS - 5, 10)
    for _ in range(2):
        done = pregao('stream', 'replay', tmp_path / 'more.ndjson', '--lake', lake, expect=1)
        assert 'backup restore' in done.stderr
    assert originals(lake) == before
    pregao('backup', 'restore', '--lake', lake)
    assert originals(lake) == before
    pregao('stream', 'replay', tmp_path / 'more.ndjson', '--lake', lake)
    got = numbers(pregao, lake)
    assert (got['n'], got['ids'], got['seqs']) == (HOURS + 5,) * 3
    assert run(pregao, lake)['copied'] == 5


@pytest.mark.slow
@pytest.mark.parametrize('errno', [0, 28, 5], ids=['kill', 'disk-full', 'io-error'])
def test_each_call_may_fail(pregao, killpoint, tmp_path, errno):  # noqa: F811
    """Death, ENOSPC and EIO at each call that changes a file or a folder, of the lake's state or of the backup."""
    trades(tmp_path / 'a.ndjson', 0, 3)
    base = tmp_path / 'base'
    pregao('stream', 'replay', tmp_path / 'a.ndjson', '--lake', base)
    wanted = originals(base)

    def backup(where, at):
        env = {**pregao.env, 'LD_PRELOAD': str(killpoint), 'KILLPOINT_AT': str(at), 'KILLPOINT_UNDER': str(where),
               'KILLPOINT_COUNT': str(tmp_path / 'count')}
        if errno:
            env['KILLPOINT_ERRNO'] = str(errno)
        return subprocess.run([pregao.path, 'backup', 'run', '--lake', where / 'lake', '--workers', '1'], env=env, capture_output=True,
                              text=True, timeout=60)

    def copy(name):
        shutil.copytree(base, tmp_path / name / 'lake')
        return tmp_path / name

    assert backup(copy('calm'), 0).returncode == 0
    points = int((tmp_path / 'count').read_text())
    assert points > 50
    for at in range(1, points + 1, STEP):
        where = copy(f'at-{at}')
        done = backup(where, at)
        assert done.returncode in ((0, 1) if errno else (0, -9)), (at, done.returncode, done.stderr)
        assert run(pregao, where / 'lake')['failed'] == 0, at
        assert copies(where / 'lake') == wanted and originals(where / 'lake') == wanted, at
        pregao('backup', 'verify', '--lake', where / 'lake')
        left = [p for p in (where / 'lake-backup/scratch').rglob('*') if p.is_file() and p.name != 'lock']
        assert not left, (at, left)
        shutil.rmtree(where)
