"""kill -9 at every call that changes a file or a folder: readers see whole old or whole new, and running again ends with the bytes of an
undisturbed run. The point of death is set by killpoint.c (LD_PRELOAD). KILL_STEP=N takes every Nth point only; 1 is all of them."""
import concurrent.futures
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import bitcoin_server
import lake as look

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'fixtures'))
import make_portfolio  # noqa: E402

HERE = pathlib.Path(__file__).parent
DAY = datetime.date(2024, 7, 15)
STEP = int(os.environ.get('KILL_STEP', '1'))
pytestmark = pytest.mark.slow


@pytest.fixture(scope='session')
def killpoint(tmp_path_factory):
    library = tmp_path_factory.mktemp('killpoint') / 'killpoint.so'
    subprocess.run(['cc', '-shared', '-fPIC', '-O1', '-o', library, HERE / 'killpoint.c', '-ldl'], check=True)
    return library


def portfolio(seed, stocks=6, **kw):
    return make_portfolio.make_portfolio(session=DAY, stocks=stocks, seed=seed, **kw)


def state_of(pregao, lake):
    """What a reader sees, in one statement: the raw rows with their totals, and the refined rows."""
    got = look.sql(pregao, lake, """
        SELECT (SELECT string_agg(concat_ws(' ', codigo, qtd_teorica, qtd_teorica_total), ', ' ORDER BY codigo)
                FROM raw.portfolio p LEFT JOIN raw.portfolio_total t ON t.data_pregao = p.data_pregao AND t.index_code = p.index_code) AS raw,
               (SELECT string_agg(concat_ws(' ', action, tipo, theoretical_quantity), ', ' ORDER BY action, tipo) FROM refined.portfolio) AS refined""")
    return got[0]['raw'], got[0]['refined']


def die_everywhere(pregao, killpoint, tmp_path, base, files):
    """Runs `import files` over a copy of base once for each point of death."""
    def arguments(lake):
        return ['import', 'portfolio', *files, '--lake', lake]

    def run(lake, at, count=None):
        env = {**pregao.env, 'LD_PRELOAD': str(killpoint), 'KILLPOINT_AT': str(at), 'KILLPOINT_UNDER': str(lake)}
        if count:
            env['KILLPOINT_COUNT'] = str(count)
        return subprocess.run([pregao.path, *map(str, arguments(lake))], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    def copy(name):
        lake = tmp_path / name
        if base:
            shutil.copytree(base, lake)
        return lake

    calm = copy('calm')
    before = state_of(pregao, calm)
    done = run(calm, 0, tmp_path / 'count')
    assert done.returncode == 0, done.stderr
    points = int((tmp_path / 'count').read_text())
    after = state_of(pregao, calm)
    wanted = look.files(calm)
    assert before != after and points > 50

    def one(at):
        lake = copy(f'kill-{at}')
        died = run(lake, at)
        if died.returncode == 0:
            # threads share out the last calls differently each time; there is nothing left to die at
            assert look.files(lake) == wanted, at
            shutil.rmtree(lake)
            return 0
        assert died.returncode == -9, (at, died.returncode, died.stderr)
        raw, refined = state_of(pregao, lake)
        assert raw in (before[0], after[0]), f'raw is neither old nor new after death at call {at}'
        assert refined in (before[1], after[1]), f'refined is neither old nor new after death at call {at}'
        pregao(*arguments(lake))
        assert state_of(pregao, lake) == after, at
        assert look.files(lake) == wanted, at
        assert not [p for p in (lake / 'scratch').rglob('*') if p.is_file()], f'scratch is not empty after death at call {at}'
        shutil.rmtree(lake)
        return 1

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        deaths = sum(pool.map(one, range(1, points + 1, STEP)))
    print(f'{deaths} deaths at {points} points')
    assert deaths > points // STEP // 2


def test_first_import(pregao, killpoint, tmp_path):
    file = tmp_path / 'first.csv'
    file.write_bytes(portfolio(1).csv())
    die_everywhere(pregao, killpoint, tmp_path, None, [file])


def test_correction(pregao, killpoint, tmp_path):
    """The second payload of a session drops a stock and changes the others."""
    old, new = tmp_path / 'old.csv', tmp_path / 'new.csv'
    old.write_bytes(portfolio(1).csv())
    new.write_bytes(portfolio(2, stocks=5).csv())
    base = tmp_path / 'base'
    pregao('import', 'portfolio', old, '--lake', base)
    die_everywhere(pregao, killpoint, tmp_path, base, [new])


def test_stream_cycle(pregao, killpoint, tmp_path):
    """Death at each call of one append-seal-deliver-register cycle: what was printed is there, once; what was not is there once or not at all.
    The call may also fail with ENOSPC instead."""
    step = int(os.environ.get('KILL_STEP', '12'))

    def run(lake, at, **env):
        env = {**pregao.env, 'LD_PRELOAD': str(killpoint), 'KILLPOINT_AT': str(at), 'KILLPOINT_UNDER': str(lake), **env}
        asked = [word for i in range(3) for word in ('--source', f'binance/P{i}={server.url}/binance?symbol=P{i}')]
        return subprocess.run([pregao.path, 'fetch', 'bitcoin', *asked, '--period', '1s', '--lake', lake, '--format', 'json'], env=env, cwd=tmp_path,
                              capture_output=True, text=True, timeout=120)

    def seqs(done):
        return [json.loads(line)['seq'] for line in done.stdout.split('\n')[:-1]]

    def one(at, **env):
        lake = tmp_path / f'stream-{at}-{len(env)}'
        first = run(lake, at, **env)
        assert first.returncode in ((-9, 0) if not env else (0, 1)), (at, first.returncode, first.stderr)
        again = run(lake, 0)
        assert again.returncode == 0, (at, again.stderr)
        told = seqs(first) + seqs(again)
        assert len(told) == len(set(told)), at
        got = [r['seq'] for r in look.sql(pregao, lake, 'SELECT seq FROM raw.bitcoin_ticks UNION ALL SELECT seq FROM raw.bitcoin_gaps')]
        assert len(got) == len(set(got)), f'a record twice after call {at}'
        assert set(told) <= set(got), f'an acknowledged record lost after call {at}'
        status = json.loads(pregao('stream', 'status', '--lake', lake, '--format', 'json').stdout)[0]
        assert status['delivered_seq'] == status['last_seq'] == max(got), at
        shutil.rmtree(lake)
        return first.returncode != 0

    with bitcoin_server.serve() as server:
        done = run(tmp_path / 'calm', 0, KILLPOINT_COUNT=str(tmp_path / 'count'))
        assert done.returncode == 0 and len(seqs(done)) == 3
        points = int((tmp_path / 'count').read_text())
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            deaths = sum(pool.map(one, range(1, points + 1, step)))
            failures = sum(pool.map(lambda at: one(at, KILLPOINT_ERRNO='28'), range(1, points + 1, step)))
    print(f'{deaths} deaths and {failures} failures at {points} points')
    assert deaths > points // step // 2


def test_any_moment(pregao, tmp_path):
    """kill -9 from outside at moments that nobody chose."""
    file = tmp_path / 'a.csv'
    file.write_bytes(portfolio(3, stocks=40).csv())
    calm = tmp_path / 'calm'
    pregao('import', 'portfolio', file, '--lake', calm)
    wanted = look.files(calm)
    for ms in range(1, 100, 7):
        lake = tmp_path / f'lake-{ms}'
        p = pregao.start('import', 'portfolio', file, '--lake', lake, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            p.wait(ms / 1000)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
        pregao('import', 'portfolio', file, '--lake', lake)
        assert look.files(lake) == wanted, ms


def test_disk_full_everywhere(pregao, killpoint, tmp_path):
    """ENOSPC at each call in turn: a clear error or none, the lake sound, and running again ends with the same bytes."""
    old, new = tmp_path / 'old.csv', tmp_path / 'new.csv'
    old.write_bytes(portfolio(1).csv())
    new.write_bytes(portfolio(2, stocks=5).csv())
    base = tmp_path / 'base'
    pregao('import', 'portfolio', old, '--lake', base)

    def run(lake, at):
        env = {**pregao.env, 'LD_PRELOAD': str(killpoint), 'KILLPOINT_AT': str(at), 'KILLPOINT_ERRNO': '28', 'KILLPOINT_UNDER': str(lake),
               'KILLPOINT_COUNT': str(tmp_path / f'count-{at}')}
        return subprocess.run([pregao.path, 'import', 'portfolio', str(new), '--lake', str(lake)], env=env, cwd=tmp_path,
                              capture_output=True, text=True, timeout=120)

    calm = tmp_path / 'calm'
    shutil.copytree(base, calm)
    before = state_of(pregao, calm)
    assert run(calm, 0).returncode == 0
    points = int((tmp_path / 'count-0').read_text())
    after, wanted = state_of(pregao, calm), look.files(calm)

    def one(at):
        lake = tmp_path / f'full-{at}'
        shutil.copytree(base, lake)
        done = run(lake, at)
        assert done.returncode in (0, 1), (at, done.returncode, done.stderr)
        if done.returncode == 0:
            assert state_of(pregao, lake) == after, f'a success that is none at call {at}'
        else:
            assert 'pregao: ' in done.stderr and ('space' in done.stderr or 'full' in done.stderr or 'I/O' in done.stderr), (at, done.stderr)
        raw, refined = state_of(pregao, lake)
        assert raw in (before[0], after[0]) and refined in (before[1], after[1]), at
        pregao('import', 'portfolio', new, '--lake', lake)
        assert state_of(pregao, lake) == after and look.files(lake) == wanted, at
        shutil.rmtree(lake)
        return done.returncode

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failures = sum(pool.map(one, range(1, points + 1, STEP)))
    assert failures > 0
