"""The Bitcoin stream as a user runs it: what was printed is there, once, whatever was killed when."""
import datetime
import base64
import gzip
import hashlib
import json
import os
import random
import subprocess
import threading
import time
from decimal import Decimal

import pytest

import bitcoin_server
import lake as look

# How many times the collector is killed: a few in every run, a thousand in `make soak`.
KILLS = int(os.environ.get('STREAM_KILLS', '6'))
HASTY = '[stream]\nage = 1s\nsegment = 16KiB\n'


@pytest.fixture
def server():
    with bitcoin_server.serve() as running:
        yield running


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / 'hasty.ini'
    path.write_text(HASTY)
    return path


def numbers(pregao, lake):
    """The sequence numbers of all rows there are, in files or not."""
    rows = look.sql(pregao, lake, """SELECT seq FROM raw.bitcoin_ticks UNION ALL SELECT seq FROM raw.bitcoin_gaps
                                     UNION ALL SELECT seq FROM raw.bitcoin_trades ORDER BY 1""")
    return [r['seq'] for r in rows]


def exactly_once(pregao, lake, acknowledged):
    got = numbers(pregao, lake)
    assert len(got) == len(set(got)), f'{len(got) - len(set(got))} records twice'
    lost = set(acknowledged) - set(got)
    assert not lost, f'{len(lost)} acknowledged records lost: {sorted(lost)[:10]}'


def sources(server, n=12):
    """The same ticker for many pairs: load, and slots that must be kept apart."""
    return [word for i in range(n) for word in ('--source', f'binance/PAIR{i}={server.url}/binance?symbol=PAIR{i}')]


def records(text):
    """What was printed whole: a process that was killed may have printed half a line."""
    return [json.loads(line) for line in text.split('\n')[:-1]]


def test_one_slot(pregao, server, tmp_path):
    lake = tmp_path / 'lake'
    out = pregao('fetch', 'bitcoin', '--lake', lake, '--format', 'json', '--period', '2s', '--source', f'binance={server.url}/binance',
                 '--source', f'coinbase={server.url}/coinbase', '--source', f'mercadobitcoin={server.url}/html').stdout
    told = {(r['source'], r['kind']): r for r in records(out)}
    assert set(told) == {('binance', 'tick'), ('coinbase', 'tick'), ('mercadobitcoin', 'gap')}
    assert told['mercadobitcoin', 'gap']['reason'] == 'html'
    rows = look.sql(pregao, lake, "SELECT source, CAST(last AS VARCHAR) AS last, payload FROM raw.bitcoin_ticks ORDER BY source")
    assert [r['source'] for r in rows] == ['binance', 'coinbase']
    assert rows[0]['last'] == told['binance', 'tick']['last']
    assert json.loads(rows[0]['payload'])
    gaps = json.loads(pregao('stream', 'gaps', '--lake', lake, '--format', 'json').stdout)
    assert [(g['kind'], g['source'], g['reason'], g['closed_at']) for g in gaps] == [('slots', 'mercadobitcoin', 'html', None)]
    status = json.loads(pregao('stream', 'status', '--lake', lake, '--format', 'json').stdout)[0]
    assert (status['last_seq'], status['delivered_seq'], status['lag_records'], status['gaps'], status['errors']) == (3, 3, 0, 1, 0)


# What each path of the server becomes; None: any reason.
BAD = {
    'html': 'html', 'empty': 'empty', 'truncated': 'not_json', 'nan': 'not_json', 'infinity': 'not_json', 'nan_text': 'bad_number',
    'exponent': 'bad_number', 'negative': 'bad_price', 'nought': 'bad_price', 'absurd': None, 'wrong_type': 'wrong_shape', 'null': 'wrong_shape',
    'twice': 'not_json', 'deep': 'not_json', 'latin1': None, 'other_pair': 'other_pair', 'future': 'bad_time', 'huge': 'too_large',
    'drip': 'timeout', 'dead': 'timeout', 'cut': None, 'reset': None, 'redirect': 'http_302', 'too_many': 'http_429', 'banned': 'http_418',
    'status/404': 'http_404'}


def test_bad_answers(pregao, server, tmp_path):
    """Each becomes a gap with its reason, never a row; the source beside them has its tick."""
    lake = tmp_path / 'lake'
    asked = [word for i, path in enumerate(BAD) for word in ('--source', f'binance/P{i}={server.url}/{path}?symbol=P{i}')]
    out = pregao('fetch', 'bitcoin', '--lake', lake, '--format', 'json', '--period', '4s', *asked, '--source', f'coinbase={server.url}/coinbase').stdout
    told = {r['pair']: r for r in records(out)}
    assert len(told) == len(BAD) + 1 and told['BTC-USD']['kind'] == 'tick'
    for i, (path, reason) in enumerate(BAD.items()):
        assert told[f'P{i}']['kind'] == 'gap', path
        assert reason in (None, told[f'P{i}']['reason']), path
    assert [r['source'] for r in look.sql(pregao, lake, 'SELECT source FROM raw.bitcoin_ticks')] == ['coinbase']


@pytest.mark.parametrize('unit', ['s', 'ms', 'us', 'ns'])
def test_time_by_magnitude(pregao, server, tmp_path, unit):
    lake = tmp_path / 'lake'
    before = time.time()
    pregao('fetch', 'bitcoin', '--lake', lake, '--source', f'mercadobitcoin={server.url}/date/{unit}')
    got = look.sql(pregao, lake, 'SELECT epoch_us(event_time) AS t FROM raw.bitcoin_ticks')[0]['t'] / 1e6
    assert before - 1.1 <= got <= time.time()


def test_nothing_came(pregao, server, tmp_path):
    """A slot without a single answer is recorded, and a failure of what was asked for."""
    out = pregao('fetch', 'bitcoin', '--lake', tmp_path / 'lake', '--format', 'json', '--period', '2s',
                 '--source', f'binance={server.url}/status/500', expect=1).stdout
    assert [(r['kind'], r['reason']) for r in records(out)] == [('gap', 'http_500')]


@pytest.mark.parametrize('word', ['binance=ftp://x/', 'binance=file:///etc/passwd', 'binance=notaurl', 'binance=http://192.0.2.1/', 'nobody', "binance/B C=%s"])
def test_wrong_words(pregao, server, tmp_path, word):
    """What can never be asked is a wrong word, not a gap."""
    lake = tmp_path / 'lake'
    pregao('fetch', 'bitcoin', '--lake', lake, '--source', word.replace('%s', server.url), expect=2)
    assert numbers(pregao, lake) == []


def test_nothing_in_the_file(pregao, tmp_path):
    (tmp_path / 'odd.ndjson').write_text('{"hello": 1}\n{"hello": 2}\n')
    done = pregao('stream', 'replay', tmp_path / 'odd.ndjson', '--lake', tmp_path / 'lake', expect=3)
    assert 'odd.ndjson' in done.stderr


def test_slot_already_recorded(pregao, server, tmp_path):
    words = ('fetch', 'bitcoin', '--lake', tmp_path / 'lake', '--period', '1h', '--source', f'binance={server.url}/binance')
    pregao(*words)
    again = pregao(*words)
    assert 'recorded already' in again.stderr and not again.stdout
    assert numbers(pregao, tmp_path / 'lake') == [1]


def types_of_a_product(pregao, lake):
    return look.sql(pregao, lake, """SELECT DISTINCT typeof(last) AS price, typeof(volume_24h) AS quantity, typeof(last * volume_24h) AS product
                                     FROM raw.bitcoin_ticks""")


def test_undelivered_is_seen(pregao, server, tmp_path):
    """What is in the spool only is a part of the table, and seen once when it is delivered."""
    lake = tmp_path / 'lake'
    p = pregao.start('fetch', 'bitcoin', '--follow', '--period', '1s', '--lake', lake, '--format', 'json',
                     '--source', f'binance={server.url}/binance', stdout=subprocess.PIPE)
    told = [json.loads(p.stdout.readline()) for _ in range(3)]
    status = json.loads(pregao('stream', 'status', '--lake', lake, '--format', 'json').stdout)[0]
    assert status['delivered_seq'] == 0 and status['lag_records'] >= 3
    types = [{'price': 'DECIMAL(18,8)', 'quantity': 'DECIMAL(20,8)', 'product': 'DECIMAL(38,16)'}]
    assert types_of_a_product(pregao, lake) == types
    exactly_once(pregao, lake, [r['seq'] for r in told])
    p.terminate()
    rest = records(p.communicate(timeout=30)[0])
    assert p.returncode == 0
    exactly_once(pregao, lake, [r['seq'] for r in told + rest])
    assert numbers(pregao, lake) == [r['seq'] for r in told + rest]
    status = json.loads(pregao('stream', 'status', '--lake', lake, '--format', 'json').stdout)[0]
    assert status['delivered_seq'] == status['last_seq']
    assert types_of_a_product(pregao, lake) == types


def test_one_collector(pregao, server, tmp_path):
    lake = tmp_path / 'lake'
    p = pregao.start('fetch', 'bitcoin', '--follow', '--period', '1s', '--lake', lake, '--format', 'json',
                     '--source', f'binance={server.url}/binance', stdout=subprocess.PIPE)
    p.stdout.readline()
    done = pregao('fetch', 'bitcoin', '--lake', lake, '--source', f'binance={server.url}/binance', expect=1)
    assert str(p.pid) in done.stderr


def test_killed_at_random(pregao, server, conf, tmp_path):
    """kill -9 of collector and deliverer at random moments, under load."""
    lake = tmp_path / 'lake'
    seed = int(os.environ.get('STREAM_SEED', time.time_ns() % 2**32))
    chance = random.Random(seed)
    print('STREAM_SEED', seed)
    acknowledged = []
    for _ in range(KILLS):
        p = pregao.start('fetch', 'bitcoin', '--follow', '--period', '1s', '--lake', lake, '--config', conf, '--format', 'json',
                         *sources(server), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        killer = threading.Timer(chance.uniform(0.05, 3), p.kill)
        killer.start()
        acknowledged += [r['seq'] for r in records(p.communicate(timeout=60)[0])]
        killer.join()
    assert len(acknowledged) == len(set(acknowledged))
    p = pregao.start('fetch', 'bitcoin', '--follow', '--period', '1s', '--lake', lake, '--config', conf, '--format', 'json',
                     *sources(server), stdout=subprocess.PIPE)
    acknowledged.append(json.loads(p.stdout.readline())['seq'])
    p.terminate()
    acknowledged += [r['seq'] for r in records(p.communicate(timeout=30)[0])]
    exactly_once(pregao, lake, acknowledged)
    slots = look.sql(pregao, lake, 'SELECT count(*) AS n FROM (SELECT 1 FROM raw.bitcoin_ticks GROUP BY source, pair, slot HAVING count(*) > 1)')
    assert slots[0]['n'] == 0, 'a slot was recorded twice'


def status_of(pregao, lake):
    return json.loads(pregao('stream', 'status', '--lake', lake, '--format', 'json').stdout)[0]


def events_of(pregao, lake, *names):
    """The log's events of these names, the oldest first."""
    told = json.loads(pregao('logs', '--lake', lake, '--format', 'json', '--limit', 1000).stdout)
    return [r for r in told if r['event'] in names]


def wait_for_status(pregao, lake, fits, seconds=30):
    end = time.monotonic() + seconds
    while not fits(status := status_of(pregao, lake)):
        assert time.monotonic() < end, json.dumps(status)
        time.sleep(0.2)
    return status


def test_store_away(pregao, server, conf, tmp_path):
    """The store cannot be written to while the collector goes on: told once, seen from another process, and mended without a hand."""
    lake = tmp_path / 'lake'
    p = pregao.start('fetch', 'bitcoin', '--follow', '--period', '1s', '--lake', lake, '--config', conf, '--format', 'json',
                     *sources(server, 3), stdout=subprocess.PIPE)
    told = [json.loads(p.stdout.readline()) for _ in range(3)]
    before = wait_for_status(pregao, lake, lambda s: s['delivered_seq'] > 0)
    assert (before['failed'], before['errors'], before['last_error'], before['last_error_code'], before['last_error_at']) == (False, 0, None, None, None)
    since = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    (lake / 'raw').rename(lake / 'away')
    (lake / 'raw').write_text('no folder')
    away = wait_for_status(pregao, lake, lambda s: s['failed'])
    assert away['errors'] > 0 and away['last_error'] and away['last_error_code'] in ('IO', 'RETRY', 'DENIED', 'CONFLICT')
    assert datetime.datetime.fromisoformat(away['last_error_at']).replace(tzinfo=datetime.timezone.utc) >= since
    # acknowledged all the while
    told += [json.loads(p.stdout.readline()) for _ in range(6)]
    assert status_of(pregao, lake)['failed']
    (lake / 'raw').unlink()
    (lake / 'away').rename(lake / 'raw')
    mended = wait_for_status(pregao, lake, lambda s: not s['failed'] and s['delivered_seq'] >= told[-1]['seq'])
    assert mended['last_error'] == away['last_error'] and mended['errors'] >= away['errors']
    p.terminate()
    told += records(p.communicate(timeout=30)[0])
    assert p.returncode == 0
    exactly_once(pregao, lake, [r['seq'] for r in told])
    assert [(r['event'], r['level']) for r in events_of(pregao, lake, 'delivery_failed', 'delivery_recovered')] == [
        ('delivery_failed', 'error'), ('delivery_recovered', 'info')]
    assert status_of(pregao, lake)['gaps'] == look.sql(pregao, lake, 'SELECT count(*) AS n FROM raw.bitcoin_gaps')[0]['n']


def test_queues_hear_at_once(pregao, server, conf, tmp_path):
    """A delivered file is a message to the jobs and to the backup while the collection goes on, not at its end."""
    lake = tmp_path / 'lake'
    pregao.start('fetch', 'bitcoin', '--follow', '--period', '1s', '--lake', lake, '--config', conf, *sources(server, 1), stdout=subprocess.DEVNULL)
    heard, end = set(), time.monotonic() + 30
    while heard != {'raw-created', 'backup'}:
        assert time.monotonic() < end, heard
        time.sleep(0.2)
        heard = {m['queue'] for m in json.loads(pregao('queue', 'list', '--lake', lake, '--format', 'json').stdout)}


def recording(path, trades, start_us=1_723_161_600_000_000, first=5000):
    """A made-up recording: trades across an hour's end, repeats of ids, ids that never came, order books in between."""
    lines = []
    for i in range(trades):
        us = start_us + i * 3_000_000 - (7_000_000 if i % 50 == 0 else 0)
        number = first + i + (3 if i >= trades // 2 else 0)
        trade = {'stream': 'btcusdt@trade', 'data': {'e': 'trade', 'E': us // 1000, 's': 'BTCUSDT', 't': number, 'p': f'{61000 + i % 97}.{i % 100:02}000000',
                                                     'q': f'0.{i % 9973 + 1:08}', 'T': us // 1000, 'm': i % 2 == 0, 'M': True}}
        lines.append(f'{us * 1000} {json.dumps(trade, separators=(",", ":"))}')
        if i % 10 == 0:
            lines.append(lines[-1])
        if i % 7 == 0:
            lines.append(f'{us * 1000} {{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{us // 1000},"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}}}}')
    with gzip.open(path, 'wt') as file:
        file.write('\n'.join(lines) + '\n')
    return [first + i + (3 if i >= trades // 2 else 0) for i in range(trades)]


def trade_ids(pregao, lake):
    return [r['trade_id'] for r in look.sql(pregao, lake, 'SELECT trade_id FROM raw.bitcoin_trades ORDER BY 1')]


def worth_exactly(pregao, lake, trades):
    """What was paid: each price times its quantity and their sum, to the last digit. trades: (trade_id, price, quantity) as text."""
    wanted = [(number, Decimal(price) * Decimal(quantity)) for number, price, quantity in sorted(trades)]
    got = look.sql(pregao, lake, 'SELECT trade_id, CAST(price * quantity AS VARCHAR) AS worth FROM raw.bitcoin_trades ORDER BY trade_id')
    assert [(r['trade_id'], Decimal(r['worth'])) for r in got] == wanted
    got = look.sql(pregao, lake, """SELECT CAST(sum(price * quantity) AS VARCHAR) AS worth, typeof(sum(price * quantity)) AS type,
                                    CAST(sum(quantity) AS VARCHAR) AS traded, sum(price * quantity) / sum(quantity) AS mean FROM raw.bitcoin_trades""")[0]
    worth, traded = sum(worth for _, worth in wanted), sum(Decimal(quantity) for *_, quantity in trades)
    assert (Decimal(got['worth']), got['type'], Decimal(got['traded'])) == (worth, 'DECIMAL(38,16)', traded)
    assert got['mean'] == pytest.approx(float(worth / traded), rel=1e-15)


def test_replay(pregao, tmp_path):
    lake, file = tmp_path / 'lake', tmp_path / 'btcusdt.ws.gz'
    ids = recording(file, 2000)
    told = json.loads(pregao('stream', 'replay', file, '--lake', lake, '--format', 'json').stdout)[0]
    assert (told['outcome'], told['refused']) == ('replayed', 0)
    assert trade_ids(pregao, lake) == ids
    worth_exactly(pregao, lake, [(n, f'{61000 + i % 97}.{i % 100:02}', f'0.{i % 9973 + 1:08}') for i, n in enumerate(ids)])
    gaps = json.loads(pregao('stream', 'gaps', '--lake', lake, '--format', 'json').stdout)
    assert [(g['kind'], g['first'], g['last'], g['missing']) for g in gaps] == [('trades', '6000', '6002', 3)]
    before = look.files(lake, 'raw')
    told = json.loads(pregao('stream', 'replay', file, '--lake', lake, '--format', 'json').stdout)[0]
    assert told['outcome'] == 'unchanged' and look.files(lake, 'raw') == before
    candles = look.sql(pregao, lake, "SELECT sum(trades) AS n FROM refined.bitcoin_candles WHERE width = '1d'")
    assert candles[0]['n'] == len(ids)


def test_refused_lines_are_kept(pregao, tmp_path):
    lake, file = tmp_path / 'lake', tmp_path / 'ticks.csv'
    file.write_text('source,pair,slot,event_time,received_at,last,bid,ask,payload\n'
                    'binance,BTCUSDT,,2024-08-08 23:54:15,,1,,,\n'
                    'binance,BTCUSDT,,2024-08-08 23:54:16,,2,,,"never closed\n'
                    'binance,BTCUSDT,,2024-08-08 23:54:17,,3,,,\n'
                    'binance,BTCUSDT,,2024-08-08 23:54:18,,much,,,\n')
    for _ in range(2):
        done = pregao('stream', 'replay', file, '--lake', lake, '--format', 'json', expect=3)
        assert json.loads(done.stdout)[0]['refused'] == 2
    entries = json.loads(pregao('quarantine', 'list', '--lake', lake, '--format', 'json').stdout)
    assert [(q['reason'], q['line'], q['source']) for q in entries] == [('bad_csv', 3, str(file))]
    assert entries[0]['id'][:12] in done.stderr
    lines = json.loads(pregao('quarantine', 'show', entries[0]['id'], '--lake', lake, '--format', 'json').stdout)
    assert [(row['line'], row['reason']) for row in lines] == [(3, 'bad_csv'), (5, 'bad_number')]
    assert base64.b64decode(lines[1]['bytes']) == b'binance,BTCUSDT,,2024-08-08 23:54:18,,much,,,'
    assert 'bad_number' in pregao('quarantine', 'show', entries[0]['id'][:8], '--lake', lake, '--format', 'table').stdout
    pregao('quarantine', 'replay', entries[0]['id'], '--lake', lake, expect=2)
    pregao('quarantine', 'replay', '--all', '--lake', lake)


def test_unreadable_records_are_shown(pregao, tmp_path):
    """What the deliverer could not read, laid down as it does it: listed, shown, and not tried again."""
    lake = tmp_path / 'lake'
    pregao('run', '--input', 'sample', '--lake', lake)
    line = b'{"seq":7,"kind":"moon","reason":"unknown_kind","text":"no record is of the kind moon","bytes":"e30="}\n'
    name = hashlib.sha256(line).hexdigest()
    folder = lake / 'quarantine/bitcoin/stream'
    folder.mkdir(parents=True)
    (folder / f'{name}.payload').write_bytes(line)
    (folder / f'{name}.json').write_text(json.dumps({'reason': 'unknown_kind', 'text': 'no record is of the kind moon', 'source': 'stream:bitcoin/7-7'}))
    entries = json.loads(pregao('quarantine', 'list', '--lake', lake, '--format', 'json').stdout)
    assert [(q['id'], q['reason'], q['source']) for q in entries] == [(name, 'unknown_kind', 'stream:bitcoin/7-7')]
    shown = json.loads(pregao('quarantine', 'show', name[:8], '--lake', lake, '--format', 'json').stdout)
    assert shown == [json.loads(line)]
    assert 'moon' in pregao('quarantine', 'show', name[:8], '--lake', lake, '--format', 'table').stdout
    assert 'records of the stream' in pregao('quarantine', 'replay', name, '--lake', lake, expect=2).stderr
    assert 'nothing in quarantine can be tried again' in pregao('quarantine', 'replay', '--all', '--lake', lake).stderr


def test_wrong_pair(pregao, tmp_path):
    lake, file = tmp_path / 'lake', tmp_path / 'trades.csv'
    file.write_text('1,100.5,2,201,1723161255342,true,true\n2,101.5,2,203,1723161255343,true,true\n')

    def replay(*options, expect=0):
        return pregao('stream', 'replay', file, '--lake', lake, '--format', 'json', *options, expect=expect)

    wrong = json.loads(replay('--pair', 'BTCBRL').stdout)[0]
    assert '--force' in replay('--pair', 'BTCUSDT', expect=2).stderr
    right = json.loads(replay('--pair', 'BTCUSDT', '--force').stdout)[0]
    assert (right['outcome'], right['trades'], right['first_seq']) == ('replayed', 2, wrong['last_seq'] + 1)
    assert json.loads(replay('--pair', 'BTCUSDT').stdout)[0]['outcome'] == 'unchanged'
    rows = look.sql(pregao, lake, 'SELECT pair, seq FROM raw.bitcoin_trades ORDER BY seq')
    assert [(r['pair'], r['seq']) for r in rows] == [('BTCBRL', 1), ('BTCBRL', 2), ('BTCUSDT', 3), ('BTCUSDT', 4)]
    assert (wrong['first_seq'], wrong['last_seq']) == (1, 2)


def test_many_files(pregao, conf, tmp_path):
    """Many recordings in one command, while the deliverer is busy beside: each trade once."""
    files, ids = [], set()
    for i in range(150):
        file = tmp_path / f'{i:03}.ws.gz'
        ids.update(recording(file, 60, start_us=1_723_161_600_000_000 + i * 200_000_000, first=5000 + i * 70))
        files.append(file)
    conf.write_text('[stream]\nage = 1s\nsegment = 4KiB\n')
    pregao('stream', 'replay', *files, '--lake', tmp_path / 'lake', '--config', conf, timeout=60)
    assert trade_ids(pregao, tmp_path / 'lake') == sorted(ids)


def test_replay_killed(pregao, conf, tmp_path):
    """A replay that is killed again and again ends with each trade once."""
    lake, file = tmp_path / 'lake', tmp_path / 'btcusdt.ws.gz'
    ids = recording(file, 20_000)
    chance = random.Random(7)
    for _ in range(KILLS):
        p = pregao.start('stream', 'replay', file, '--lake', lake, '--config', conf, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.02, 0.6))
        p.kill()
        p.wait()
    pregao('stream', 'replay', file, '--lake', lake, '--config', conf)
    assert trade_ids(pregao, lake) == ids
    assert look.sql(pregao, lake, "SELECT sum(trades) AS n FROM refined.bitcoin_candles WHERE width = '1d'")[0]['n'] == len(ids)


def test_recorded_session(pregao, shared_data, tmp_path):
    """Ten minutes of Binance: trades by id equal the recording's exactly."""
    lake, file = tmp_path / 'lake', shared_data / 'bitcoin/binance_spot_btcusdt_20240808.ws.gz'
    pregao('stream', 'replay', file, '--lake', lake)
    wanted = []
    with gzip.open(file, 'rt') as lines:
        for line in lines:
            message = json.loads(line.partition(' ')[2])
            if message.get('stream', '').endswith('@trade'):
                wanted.append((message['data']['t'], message['data']['p'], message['data']['q'], message['data']['T'] * 1000, message['data']['m']))
    got = look.sql(pregao, lake, """SELECT trade_id, CAST(price AS VARCHAR) AS p, CAST(quantity AS VARCHAR) AS q,
                                    epoch_us(event_time) AS t, buyer_is_maker AS m FROM raw.bitcoin_trades ORDER BY trade_id""")
    assert [(r['trade_id'], r['p'], r['q'], r['t'], r['m']) for r in got] == sorted(wanted)
    worth_exactly(pregao, lake, [row[:3] for row in wanted])


@pytest.mark.soak
def test_soak(pregao, server, conf, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), 'KILLS', int(os.environ.get('STREAM_KILLS', '1000')))
    test_killed_at_random(pregao, server, conf, tmp_path)


def test_replay_through_a_small_spool(pregao, tmp_path):
    """More at once than the spool ever holds: it goes through in pieces, and whoever waits is told."""
    (tmp_path / 'small.ini').write_text('[stream]\nlimit = 64KiB\nage = 1s\nsegment = 16KiB\n')
    trade = '{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"60000.10","q":"0.01","T":%d,"m":true}\n'
    recording = tmp_path / 'trades.ndjson'
    recording.write_text(''.join(trade % (1723075200000 + i * 10, i + 1, 1723075200000 + i * 10) for i in range(2000)))
    with_small = ('--lake', tmp_path / 'lake', '--config', tmp_path / 'small.ini')
    done = pregao('stream', 'replay', recording, '--source', 'binance', *with_small)
    assert done.stderr.count('waiting for the delivery') == 1
    assert json.loads(pregao('sql', 'SELECT count(*) n, count(DISTINCT trade_id) d FROM raw.bitcoin_trades', '--format', 'json', *with_small).stdout) == \
        [{'n': 2000, 'd': 2000}]
