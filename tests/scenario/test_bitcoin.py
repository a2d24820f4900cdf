"""The collector as a user runs it, against a service that fails in every way: a good row or a reason, never a wrong row."""
import collections
import json
import subprocess
import time

import pytest

import bitcoin_server
import lake as look

# path: the reason that its gap must have
REASONS = {
    'status/500': 'http_500', 'status/404': 'http_404', 'status/204': 'http_204', 'too_many?retry_after=60': 'http_429',
    'banned?retry_after=60': 'http_418', 'html': 'html', 'redirect': 'http_302', 'empty': 'empty', 'truncated': 'not_json',
    'cut': 'cut', 'reset': 'cut', 'drip': 'timeout', 'slow?seconds=30': 'timeout', 'dead': 'timeout', 'huge': 'too_large',
    'nan': 'not_json', 'nan_text': 'bad_number', 'infinity': 'not_json', 'negative': 'bad_price', 'nought': 'bad_price',
    'absurd': 'bad_price', 'exponent': 'bad_number', 'wrong_type': 'wrong_shape', 'null': 'wrong_shape', 'twice': 'not_json',
    'deep': 'not_json', 'latin1': 'not_json', 'other_pair': 'other_pair', 'future': 'bad_time', 'error': 'http_400',
}
DATES = ['date/s', 'date/ms', 'date/us', 'date/ns']


@pytest.fixture
def server():
    with bitcoin_server.serve() as running:
        yield running


def source(name, url):
    return ['--source', f'{name}={url}']


def test_each_failure_is_a_gap_with_its_reason(pregao, server, tmp_path):
    """All at once, each as a pair of its own, in one slot of three seconds."""
    lake = tmp_path / 'lake'
    words = []
    for i, path in enumerate(REASONS):
        words += source(f'binance/P{i}', f'{server.url}/{path}{"&" if "?" in path else "?"}symbol=P{i}')
    out = pregao('fetch', 'bitcoin', '--lake', lake, '--period', '3s', '--format', 'json', *words, expect=1).stdout
    told = [json.loads(line) for line in out.splitlines()]
    assert {r['kind'] for r in told} == {'gap'}
    assert {list(REASONS)[int(r['pair'][1:])]: r['reason'] for r in told} == REASONS
    rows = look.sql(pregao, lake, 'SELECT pair, reason, detail, slots, period_us FROM raw.bitcoin_gaps')
    assert {list(REASONS)[int(r['pair'][1:])]: r['reason'] for r in rows} == REASONS
    assert all(r['detail'] and (r['slots'], r['period_us']) == (1, 3_000_000) for r in rows)
    assert look.sql(pregao, lake, 'SELECT count(*) AS n FROM raw.bitcoin_ticks')[0]['n'] == 0


def test_each_source_in_its_shape(pregao, server, tmp_path):
    lake = tmp_path / 'lake'
    words = [word for name in ('cointradermonitor', 'mercadobitcoin', 'binance', 'coinbase') for word in source(name, f'{server.url}/{name}')]
    pregao('fetch', 'bitcoin', '--lake', lake, *words)
    rows = look.sql(pregao, lake, """SELECT source, pair, CAST(last AS VARCHAR) AS last, payload, abs(epoch_us(event_time) - epoch_us(received_at)) AS off
                                     FROM raw.bitcoin_ticks ORDER BY source""")
    assert [(r['source'], r['pair']) for r in rows] == [('binance', 'BTCUSDT'), ('coinbase', 'BTC-USD'), ('cointradermonitor', 'BTCBRL'),
                                                        ('mercadobitcoin', 'BTC-BRL')]
    # whatever the source's clock is told in, it is now
    assert all(int(r['off']) < 5_000_000 for r in rows), rows
    for row, key in zip(rows, ('lastPrice', 'price', 'last', 'last')):
        said = json.loads(row['payload'], parse_float=str, parse_int=str)
        said = said[0] if isinstance(said, list) else said
        assert row['last'].rstrip('0').rstrip('.') == said[key].rstrip('0').rstrip('.')


@pytest.mark.parametrize('path', DATES)
def test_a_date_in_any_unit(pregao, server, tmp_path, path):
    lake = tmp_path / 'lake'
    pregao('fetch', 'bitcoin', '--lake', lake, *source('mercadobitcoin', f'{server.url}/{path}'))
    row = look.sql(pregao, lake, 'SELECT abs(epoch_us(event_time) - epoch_us(received_at)) AS off FROM raw.bitcoin_ticks')[0]
    assert int(row['off']) < 5_000_000


def test_dry_run(pregao, tmp_path):
    """Nothing is asked and no lake is made; what would be is told in the form that was asked for."""
    lake = tmp_path / 'lake'
    words = ['fetch', 'bitcoin', '--dry-run', '--lake', lake, '--period', '5s', *source('binance/ETHUSDT', 'http://127.0.0.1:9/')]
    told = json.loads(pregao(*words, '--format', 'json').stdout)
    assert told == [{'source': 'binance', 'pair': 'ETHUSDT', 'url': 'http://127.0.0.1:9/', 'period_us': 5_000_000}]
    assert 'ETHUSDT' in pregao(*words).stdout
    told = json.loads(pregao('fetch', 'portfolio', '--dry-run', '--index', 'IBOV,SMLL', '--lake', lake, '--format', 'json').stdout)
    assert [r['index'] for r in told] == ['IBOV', 'SMLL'] and all(r['url'].startswith('https://') for r in told)
    assert not lake.exists()


@pytest.mark.parametrize('word', ['stream', 'fetch'])
def test_half_a_command(pregao, tmp_path, word):
    """An option is no command: what the word may be followed by is told, as when nothing follows."""
    told = pregao(word, '--lake', tmp_path / 'lake', expect=2).stderr
    assert told == pregao(word, expect=2).stderr and f'{word} ' in told and 'did you mean' not in told


def test_a_dead_source_beside_a_live_one(pregao, server, tmp_path):
    lake = tmp_path / 'lake'
    p = pregao.start('fetch', 'bitcoin', '--follow', '--period', '1s', '--lake', lake, '--format', 'json',
                     *source('binance', f'{server.url}/binance'), *source('coinbase', f'{server.url}/dead'),
                     *source('mercadobitcoin', f'{server.url}/flaky?every=2&source=mercadobitcoin'), stdout=subprocess.PIPE)
    told = collections.defaultdict(list)
    while len(told['binance']) < 4 or len(told['coinbase']) < 3:
        r = json.loads(p.stdout.readline())
        told[r['source']].append(r)
    p.terminate()
    p.communicate(timeout=30)
    assert p.returncode == 0
    assert {r['reason'] for r in told['coinbase']} == {'timeout'}
    # asked again in the slot, the flaky one answered
    assert any(r['kind'] == 'tick' for r in told['mercadobitcoin'])
    for rows in told.values():
        slots = [r['slot'] for r in rows]
        assert slots == sorted(set(slots))
        assert all(slot.endswith('.000000Z') for slot in slots)


def test_told_to_wait(pregao, server, tmp_path):
    """429 with Retry-After: slots inside it are gaps without a request."""
    p = pregao.start('fetch', 'bitcoin', '--follow', '--period', '1s', '--lake', tmp_path / 'lake', '--format', 'json',
                     *source('binance', f'{server.url}/too_many?retry_after=30'), stdout=subprocess.PIPE)
    told = [json.loads(p.stdout.readline()) for _ in range(3)]
    assert [r['reason'] for r in told] == ['http_429'] * 3
    assert server.count('/too_many') == 1


def test_restarted(pregao, server, tmp_path):
    """What passed while nothing ran is a gap: one, or a second where writing the first took a slot."""
    lake = tmp_path / 'lake'
    words = ['fetch', 'bitcoin', '--lake', lake, '--period', '1s', '--format', 'json', *source('binance', f'{server.url}/binance')]
    first = json.loads(pregao(*words).stdout.splitlines()[-1])
    # starting the program anew may take less than a slot
    told = []
    while not any(r['kind'] == 'gap' for r in told):
        time.sleep(2)
        told = [json.loads(line) for line in pregao(*words).stdout.splitlines()]
    assert first['kind'] == 'tick'
    kinds = [(r['kind'], r.get('reason')) for r in told]
    assert kinds == [('gap', 'not_running')] * (len(told) - 1) + [('tick', None)]
    rows = look.sql(pregao, lake, """SELECT epoch_us(slot) AS slot, 1 AS slots FROM raw.bitcoin_ticks
                                     UNION ALL SELECT epoch_us(slot), slots FROM raw.bitcoin_gaps ORDER BY 1""")
    for row, after in zip(rows, rows[1:]):
        assert int(after['slot']) - int(row['slot']) == int(row['slots']) * 1_000_000
