"""Candles that the job makes of replayed recordings, against candles that pandas makes of the same recordings' text."""
import datetime
import decimal
import gzip
import json
import random

import duckdb
import pandas
import pytest

import lake as look

decimal.getcontext().prec = 60  # a sum of products must stay exact
COLUMNS = ['date', 'width', 'source', 'pair', 'basis', 'open_time', 'open', 'high', 'low', 'close', 'volume', 'quote_volume', 'trades']
WIDTHS = {'1m': 60_000_000, '1h': 3_600_000_000, '1d': 86_400_000_000}
NOON = 1723118400_000_000  # 2024-08-08 12:00 UTC
MIDNIGHT = NOON + 43_200_000_000


def utc(us):
    return datetime.datetime.fromtimestamp(us // 1_000_000, datetime.UTC)


def iso(us):
    return f'{utc(us):%Y-%m-%dT%H:%M:%S}.{us % 1_000_000:06d}Z'


class Recording:
    """Messages as the exchanges send them, and what each of them says."""

    def __init__(self):
        self.lines, self.rows = [], []

    def _add(self, message, us, **row):
        self.lines.append(f'{us * 1000 + 7} {json.dumps(message)}')
        self.rows.append({'us': us, 'line': len(self.lines), 'price': None, 'quantity': None, **row})

    def binance_trade(self, pair, number, us, price, quantity):
        us -= us % 1000
        self._add({'stream': f'{pair.lower()}@trade', 'data': {'e': 'trade', 'E': us // 1000, 's': pair, 't': number, 'p': price, 'q': quantity,
                                                               'T': us // 1000, 'm': number % 2 == 0, 'M': True}},
                  us, source='binance', pair=pair, basis='trade', position=number, price=price, quantity=quantity)

    def coinbase_trade(self, pair, number, us, price, quantity):
        self._add({'type': 'match', 'trade_id': number, 'price': price, 'size': quantity, 'time': iso(us), 'side': 'buy', 'product_id': pair},
                  us, source='coinbase', pair=pair, basis='trade', position=number, price=price, quantity=quantity)

    def binance_tick(self, pair, us, price):
        us -= us % 1000
        self._add({'e': '24hrTicker', 'E': us // 1000, 's': pair, 'P': '1.5', 'c': price, 'b': price, 'a': price, 'h': '99999', 'l': '0.00000001',
                   'v': '12.5'}, us, source='binance', pair=pair, basis='tick', position=len(self.lines), price=price)

    def coinbase_tick(self, pair, us, price):
        self._add({'type': 'ticker', 'product_id': pair, 'price': price, 'time': iso(us), 'best_bid': price, 'best_ask': price},
                  us, source='coinbase', pair=pair, basis='tick', position=len(self.lines), price=price)

    def order_book(self, us):
        self.lines.append(f'{us * 1000} {{"stream":"btcusdt@depth","data":{{"e":"depthUpdate","E":1,"s":"BTCUSDT"}}}}')

    def write(self, path):
        data = '\n'.join(self.lines) + '\n'
        path.write_bytes(gzip.compress(data.encode()) if path.suffix == '.gz' else data.encode())
        return path


def by_pandas(rows):
    """The candles of the rows, each a list of texts in the order of COLUMNS."""
    frame = pandas.DataFrame(rows)
    for column in ('price', 'quantity'):
        frame[column] = frame[column].map(lambda x: None if x is None else decimal.Decimal(x)).astype(object)
    frame = frame[frame.price.notna()].sort_values(['us', 'position'], kind='stable')
    frame['amount'] = [None if q is None else p * q for p, q in zip(frame.price, frame.quantity)]
    found = []
    for width, us in WIDTHS.items():
        for (source, pair, basis, begin), group in frame.groupby(['source', 'pair', 'basis', frame.us // us * us]):
            volume = ('null', 'null') if basis == 'tick' else (f'{sum(group.quantity):.8f}', f'{sum(group.amount):.16f}')
            prices = group.price.iloc[0], max(group.price), min(group.price), group.price.iloc[-1]
            found.append([f'{utc(begin):%Y-%m-%d}', width, source, pair, basis, f'{utc(begin):%Y-%m-%d %H:%M:%S}',
                          *(f'{p:.8f}' for p in prices), *volume, str(len(group))])
    return sorted(found)


def by_pregao(pregao, lake):
    cells = ', '.join(f"coalesce(CAST({c} AS VARCHAR), 'null') AS {c}" for c in COLUMNS)
    return sorted([r[c] for c in COLUMNS] for r in look.sql(pregao, lake, f'SELECT {cells} FROM refined.bitcoin_candles'))


def replay(pregao, lake, *paths):
    return json.loads(pregao('stream', 'replay', '--lake', lake, '--format', 'json', *paths).stdout)


def made_up(seed, begin, seconds, n):
    """Trades and ticks of two exchanges in no order, many of one moment."""
    chance = random.Random(seed)
    r = Recording()
    for i in range(n):
        us = begin + chance.randrange(seconds) * 1_000_000 + chance.choice([0, 0, 250_000, 999_999])
        price, quantity = f'{chance.randrange(1, 10**13) / 10**8:.8f}', f'{chance.randrange(1, 10**9)}.{chance.randrange(10**8):08d}'
        kind, pair = chance.randrange(5), chance.choice(['BTCUSDT', 'BTCBRL'])
        if kind < 2:
            r.binance_trade(pair, seed * 10**6 + n - i, us, price, quantity)
        elif kind == 2:
            r.coinbase_trade('BTC-USD', seed * 10**6 + n - i, us, price, quantity)
        elif kind == 3:
            r.binance_tick(pair, us, price)
        else:
            r.coinbase_tick(chance.choice(['BTC-USD', 'BTC-EUR']), us, price)
    return r


def test_candles_equal_those_of_pandas(pregao, tmp_path):
    lake = tmp_path / 'lake'
    r = made_up(1, MIDNIGHT - 7_000_000_000, 14_000, 3000)
    r.order_book(NOON)
    # one moment, the numbers going down; a minute with one trade; both sides of midnight
    for number in (100, 99, 9):
        r.binance_trade('BTCEUR', number, NOON, str(number), '0.00000001')
    r.binance_trade('BTCEUR', 8, NOON + 60_000_000, '1234567.12345678', '1000')
    r.coinbase_trade('BTC-GBP', 1, MIDNIGHT - 1, '1', '1')
    r.coinbase_trade('BTC-GBP', 2, MIDNIGHT, '2', '1')
    done = replay(pregao, lake, r.write(tmp_path / 'made_up.ws.gz'))
    assert done[0]['trades'] + done[0]['ticks'] == len(r.rows) and done[0]['other'] == 1
    found, expected = by_pregao(pregao, lake), by_pandas(r.rows)
    assert len(expected) > 1000 and {x[0] for x in expected} == {'2024-08-08', '2024-08-09'}
    assert found == expected
    assert ['2024-08-08', '1m', 'binance', 'BTCEUR', 'trade', '2024-08-08 12:00:00', '9.00000000', '100.00000000', '9.00000000', '100.00000000',
            '0.00000003', '0.0000020800000000', '3'] in found


def test_a_new_hour_rewrites_its_day_alone(pregao, tmp_path):
    lake = tmp_path / 'lake'
    first, later = made_up(2, NOON, 3600, 300), made_up(3, MIDNIGHT + 7_200_000_000, 3600, 300)
    replay(pregao, lake, first.write(tmp_path / 'first.ws.gz'))
    before = look.files(lake, 'refined', 'compact/refined')
    assert before
    path = later.write(tmp_path / 'later')
    replay(pregao, lake, path)
    after = look.files(lake, 'refined', 'compact/refined')
    assert {k: v for k, v in after.items() if '2024-08-08' in k} == before
    assert any('2024-08-09' in k for k in after)
    # ticks of several recordings follow each other in the stream
    for n, row in enumerate(first.rows + later.rows):
        row['position'] = row['position'] if row['basis'] == 'trade' else n
    assert by_pregao(pregao, lake) == by_pandas(first.rows + later.rows)
    # and again, which is nothing new to the stream, and a run that is asked for
    assert replay(pregao, lake, path)[0]['outcome'] == 'unchanged'
    run = json.loads(pregao('job', 'run', 'bitcoin_candles', '--lake', lake, '--format', 'json').stdout)
    assert [(x['scopes'], x['unchanged']) for x in run] == [(0, 2)]
    assert look.files(lake, 'refined', 'compact/refined') == after
    # one day by force: the same bytes
    pregao('job', 'run', 'bitcoin_candles', '--lake', lake, '--partition', 'date=2024-08-09/hour=2', '--force')
    assert look.files(lake, 'refined', 'compact/refined') == after


def test_the_commands_know_the_job(pregao, tmp_path):
    lake = tmp_path / 'lake'
    r = made_up(4, NOON, 600, 200)
    replay(pregao, lake, r.write(tmp_path / 'made_up'))
    jobs = {j['job']: j for j in json.loads(pregao('job', 'list', '--format', 'json').stdout)}
    assert jobs['bitcoin_candles']['sound'] and jobs['bitcoin_candles']['trigger'] == 'raw.bitcoin_trades, raw.bitcoin_ticks'
    shown = json.loads(pregao('job', 'show', 'bitcoin_candles', '--format', 'json').stdout)
    assert shown['triggers'] == ['raw.bitcoin_trades', 'raw.bitcoin_ticks']
    assert 'raw.bitcoin_trades, raw.bitcoin_ticks' in pregao('job', 'show', 'bitcoin_candles').stdout
    days = json.loads(pregao('job', 'preview', 'bitcoin_candles', '--node', 'candles_1d', '--lake', lake, '--format', 'json').stdout)
    assert sum(d['trades'] for d in days) == len(r.rows)
    pregao('job', 'run', 'bitcoin_candles', '--lake', lake, '--partition', 'date=2024-08-10/hour=2', expect=2)
    # the exported script says the same in a DuckDB of its own
    script = pregao('job', 'export', 'bitcoin_candles', '--to', 'sql', '--lake', lake).stdout
    con = duckdb.connect()
    con.execute(f"SET VARIABLE lake = '{lake}'; SET VARIABLE out = '{tmp_path}'")
    con.execute(script)
    cells = ', '.join(f"coalesce(CAST({c} AS VARCHAR), 'null')" for c in COLUMNS)
    exported = con.execute(f"SELECT {cells} FROM read_parquet('{tmp_path}/bitcoin_candles/*/*/*.parquet')").fetchall()
    assert sorted(map(list, exported)) == by_pregao(pregao, lake) == by_pandas(r.rows)


def test_the_recorded_session(pregao, shared_data, tmp_path):
    """Ten minutes of Binance: every candle equals the one that pandas makes of the recording's text."""
    path = shared_data / 'bitcoin/binance_spot_btcusdt_20240808.ws.gz'
    if not path.exists():
        pytest.skip('no recorded session')
    rows = {}
    with gzip.open(path, 'rt') as lines:
        for line in lines:
            message = json.loads(line.split(' ', 1)[1])
            trade = message.get('data', message)
            if trade.get('e') == 'trade':
                rows[trade['t']] = {'us': trade['T'] * 1000, 'position': trade['t'], 'source': 'binance', 'pair': trade['s'], 'basis': 'trade',
                                    'price': trade['p'], 'quantity': trade['q']}
    lake = tmp_path / 'lake'
    assert replay(pregao, lake, path)[0]['trades'] == len(rows) > 9000
    found = by_pregao(pregao, lake)
    assert found == by_pandas(list(rows.values()))
    assert {x[1] for x in found} == set(WIDTHS)
