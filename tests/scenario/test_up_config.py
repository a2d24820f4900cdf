"""What keeps `pregao up` from starting: each mistake is told with its place, and nothing is begun by halves. And what a running one
makes of a new configuration."""
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile

import pytest

import bitcoin_server
import lake as look
from b3_server import B3Server, make_portfolio
from supervised import ROLES, Up, eventually, of_lake

# text of the file, the line that is to be named, and words of the answer
WRONG = [
    # what inih or the table of options does not know
    ('[bitcoin]\nperod = 5s\n', 2, 'did you mean period?'),
    ('[bitcoinn]\nx = 5s\n', 2, 'did you mean [bitcoin]?'),
    ('[stream]\nperiod = 5s\n', 2, 'there is one in [bitcoin]'),
    ('\n\nperiod = 5s\n', 3, 'before any section'),
    ('[bitcoin]\n\nperiod\n', 3, 'key = value'),
    ('[bitcoin\nperiod = 5s\n', 1, 'key = value'),
    ('[bitcoin]\nperiod = 5s\nperiod = 6s\n', 3, 'given twice'),
    ('[schedule.Daily]\nenabled = yes\n', 2, 'a to z'),
    # types and ranges
    ('[bitcoin]\nperiod = soon\n', 2, 'a duration such as'),
    ('[bitcoin]\nperiod = 1ms\n', 2, '1s..1d'),
    ('[stream]\nsegment = many\n', 2, 'a size such as'),
    ('[stream]\nsegment = 1\n', 2, '4KiB..1GiB'),
    ('[stream]\nage = 0\n', 2, '1s..1d'),
    ('[backup]\nworkers = many\n', 2, 'a whole number'),
    ('[backup]\nworkers = 1000\n', 2, '1..64'),
    ('[b3_portfolio]\nattempts = 0\n', 2, '1..100'),
    ('[queue]\nmax_receives = 0\n', 2, '1..1000'),
    ('[scheduler]\nvisibility = 0\n', 2, '1s..12h'),
    ('[telemetry]\nlimit = 1\n', 2, '1MiB..1TiB'),
    ('[alarm.dead_letters]\nlimit = -3\n', 2, '0..1000000000'),
    ('[schedule.portfolio]\nenabled = perhaps\n', 2, 'yes|no'),
    ('[b3_portfolio]\nforms = day,weekly\n', 2, 'day|download'),
    # what can never be
    ('[schedule.portfolio]\ncron = 61 19 * * *\n', 2, '0 to 59'),
    ('[schedule.portfolio]\ncron = 0 19 30 2 *\n', 2, 'no month has'),
    ('[schedule.portfolio]\ncron = 0 19 25 12 *\n', 2, 'never comes due'),
    ('[schedule.portfolio]\ncron = 0 19 * * 6\n', 2, 'never comes due'),
    ('[schedule.portfolio]\ncron = 0,30 19 * * *\n', 2, 'one time of the day'),
    ('[schedule.portfolio]\njitter = 0\ndeadline = 5m\n', 3, 'deadline'),
    ('[schedule.mine]\ntask = make coffee\n', 2, 'make coffee'),
    ('[calendar]\nadd = 2026-02-30\n', 2, '2026-02-30'),
    ('[calendar]\nadd = 1980-01-04\n', 2, '1990-01-01'),
    ('[calendar]\nadd = 2026-02-18\nremove = 2026-02-18\n', 3, 'both'),
    ('[lake]\npath = lake\n', 2, 'begins with /'),
    ('[scheduler]\nvisibility = 13h\n', 2, '1s..12h'),
    ('[stream]\nlimit = 64KiB\n', 2, 'four segments'),
    ('[stream]\nage = 20m\n', 2, '[alarm.stream_lag]'),
    ('[alarm.stream_lag]\nafter = 30s\n', 2, '[alarm.stream_lag]'),
    ('[alarm.disk_free]\nfree = 2GiB\ndataset = raw.portfolio\n', 3, 'disk_free'),
    # what may not be asked or run
    ('[b3_portfolio]\nurl = http://b3.example/\n', 2, 'https'),
    ('[b3_portfolio]\nurl = https://me:secret@b3.example/\n', 2, 'user name'),
    ('[alarms]\nwebhook = https://me:secret@x.example/\n', 2, 'user name'),
    ('[alarms]\nwebhook = http://x.example/\n', 2, 'https'),
    ('[alarms]\nnotify = /nowhere/tell me\n', 2, 'no such program'),
    ('[alarms]\nnotify = tell-nobody-there me\n', 2, 'no such program'),
    ('[alarms]\nnotify = sh -c "echo\n', 2, 'quotes'),
    # what does not exist
    ('[bitcoin]\nsources = nowhere\n', 2, 'nowhere'),
    ('[bitcoin]\nsources =\n', 2, 'no Bitcoin source'),
    ('[b3_portfolio]\nurl = ftp://b3\n', 2, 'ftp://b3'),
    ('[b3_portfolio]\nindices = IB-OV\n', 2, 'IB-OV'),
    ('[b3_portfolio]\nindices =\n', 2, 'no index'),
    ('[alarms]\nwebhook = gopher://x\n', 2, 'only https'),
    ('[alarm.mine]\nkind = moon\n', 2, 'moon'),
    ('[alarm.freshness]\nschedule = nowhere\n', 2, 'nowhere'),
    ('[backup]\nto = {lake}/inside\n', 2, 'lie in one another'),
]


def nothing_begun(lake):
    assert not of_lake(lake)
    assert not lake.exists() and not pathlib.Path(f'{lake}-backup').exists()


@pytest.mark.parametrize('text, line, says', WRONG, ids=[w[0].strip().replace('\n', ' ') for w in WRONG])
def test_wrong_configuration(pregao, tmp_path, text, line, says):
    """Exit status 2, the line named, and nothing begun; `config check` says the same."""
    conf, lake = tmp_path / 'wrong.ini', tmp_path / 'lake'
    conf.write_text(text.format(lake=lake))
    done = pregao('up', '--lake', lake, '--config', conf, expect=2)
    assert done.stderr.startswith(f'pregao: {conf}:{line}: ') and says in done.stderr and done.stderr.count('\n') == 1
    assert done.stdout == ''
    nothing_begun(lake)
    assert pregao('config', 'check', conf, '--lake', lake, expect=2).stderr == done.stderr


@pytest.mark.parametrize('words, env, says', [
    (['--period', '1ms'], {}, '--period 1ms'),
    (['--source', 'nowhere'], {}, 'nowhere'),
    (['--source', 'binance=ftp://x'], {}, 'ftp://x'),
    (['--config', 'none.ini'], {}, 'none.ini'),
    (['--lake', 's3://bucket'], {}, 's3://bucket'),
    (['--format', 'csv'], {}, 'csv'),
    (['--perod', '5s'], {}, '--period'),
    (['more'], {}, 'more'),
    ([], {'PREGAO_BITCOIN_PERIOD': 'soon'}, 'PREGAO_BITCOIN_PERIOD'),
    ([], {'PREGAO_INDICES': 'IB-OV'}, 'PREGAO_INDICES'),
    ([], {'PREGAO_CONFIG': '/nowhere.ini'}, '/nowhere.ini'),
])
def test_wrong_words(pregao, tmp_path, words, env, says):
    lake = tmp_path / 'lake'
    done = pregao('up', '--lake', lake, *words, env=env, expect=2)
    assert says in done.stderr and done.stdout == ''
    nothing_begun(lake)


# The machine's fault, not the configuration's: exit status 1.

@pytest.mark.parametrize('which', ['lake', 'backup'])
def test_a_file_in_the_way(pregao, tmp_path, which):
    (tmp_path / 'file').touch()
    lake = tmp_path / ('file/lake' if which == 'lake' else 'lake')
    conf = tmp_path / 'up.ini'
    conf.write_text('' if which == 'lake' else f'[backup]\nto = {tmp_path}/file/backup\n')
    done = pregao('up', '--lake', lake, '--config', conf, expect=1)
    assert str(tmp_path / 'file') in done.stderr and done.stdout == ''
    assert sorted(p.name for p in tmp_path.iterdir()) == ['file', 'home', 'up.ini']


@pytest.mark.parametrize('which', ['lake', 'backup'])
def test_a_folder_that_cannot_be_written(pregao, which):
    """As a user who may not; root may everything, and becomes nobody for this."""
    someone = {'user': 65534, 'group': 65534, 'extra_groups': []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        top.chmod(0o755)
        program = shutil.copy(pregao.path, top)
        (top / 'open').mkdir()
        (top / 'open').chmod(0o777)
        (top / 'closed').mkdir()
        (top / 'closed').chmod(0o555)
        lake, backup = (top / ('closed' if which == name else 'open') / name for name in ('lake', 'backup'))
        (top / 'up.ini').write_text(f'[backup]\nto = {backup}\n')
        try:
            done = subprocess.run([program, 'up', '--lake', lake, '--config', top / 'up.ini'], env=pregao.env, cwd='/', text=True,
                                  capture_output=True, timeout=60, **someone)
        except PermissionError:
            pytest.skip('the program is not for everybody to run here')
        assert done.returncode == 1 and done.stdout == '', done.stderr
        assert done.stderr == f'pregao: {top}/closed: cannot write in the folder: Permission denied\n'
        assert not of_lake(lake) and not list((top / 'open').iterdir()) and not list((top / 'closed').iterdir())


@pytest.mark.parametrize('name', ['catalog', 'jobs', 'queue/raw-created', 'telemetry'])
def test_a_lake_of_a_newer_program(pregao, tmp_path, name):
    lake = tmp_path / 'lake'
    pregao('run', '--input', 'sample', '--lake', lake)
    path = lake / f'state/{name}.sqlite'
    with sqlite3.connect(path) as db:
        db.execute('PRAGMA user_version = 999')
    db.close()
    before = look.digest(lake)
    done = pregao('up', '--lake', lake, expect=1)
    assert done.stderr.startswith(f'pregao: {path}: ') and 'newer' in done.stderr and done.stdout == ''
    assert not of_lake(lake) and look.digest(lake) == before and not (tmp_path / 'lake-backup').exists()


def test_telemetry_of_a_newer_program_is_no_reason_for_silence(pregao, tmp_path):
    """One pass goes on without it, and says so."""
    lake = tmp_path / 'lake'
    pregao('run', '--input', 'sample', '--lake', lake)
    with sqlite3.connect(lake / 'state/telemetry.sqlite') as db:
        db.execute('PRAGMA user_version = 999')
    db.close()
    done = pregao('run', '--input', 'sample', '--lake', lake)
    assert 'telemetry.sqlite' in done.stderr and 'newer' in done.stderr and 'PETR4' in done.stdout


def test_a_lake_of_an_older_program_that_may_not_be_written(pregao, tmp_path):
    """Somebody who may write has to bring it up to date: the machine's fault, not the words'."""
    lake = tmp_path / 'lake'
    pregao('run', '--input', 'sample', '--lake', lake)
    with sqlite3.connect(lake / 'state/catalog.sqlite') as db:
        db.execute('PRAGMA user_version = 1')
    db.close()
    everything = [lake, *lake.rglob('*')]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    someone = {'user': 65534, 'group': 65534, 'extra_groups': []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        top.chmod(0o755)
        program = shutil.copy(pregao.path, top)
        shutil.copytree(lake, top / 'lake', symlinks=True)
        try:
            done = subprocess.run([program, 'tables', '--lake', top / 'lake'], env={**pregao.env, 'HOME': '/nonexistent'}, cwd='/',
                                  text=True, capture_output=True, timeout=60, **someone)
        except PermissionError:
            pytest.skip('the program is not for everybody to run here')
        finally:
            for path in [*everything, *(top / 'lake').rglob('*'), top / 'lake']:
                path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.returncode == 1 and 'older' in done.stderr and 'catalog.sqlite' in done.stderr, done.stderr


def test_somebody_else_collects(pregao, tmp_path):
    """The stream has one writer: `fetch bitcoin --follow` and `up` do not share a lake."""
    lake = tmp_path / 'lake'
    with bitcoin_server.serve() as server:
        asked = ['--source', f'binance={server.url}/binance', '--period', '1s', '--lake', lake]
        alone = pregao.start('fetch', 'bitcoin', '--follow', *asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert alone.stdout.readline()
        done = pregao('up', *asked, expect=1)
        assert str(alone.pid) in done.stderr and done.stdout == ''
        assert of_lake(lake).keys() == {alone.pid}


def test_a_new_configuration_loses_nothing(pregao, tmp_path):
    """SIGHUP again and again, sound files and wrong ones, while sessions and prices come in."""
    lake, conf = tmp_path / 'lake', tmp_path / 'up.ini'
    with bitcoin_server.serve() as bitcoin, B3Server({'IBOV': make_portfolio('IBOV')}) as b3:
        text = (f'[b3_portfolio]\nurl = {b3.url}\n[schedule.portfolio]\njitter = 0\nanswer = 10s\nretry = 1s\n[scheduler]\nvisibility = 3s\n'
                '[stream]\nage = 1s\n')
        conf.write_text(text)
        up = Up(pregao, '--lake', lake, '--config', conf, '--period', '1s', '--source', f'binance={bitcoin.url}/binance')
        up.wait(lambda e: e['event'] == 'up')
        pregao('schedule', 'run', 'portfolio', '--session', '2024-07-15', '--lake', lake, '--config', conf)
        for i in range(4):
            sound = i % 2 == 0
            conf.write_text(text + (f'[backup]\nworkers = {i + 1}\n' if sound else '[backup]\nworkers = none\n'))
            told = len(up.events)
            before = up.pids()
            up.process.send_signal(signal.SIGHUP)
            answer = eventually(lambda: [e for e in up.events[told:] if e['event'] in ('reloaded', 'kept')], 60)
            assert answer and answer[0]['event'] == ('reloaded' if sound else 'kept'), up.said()
            assert up.pids().keys() == ROLES
            assert set(up.pids().values()).isdisjoint(before.values()) if sound else up.pids() == before
        assert eventually(lambda: look.sql(pregao, lake, 'SELECT count(*) AS n FROM refined.portfolio')[0]['n'] == 85, 60), up.said()
        assert up.end() == 0, up.said()
    assert not [e for e in up.events if e['event'] in ('failed', 'killed') or e.get('status')], up.said()
    seqs = [r['seq'] for r in look.sql(pregao, lake, 'SELECT seq FROM raw.bitcoin_ticks UNION ALL SELECT seq FROM raw.bitcoin_gaps ORDER BY 1')]
    status = json.loads(pregao('stream', 'status', '--lake', lake, '--format', 'json').stdout)[0]
    assert seqs and seqs == list(range(1, status['last_seq'] + 1)) and status['lag_records'] == 0
