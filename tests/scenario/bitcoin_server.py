#!/usr/bin/env python3
"""A stand-in for the exchanges' tickers on loopback: a path for each of them, and one for each way in which they fail.

    with bitcoin_server.serve() as server:
        ...  run the program with --source binance=SERVER.url/binance --source coinbase=SERVER.url/dead ...
        assert server.count('/binance') == 4

ANSWERS below names the paths. Good answers tell the present time and a price that moves with it. The misbehaving paths spoil
Binance's answer, or another's with ?source=NAME; the pair comes from ?symbol=, ?symbols= or ?pair=. As a command it prints
its address and serves until it is ended, or for --seconds.
"""
import argparse
import contextlib
import datetime
import json
import socketserver
import struct
import socket
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

HTML = b'<!DOCTYPE html>\n<html><head><title>503</title></head><body><h1>Service unavailable</h1></body></html>\n'


def cents(now, base):
    """A price in hundredths that moves with time: the same at the same millisecond."""
    step = int(now * 1000)
    return base * 100 + step * 7919 % 100_003


def price(now, base, spread=0):
    n = cents(now, base) + spread
    return f'{n // 100}.{n % 100:02}'


def cointradermonitor(now, pair):
    there = datetime.datetime.fromtimestamp(now, datetime.timezone(datetime.timedelta(hours=-3)))
    # JSON numbers, as the service has them: written as text so that no float comes near
    return (f'{{"pair":"{pair or "BTCBRL"}","last":{price(now, 340_000)},"volume24h":1030.75,"var24h":-6.98,'
            f'"time":"{there:%Y-%m-%dT%H:%M:%S}-0300"}}').encode()


def mercadobitcoin_ticker(now):
    return {'high': price(now, 352_000), 'low': price(now, 330_000), 'vol': '175.01434103', 'last': price(now, 340_000),
            'buy': price(now, 340_000, -100), 'sell': price(now, 340_000, 100), 'open': price(now, 339_000), 'date': int(now)}


def mercadobitcoin(now, pair):
    return to_json([{'pair': pair or 'BTC-BRL', **mercadobitcoin_ticker(now)}])


def mercadobitcoin_v3(now, _pair):
    return to_json({'ticker': mercadobitcoin_ticker(now)})


def binance(now, pair):
    return to_json({'symbol': pair or 'BTCUSDT', 'priceChange': '120.10000000', 'priceChangePercent': '0.195',
                    'lastPrice': price(now, 61_000) + '000000', 'bidPrice': price(now, 61_000, -1) + '000000',
                    'askPrice': price(now, 61_000, 1) + '000000', 'highPrice': price(now, 63_000) + '000000',
                    'lowPrice': price(now, 59_000) + '000000', 'volume': '41234.56789000',
                    'openTime': int(now * 1000) - 86_400_000, 'closeTime': int(now * 1000), 'count': 76})


def coinbase(now, _pair):
    there = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    return to_json({'ask': price(now, 61_000, 1), 'bid': price(now, 61_000), 'volume': '12345.67890123', 'trade_id': int(now),
                    'price': price(now, 61_000), 'size': '0.00100000', 'time': f'{there:%Y-%m-%dT%H:%M:%S.%f}123Z'})


def to_json(value):
    return json.dumps(value, separators=(',', ':')).encode()


SOURCES = {'cointradermonitor': cointradermonitor, 'mercadobitcoin': mercadobitcoin, 'mercadobitcoin_v3': mercadobitcoin_v3,
           'binance': binance, 'coinbase': coinbase}
LAST = {'cointradermonitor': b'"last":', 'mercadobitcoin': b'"last":', 'mercadobitcoin_v3': b'"last":', 'binance': b'"lastPrice":',
        'coinbase': b'"price":'}


class Asked:
    """One request: what it asks for, and the answer it would get from an honest service."""

    def __init__(self, path, now):
        url = urllib.parse.urlsplit(path)
        self.path = url.path.rstrip('/')
        self.options = {name: values[-1] for name, values in urllib.parse.parse_qs(url.query).items()}
        self.source = self.options.get('source', 'binance')
        self.now = now

    def number(self, name, otherwise):
        return float(self.options.get(name, otherwise))

    def honest(self, source=None, later=0):
        pair = next((self.options[k] for k in ('symbol', 'symbols', 'pair') if k in self.options), None)
        return SOURCES[source or self.source](self.now + later, pair)

    def with_last(self, value):
        """The honest answer, with something else for the last price."""
        head, key, rest = self.honest().partition(LAST[self.source])
        after = min(i for i in (rest.find(b','), rest.find(b'}')) if i >= 0)
        return head + key + value + rest[after:]


class Answer:
    """What is sent. write: a function(connection, head, body, stopping) in place of one plain write."""

    def __init__(self, body=b'', status=200, content_type='application/json', headers=(), write=None):
        self.body, self.status, self.content_type, self.headers, self.write = body, status, content_type, dict(headers), write


def drip(asked):
    """The answer a byte at a time, with a pause before each."""
    def write(connection, head, body, stopping):
        connection.sendall(head)
        for i in range(len(body)):
            if stopping.wait(asked.number('seconds', 1)):
                return
            connection.sendall(body[i:i + 1])
    return Answer(asked.honest(), write=write)


def slow(asked):
    """A good answer, late."""
    def write(connection, head, body, stopping):
        stopping.wait(asked.number('seconds', 3))
        connection.sendall(head + body)
    return Answer(asked.honest(), write=write)


def dead(_asked):
    """The connection is taken, and nothing ever comes."""
    def write(_connection, _head, _body, stopping):
        stopping.wait(3600)
    return Answer(write=write)


def reset(_asked):
    def write(connection, _head, _body, _stopping):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        connection.close()
    return Answer(write=write)


def cut(asked):
    """Content-Length promises the whole body, half of it comes."""
    def write(connection, head, body, _stopping):
        connection.sendall(head + body[:len(body) // 2])
        connection.shutdown(socket.SHUT_RDWR)
    return Answer(asked.honest(), write=write)


def huge(asked):
    """Ten megabytes; an honest answer in front of blanks."""
    size = int(asked.number('size', 10_000_000))
    return Answer(asked.honest().ljust(size))


def status(asked):
    """/status/503, with ?retry_after=SECONDS."""
    headers = {'Retry-After': asked.options['retry_after']} if 'retry_after' in asked.options else {}
    return Answer(HTML, int(asked.path.rsplit('/', 1)[1]), 'text/html', headers)


def flaky(asked, server):
    """Every Nth request (?every=3) is answered, the others are turned away."""
    if server.count(asked.path) % int(asked.number('every', 3)) == 0:
        return Answer(asked.honest())
    return Answer(HTML, 500, 'text/html')


def date(asked):
    """/date/s, /date/ms, /date/us, /date/ns: Mercado Bitcoin's date in that unit."""
    now_ns = int(asked.now * 1_000_000) * 1000
    unit = {'s': 10**9, 'ms': 10**6, 'us': 10**3, 'ns': 1}[asked.path.rsplit('/', 1)[1]]
    return Answer(to_json([{'pair': 'BTC-BRL', **mercadobitcoin_ticker(asked.now), 'date': now_ns // unit}]))


# Path, or its first part: a function(asked) or (asked, server) that gives the answer.
ANSWERS = {
    **{'/' + name: lambda asked, name=name: Answer(asked.honest(name)) for name in SOURCES},
    '/date': date,
    '/status': status,
    '/too_many': lambda asked: Answer(b'slow down\n', 429, 'text/plain', {'Retry-After': asked.options.get('retry_after', '2')}),
    '/banned': lambda asked: Answer(b'{"code":-1003}', 418, headers={'Retry-After': asked.options.get('retry_after', '5')}),
    '/flaky': flaky,
    '/html': lambda asked: Answer(HTML, content_type='text/html'),
    '/redirect': lambda asked: Answer(HTML, 302, 'text/html', {'Location': '/html'}),
    '/empty': lambda asked: Answer(),
    '/truncated': lambda asked: Answer(asked.honest()[:-20]),
    '/cut': cut,
    '/reset': reset,
    '/drip': drip,
    '/slow': slow,
    '/dead': dead,
    '/huge': huge,
    '/nan': lambda asked: Answer(asked.with_last(b'NaN')),
    '/nan_text': lambda asked: Answer(asked.with_last(b'"NaN"')),
    '/infinity': lambda asked: Answer(asked.with_last(b'-Infinity')),
    '/negative': lambda asked: Answer(asked.with_last(b'"-61000.00"')),
    '/nought': lambda asked: Answer(asked.with_last(b'"0.00"')),
    '/absurd': lambda asked: Answer(asked.with_last(b'"61000000000000.00"')),
    '/exponent': lambda asked: Answer(asked.with_last(b'6.1e4')),
    '/wrong_type': lambda asked: Answer(asked.with_last(b'{"value":61000}')),
    '/null': lambda asked: Answer(asked.with_last(b'null')),
    '/twice': lambda asked: Answer(asked.honest().replace(LAST[asked.source], LAST[asked.source] + b'"1.00",' + LAST[asked.source])),
    '/deep': lambda asked: Answer(b'[' * 400_000),
    '/latin1': lambda asked: Answer(b'{"symbol":"BTC\xc7USDT"}'),
    '/other_pair': lambda asked: Answer(SOURCES[asked.source](asked.now, 'ETHXYZ')),
    '/future': lambda asked: Answer(asked.honest(later=3 * 86_400)),
    '/error': lambda asked: Answer(b'{"code":-1121,"msg":"Invalid symbol."}', 400),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = 60
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server.owner
        asked = Asked(self.path, server.clock())
        server.note(asked)
        make = ANSWERS.get(asked.path) or ANSWERS.get('/' + asked.path.strip('/').split('/')[0])
        if not make or server.stopping.is_set():
            answer = Answer(b'no such path; see ANSWERS\n', 404, 'text/plain')
        else:
            answer = make(asked, server) if make is flaky else make(asked)
        head = [f'HTTP/1.1 {answer.status} {self.responses.get(answer.status, ("What",))[0]}', f'Content-Type: {answer.content_type}',
                f'Content-Length: {len(answer.body)}', *(f'{name}: {value}' for name, value in answer.headers.items())]
        head = ('\r\n'.join(head) + '\r\n\r\n').encode()
        if answer.write:
            self.close_connection = True
            answer.write(self.connection, head, answer.body, server.stopping)
        else:
            self.wfile.write(head + answer.body)


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handle_error(request, client_address)


class Server:
    def __init__(self, port=0, clock=time.time):
        self.clock = clock
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._asked = []  # (time, path)
        self._listener = _Listener(('127.0.0.1', port), _Handler)
        self._listener.owner = self
        self.url = f'http://127.0.0.1:{self._listener.server_address[1]}'
        self._thread = threading.Thread(target=self._listener.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self.stopping.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def note(self, asked):
        with self._lock:
            self._asked.append((asked.now, asked.path))

    def times(self, path):
        """When the path was asked for, by the clock on the wall."""
        with self._lock:
            return [at for at, p in self._asked if p == path]

    def count(self, path=None):
        with self._lock:
            return sum(path in (None, p) for _, p in self._asked)


@contextlib.contextmanager
def serve(port=0, clock=time.time):
    """clock: what the answers take for the present."""
    server = Server(port, clock)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--seconds', type=float, default=300.0, help='stop after so long; 0: never')
    parser.add_argument('--list', action='store_true', help='print the paths and end')
    options = parser.parse_args()
    if options.list:
        print('\n'.join(sorted(ANSWERS)))
        return
    with serve(options.port) as server:
        print(server.url, flush=True)
        try:
            server.stopping.wait(options.seconds or None)
        except KeyboardInterrupt:
            pass


if __name__ == '__main__':
    main()
