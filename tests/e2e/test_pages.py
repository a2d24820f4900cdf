"""The front end in a real browser: web/e2e's scripts against `pregao serve` on a lake with something in it."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(TOP / 'tests/scenario'), str(TOP / 'tests/fixtures')]
PROGRAM = os.environ.get('PREGAO', str(TOP / 'build/pregao'))
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')

pytestmark = pytest.mark.skipif(not shutil.which('node') or not (TOP / 'web/dist/index.html').exists(),
                                reason='the front end was left out: the pages are not looked at')
in_a_browser = pytest.mark.skipif(not CHROMIUM, reason='no chromium: the pages are not looked at')


@pytest.fixture(scope='module')
def lake(tmp_path_factory):
    """Two sessions of an index, some minutes of Bitcoin, a refused payload."""
    import bitcoin_server
    from make_portfolio import make_portfolio
    import datetime
    folder = tmp_path_factory.mktemp('pages')

    def run(*words, codes=(0,)):
        done = subprocess.run([PROGRAM, *map(str, words), '--lake', str(folder / 'lake')], capture_output=True, text=True, timeout=120,
                              env={**os.environ, 'HOME': str(folder)})
        assert done.returncode in codes, done.stdout + done.stderr
    run('run', '--input', 'sample')
    for day, seed in ((12, 1), (15, 2)):
        path = folder / f'smll{day}.csv'
        path.write_bytes(make_portfolio('SMLL', session=datetime.date(2024, 7, day), stocks=60, seed=seed).csv())
        run('run', '--index', 'SMLL', '--input', path)
    with bitcoin_server.serve() as tickers:
        words = [PROGRAM, 'fetch', 'bitcoin', '--follow', '--period', '1s', '--lake', str(folder / 'lake')]
        for source in ('binance', 'mercadobitcoin', 'coinbase'):
            words += ['--source', f'{source}={tickers.url}/{source}']
        follow = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env={**os.environ, 'HOME': str(folder)})
        time.sleep(8)
        follow.terminate()
        follow.wait(timeout=60)
    bad = folder / 'bad.csv'
    bad.write_text('not a portfolio\n')
    run('import', 'portfolio', bad, codes=(3,))
    return folder / 'lake'


@pytest.fixture(scope='module')
def link(lake):
    process = subprocess.Popen([PROGRAM, 'serve', '--lake', str(lake), '--listen', '127.0.0.1:0'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, env={**os.environ, 'HOME': str(lake.parent)})
    yield process.stdout.readline().strip()
    process.terminate()
    assert process.wait(timeout=30) == 0
    process.stdout.close()


def browse(script, *words):
    done = subprocess.run(['node', str(TOP / 'web/e2e' / script), CHROMIUM, *map(str, words)], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr


@in_a_browser
def test_every_view_is_sound(link, tmp_path):
    browse('pages.mjs', link, os.environ.get('SCREENSHOTS', tmp_path))


@in_a_browser
def test_journeys(link):
    browse('journeys.mjs', link)


def test_the_first_load_is_small():
    files = list((TOP / 'web/dist/assets').glob('index-*.br'))
    assert files and sum(f.stat().st_size for f in files) < 500_000


def test_its_own_tests():
    done = subprocess.run(['node', 'node_modules/vitest/vitest.mjs', 'run'], cwd=TOP / 'web', capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
