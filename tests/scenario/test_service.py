"""The index service and every way in which it fails (b3_server.py): what is right is fetched, nothing wrong is ever written."""
import datetime
import json
import pathlib
import sys
import time

import pytest

import lake as look
from b3_server import DOWNLOAD, PAGE, B3Server

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'fixtures'))
import make_portfolio  # noqa: E402

DAY = datetime.date(2024, 7, 15)
QUICK = '[b3_portfolio]\nattempts = 3\npause = 5ms\npause_cap = 20ms\ndeadline = 2s\nforms = {forms}\n'


def portfolio(index='IBOV', stocks=30, **kw):
    return make_portfolio.make_portfolio(index=index, session=DAY, stocks=stocks, **kw)


@pytest.fixture
def b3():
    with B3Server({'IBOV': portfolio(), 'IBRA': portfolio('IBRA', 250), 'SMLL': portfolio('SMLL')}, seconds=120) as server:
        yield server


@pytest.fixture
def fetch(pregao, b3, tmp_path):
    def run(*args, command=('fetch', 'portfolio'), forms='day,download', expect=0, lake='lake'):
        config = tmp_path / 'c.ini'
        config.write_text(QUICK.format(forms=forms))
        return pregao(*command, '--url', b3.url, '--lake', tmp_path / lake, '--config', config, '--format', 'json', *args, expect=expect)
    return run


def in_raw(pregao, lake):
    return look.sql(pregao, lake, 'SELECT index_code AS i, count(*) AS n, CAST(sum(qtd_teorica) AS BIGINT) AS q FROM raw.portfolio GROUP BY 1 ORDER BY 1')


def test_both_forms_are_the_same_session(pregao, fetch, b3, tmp_path):
    """Pages with sectors, then the download: the second changes nothing."""
    assert json.loads(fetch('--index', 'IBOV,IBRA,SMLL').stdout)[1]['rows'] == 250
    assert b3.count(endpoint=PAGE, index='IBRA') == 3 and b3.count(endpoint=DOWNLOAD) == 0
    before = look.files(tmp_path / 'lake', 'raw')
    assert {r['outcome'] for r in json.loads(fetch('--index', 'IBOV,IBRA,SMLL', forms='download').stdout)} == {'unchanged'}
    assert b3.count(endpoint=DOWNLOAD) == 3
    assert look.files(tmp_path / 'lake', 'raw') == before
    assert in_raw(pregao, tmp_path / 'lake') == sorted(
        ({'i': i, 'n': len(p.rows), 'q': p.quantity_total} for i, p in b3.portfolios.items()), key=lambda r: r['i'])


def test_run_live(pregao, fetch, b3, tmp_path):
    out = json.loads(fetch('--index', 'IBOV', '--input', 'live', command=('run',)).stdout)
    assert out['input'] == 'live' and len(out['largest']) == 10 and out['jobs']['succeeded'] == 1
    digest = look.digest(tmp_path / 'lake')
    out = json.loads(fetch('--index', 'IBOV', '--input', 'live', command=('run',)).stdout)
    assert out['sessions'][0]['outcome'] == 'unchanged' and out['jobs']['succeeded'] == 0
    assert look.digest(tmp_path / 'lake') == digest


@pytest.mark.parametrize('input', ['auto', 'live'])
def test_what_b3_refuses_is_no_reason_for_the_sample(pregao, fetch, b3, tmp_path, input):
    """An index that B3 does not list, and an address with nothing behind it, fail; the other index comes all the same."""
    done = fetch('--index', 'NOPE,IBOV', '--input', input, command=('run',), expect=1)
    assert json.loads(done.stdout)['input'] == 'live' and 'SAMPLE' not in done.stderr and 'NOPE' in done.stderr
    assert [r['i'] for r in in_raw(pregao, tmp_path / 'lake')] == ['IBOV']
    assert len([r for r in look.runs(pregao, tmp_path / 'lake') if r['kind'] == 'pass' and r['state'] == 'failed']) == 1
    b3.misbehave('status', code=404)
    done = fetch('--index', 'IBOV', '--input', input, command=('run',), expect=1, lake='other')
    assert json.loads(done.stdout)['input'] == 'live' and '404' in done.stderr


def test_no_lock_is_held_while_b3_is_slow(pregao, fetch, b3, tmp_path):
    """The first index is there, the second is slow: another pass does not wait for it."""
    import threading
    file, config = tmp_path / 'a.csv', tmp_path / 'quick.ini'
    file.write_bytes(portfolio('IBRX').csv())
    config.write_text('[lake]\nlock_wait = 10ms\n')
    b3.misbehave('delay', index='SMLL', seconds=1.5, times=1)
    fetching = threading.Thread(target=fetch, args=('--index', 'IBOV,SMLL'))
    fetching.start()
    try:
        while b3.count(index='SMLL') == 0:
            time.sleep(0.01)
        pregao('import', 'portfolio', file, '--lake', tmp_path / 'lake', '--config', config)
    finally:
        fetching.join()
    assert {r['i'] for r in in_raw(pregao, tmp_path / 'lake')} == {'IBOV', 'IBRX', 'SMLL'}


def test_a_killed_pass_is_told_from_one_that_runs(pregao, b3, tmp_path):
    lake = tmp_path / 'lake'
    b3.misbehave('delay', seconds=20)
    p = pregao.start('fetch', 'portfolio', '--index', 'IBOV', '--url', b3.url, '--lake', lake)
    while b3.count() == 0:
        time.sleep(0.01)

    def states():
        return [r['state'] for r in look.runs(pregao, lake)]
    assert states() == ['running']
    p.kill()
    p.wait()
    assert states() == states() == ['died']
    assert 'died' in pregao('runs', look.runs(pregao, lake)[0]['run'], '--lake', lake).stdout
    assert not list((lake / 'state/workers').iterdir())


def test_fetch_leaves_the_job_to_a_worker(pregao, fetch, tmp_path):
    fetch('--index', 'IBOV')
    lake = tmp_path / 'lake'
    assert len(json.loads(pregao('queue', 'list', '--lake', lake, '--format', 'json').stdout)) == 2
    assert look.sql(pregao, lake, 'SELECT count(*) AS n FROM refined.portfolio') == [{'n': 0}]
    fetch('--index', 'IBOV', command=('run',))
    assert look.sql(pregao, lake, 'SELECT count(*) AS n FROM refined.portfolio')[0]['n'] > 0
    assert json.loads(pregao('queue', 'list', '--lake', lake, '--format', 'json').stdout) == []


PASSING = [('status', {'code': 520}), ('status', {'code': 503}), ('too_many', {'retry_after': 0}), ('empty', {}), ('html', {}), ('double_json', {}),
           ('double_base64', {}), ('bad_base64', {}), ('redirect', {}), ('truncated', {}), ('reset', {}), ('cut_text', {})]


@pytest.mark.parametrize('form', ['day', 'download'])
@pytest.mark.parametrize('name,options', PASSING, ids=lambda x: str(x) if isinstance(x, str) else '')
def test_passing_fault(pregao, fetch, b3, tmp_path, name, options, form):
    """Twice wrong, then right: the right answer arrives."""
    b3.misbehave(name, times=2, **options)
    done = fetch('--index', 'IBOV', forms=form, expect=None)
    if done.returncode:
        assert look.files(tmp_path / 'lake', 'raw') == {} and done.stderr
    else:
        assert in_raw(pregao, tmp_path / 'lake') == [{'i': 'IBOV', 'n': 30, 'q': b3.portfolios['IBOV'].quantity_total}]
        assert b3.count() >= 1
    if name in ('status', 'too_many', 'empty', 'html', 'double_json', 'double_base64', 'truncated', 'reset'):
        assert done.returncode == 0, done.stderr


LASTING = PASSING + [('same_page', {}), ('endless', {}), ('repeat_page', {}), ('results_null', {}), ('huge', {'size': 20_000_000}), ('gzip_bomb', {}),
                     ('wrong_index', {}), ('bad_sum', {}), ('bad_row', {}), ('no_date', {}), ('redirect_loop', {}), ('delay', {'seconds': 4}),
                     ('drip', {'seconds': 0.5, 'size': 16}), ('body', {'body': b'{"page":{}}'}), ('body', {'body': b'PK\x05\x06' + b'\0' * 18}), ('body', {'body': b'null'}),
                     ('body', {'body': b'[' * 100000}), ('body', {'body': b'"' + b'A' * 1000 + b'"'})]


@pytest.mark.parametrize('form', ['day', 'download'])
@pytest.mark.parametrize('name,options', LASTING, ids=lambda x: str(x) if isinstance(x, str) else '')
def test_lasting_fault(pregao, fetch, b3, tmp_path, name, options, form):
    """For ever wrong: a clear failure within the deadline and no row anywhere, unless the fault does not touch this form."""
    if name == 'wrong_index' and form == 'day':
        pytest.skip('a JSON answer does not name its index: nobody can tell')
    b3.misbehave(name, **options)
    index = 'IBRA' if name in ('same_page', 'endless', 'repeat_page') else 'IBOV'
    began = time.monotonic()
    done = fetch('--index', index, forms=form, expect=None)
    assert time.monotonic() - began < 40
    rows = in_raw(pregao, tmp_path / 'lake')
    if done.returncode == 0:
        assert rows == [{'i': index, 'n': len(b3.portfolios[index].rows), 'q': b3.portfolios[index].quantity_total}], 'what is written is right'
        assert not [r for r in b3.log() if r.fault], 'an answer that was spoiled must not be believed'
        return
    assert done.returncode in (1, 3) and rows == [] and look.files(tmp_path / 'lake', 'raw', 'refined') == {}
    assert '"reason"' in done.stderr or 'refused' in done.stderr, done.stderr


def test_retry_after_is_obeyed(fetch, b3):
    b3.misbehave('too_many', times=1, retry_after=2)
    began = time.monotonic()
    fetch('--index', 'IBOV')
    assert time.monotonic() - began >= 2


def test_other_form_when_one_is_gone(pregao, fetch, b3, tmp_path):
    b3.misbehave('status', endpoint=PAGE, code=404)
    fetch('--index', 'IBOV')
    assert b3.count(endpoint=DOWNLOAD) == 1 and in_raw(pregao, tmp_path / 'lake')[0]['n'] == 30


def test_one_index_fails_the_others_come(pregao, fetch, b3, tmp_path):
    b3.misbehave('html', index='IBRA')
    rows = json.loads(fetch('--index', 'IBOV,IBRA,SMLL', expect=1).stdout)
    assert [r['outcome'] for r in rows] == ['new', 'failed', 'new']
    assert [r['i'] for r in in_raw(pregao, tmp_path / 'lake')] == ['IBOV', 'SMLL']


def test_index_that_b3_does_not_list(fetch):
    assert 'NOPE' in fetch('--index', 'NOPE', expect=1).stderr


def test_does_not_reconcile_goes_to_quarantine(pregao, fetch, b3, tmp_path):
    b3.misbehave('bad_sum')
    rows = json.loads(fetch('--index', 'IBOV', expect=3).stdout)
    assert rows[0]['outcome'] == 'refused' and rows[0]['reason'] == 'sum_mismatch'
    assert len(json.loads(pregao('quarantine', 'list', '--lake', tmp_path / 'lake', '--format', 'json').stdout)) == 1


def test_plain_http_to_loopback_only(pregao, tmp_path):
    done = pregao('fetch', 'portfolio', '--url', 'http://192.0.2.1/', '--lake', tmp_path / 'lake', expect=1)
    assert 'loopback' in done.stderr or 'https' in done.stderr
