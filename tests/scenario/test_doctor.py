"""doctor: says what is wrong, changes nothing, and the command that it names makes the finding go."""
import json
import os
import shlex
import shutil
import sqlite3

import pytest

import lake as look
from bitcoin_server import serve

WRONG = ('warning', 'error')


@pytest.fixture
def lake(pregao, tmp_path):
    pregao('run', '--input', 'sample', '--lake', tmp_path / "a lake's place")
    return tmp_path / "a lake's place"


def findings(pregao, lake, *more, wrong=None):
    """Those that are not well. wrong: the checks that must have some, and no others."""
    done = pregao('doctor', '--lake', lake, '--format', 'json', *more, expect=None)
    rows = json.loads(done.stdout)
    bad = [r for r in rows if r['severity'] in WRONG]
    assert done.returncode == (4 if bad else 0), done.stderr
    if wrong is not None:
        assert {r['check'] for r in bad} == set(wrong), bad
    return bad


def mend(pregao, finding, **kw):
    words = shlex.split(finding['mend'])
    assert words[0] == 'pregao'
    return pregao(*words[1:], **kw)


def mend_all(pregao, lake, *more):
    """Each finding's command once, in the order in which they are told."""
    for finding in findings(pregao, lake, *more):
        if finding['mend']:
            mend(pregao, finding)
    findings(pregao, lake, *more, wrong=())


def some(lake, pattern):
    return sorted(lake.glob(pattern))[0]


def test_a_sample_lake_is_well_and_stays_as_it_is(pregao, lake):
    before = look.digest(lake)
    findings(pregao, lake, wrong=())
    findings(pregao, lake, '--all', wrong=())
    assert look.digest(lake) == before
    checks = [r['check'] for r in json.loads(pregao('doctor', '--lake', lake, '--format', 'json').stdout)]
    assert len(set(checks)) == len(checks) >= 12


def test_a_lake_that_is_not_there(pregao, tmp_path):
    findings(pregao, tmp_path / 'none', wrong=())
    assert not (tmp_path / 'none').exists()


def test_lost_and_shortened_files(pregao, lake):
    some(lake, 'raw/portfolio/*/*/*.parquet').unlink()
    some(lake, 'raw/portfolio_total/*/*/*.parquet').write_bytes(b'PAR1')
    some(lake, 'refined/portfolio/*/*/*/*.parquet').unlink()
    some(lake, 'compact/refined/portfolio/*/*.parquet').write_bytes(b'')
    told = findings(pregao, lake, wrong=['files'])
    assert len([r for r in told if r['check'] == 'files']) == 4
    mend_all(pregao, lake)
    assert look.sql(pregao, lake, 'SELECT count(*) AS n FROM refined.portfolio')[0]['n'] == 86


def test_a_damaged_payload_makes_no_session(pregao, lake):
    """A flipped byte may still read as a portfolio: the name of what landed is the judge."""
    rows = look.sql(pregao, lake, 'SELECT * FROM raw.portfolio ORDER BY ALL')
    landed = next(p for p in lake.glob('landing/**/*.csv'))
    good = landed.read_bytes()
    digit = good.index(b'ON', 200)
    landed.write_bytes(good[:digit] + b'PN' + good[digit + 2:])
    some(lake, 'raw/portfolio/*/*/*.parquet').unlink()
    told = [r for r in findings(pregao, lake) if r['check'] == 'files']
    done = mend(pregao, told[0], expect=1)
    assert 'damaged' in done.stderr and landed.name in done.stderr
    pregao('import', 'portfolio', '--dry-run', landed, '--lake', lake, expect=1)
    copy = lake.parent / 'good.csv'
    copy.write_bytes(good)
    pregao('import', 'portfolio', '--force', copy, '--lake', lake)
    assert landed.read_bytes() == good
    assert look.sql(pregao, lake, 'SELECT * FROM raw.portfolio ORDER BY ALL') == rows
    findings(pregao, lake, '--all', wrong=())


def test_all_reads_every_file(pregao, lake):
    """What sizes do not show: turned bytes, files that the catalog does not know, payloads that are gone."""
    for pattern in ('refined/portfolio/*/*/*/*.parquet', 'raw/portfolio/*/*/*.parquet'):
        damaged = bytearray(some(lake, pattern).read_bytes())
        damaged[8:24] = b'\xff' * 16
        some(lake, pattern).write_bytes(damaged)
    told = [r for r in findings(pregao, lake, '--all') if r['check'] == 'contents']
    assert len(told) == 2
    assert some(lake, 'raw/portfolio/*/*/*.parquet').name in told[0]['what']
    assert some(lake, 'refined/portfolio/*/*/*/*.parquet').name in told[1]['what']
    mend_all(pregao, lake, '--all')

    known = some(lake, 'raw/portfolio/*/*/*.parquet')
    stray = known.with_name('stray.parquet')
    shutil.copy(known, stray)
    findings(pregao, lake, '--all', wrong=())
    os.utime(stray, (1, 1))
    told = findings(pregao, lake, '--all', wrong=['contents'])
    assert 'stray.parquet' in told[0]['what']
    stray.unlink()

    next(lake.glob('landing/**/*.csv')).unlink()
    told = findings(pregao, lake, '--all', wrong=['contents'])
    assert 'index_code=IBOV' in told[0]['what'] and 'landing/' in told[0]['what']


def test_a_lost_catalog(pregao, lake):
    rows = look.sql(pregao, lake, 'SELECT * FROM refined.portfolio ORDER BY ALL')
    shutil.rmtree(lake / 'state')
    told = [r for r in findings(pregao, lake) if r['check'] == 'lake']
    assert len(told) == 1
    mend(pregao, told[0])
    findings(pregao, lake, wrong=())
    assert look.sql(pregao, lake, 'SELECT * FROM refined.portfolio ORDER BY ALL') == rows


def test_a_lake_of_a_newer_program(pregao, lake):
    with sqlite3.connect(lake / 'state/catalog.sqlite') as db:
        db.execute('PRAGMA user_version = 9999')
    assert [r['severity'] for r in findings(pregao, lake, wrong=['lake'])] == ['error']


def test_stale_results(pregao, lake):
    with sqlite3.connect(lake / 'state/catalog.sqlite') as db:
        changed = db.execute("UPDATE scopes SET properties = replace(properties, '\"made_of\":\"', '\"made_of\":\"else') "
                             "WHERE properties LIKE '%made_of%'").rowcount
    assert changed
    told = findings(pregao, lake, wrong=['jobs'])
    mend(pregao, told[0])
    findings(pregao, lake, wrong=())


def test_a_session_between_two_others(pregao, lake, tmp_path):
    """Nobody promised them where no schedule has run: one note, however many there are."""
    sample = some(lake, 'landing/b3/portfolio/*/*.csv').read_bytes()
    for day in ('16', '17', '18'):
        (tmp_path / f'{day}.csv').write_bytes(sample.replace(b'15/07/24', day.encode() + b'/07/24'))
    pregao('import', 'portfolio', tmp_path / '18.csv', '--lake', lake)
    findings(pregao, lake, wrong=())
    rows = json.loads(pregao('doctor', '--lake', lake, '--format', 'json').stdout)
    notes = [r['what'] for r in rows if r['check'] == 'sessions' and '2024-07-16' in r['what']]
    assert len(notes) == 1 and notes[0].startswith('2 sessions')
    pregao('schedule', 'run', 'portfolio', '--session', '2024-07-18', '--lake', lake)
    told = [r for r in findings(pregao, lake) if r['check'] == 'sessions']
    assert '2024-07-16' in told[0]['what'] and told[0]['mend'] is None
    pregao('import', 'portfolio', tmp_path / '16.csv', tmp_path / '17.csv', '--lake', lake)
    told = [r for r in findings(pregao, lake) if r['check'] == 'sessions']
    assert '2024-07-19' in told[0]['what']


def test_a_schedule_that_ran_makes_the_lake_owe(pregao, lake):
    pregao('schedule', 'run', 'portfolio', '--session', '2024-07-15', '--lake', lake)
    told = findings(pregao, lake)
    owed = [r for r in told if r['check'] == 'sessions']
    assert '2024-07-16' in owed[0]['what'] and 'more sessions' in owed[-1]['what']


def test_quarantine(pregao, lake, tmp_path):
    sample = some(lake, 'landing/b3/portfolio/*/*.csv').read_bytes()
    (tmp_path / 'bad.csv').write_bytes(sample[:len(sample) // 2])
    pregao('import', 'portfolio', tmp_path / 'bad.csv', '--lake', lake, expect=3)
    told = findings(pregao, lake, wrong=['quarantine'])
    # a later version of the program would take it: here the payload becomes what it should have been
    payload = some(lake, 'quarantine/b3/portfolio/*.payload')
    payload.write_bytes(sample)
    mend(pregao, told[0])
    findings(pregao, lake, wrong=())


def test_dead_letters(pregao, lake):
    with sqlite3.connect(lake / 'state/queue/raw-created.sqlite') as db:
        db.execute("INSERT INTO message (body, sent_us, visible_us, receives, dead) VALUES ('{}', 1, 1, 5, 1)")
    told = findings(pregao, lake, wrong=['dead_letters'])
    mend(pregao, told[0])
    findings(pregao, lake, wrong=())


def test_results_that_wait_for_a_message(pregao, lake):
    """Not wrong for a while: then nobody works on the messages."""
    with serve() as server:
        pregao('fetch', 'bitcoin', '--lake', lake, '--source', f'binance={server.url}/binance')
    findings(pregao, lake, wrong=())
    with sqlite3.connect(lake / 'state/queue/raw-created.sqlite') as db:
        db.execute('UPDATE message SET sent_us = sent_us - 3600000000')
    told = findings(pregao, lake, wrong=['jobs'])
    mend(pregao, told[0])
    findings(pregao, lake, wrong=())


def test_the_stream_and_its_backup(pregao, lake, tmp_path):
    with serve() as server:
        pregao('fetch', 'bitcoin', '--lake', lake, '--source', f'binance={server.url}/binance',
               '--source', f'mercadobitcoin={server.url}/html')
        told = findings(pregao, lake, wrong=['gaps'])
        assert 'mercadobitcoin' in told[0]['what'] and told[0]['mend'].startswith('pregao fetch bitcoin')
        words = shlex.split(told[0]['mend'])[1:]
        pregao(*words, '--period', '1s', '--source', f'mercadobitcoin={server.url}/mercadobitcoin')
    findings(pregao, lake, wrong=())
    pregao('backup', 'run', '--lake', lake)
    findings(pregao, lake, '--all', wrong=())
    some(lake, 'raw/bitcoin_ticks/*/*/*.parquet').unlink()
    told = [r for r in findings(pregao, lake) if r['check'] == 'files']
    mend(pregao, told[0])
    findings(pregao, lake, '--all', wrong=())
    copy = next((lake.parent / (lake.name + '-backup')).rglob('*.parquet'))
    copy.chmod(0o644)
    copy.write_bytes(b'x' * copy.stat().st_size)
    findings(pregao, lake, wrong=())
    findings(pregao, lake, '--all', wrong=['backup'])


def test_an_unwell_machine(pregao, lake, tmp_path):
    conf = tmp_path / 'small.ini'
    conf.write_text('[alarm.disk_free]\nfree = 8000TiB\n')
    findings(pregao, lake, '--config', conf, wrong=['disk'])
