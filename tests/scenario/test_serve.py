"""pregao serve: the API over HTTP, and who is answered."""
import concurrent.futures
import csv
import http.client
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest


class Server:
    def __init__(self, pregao, lake, *words):
        self.process = subprocess.Popen([pregao.path, 'serve', '--listen', '127.0.0.1:0', '--lake', lake, *words], env=pregao.env,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r'http://127\.0\.0\.1:(\d+)/\?token=([0-9a-f]{64})\n', line)
        assert found, (line, self.process.stderr.read() if self.process.poll() is not None else '')
        self.port, self.token = int(found[1]), found[2]

    def ask(self, path, method='GET', body=None, token=True, timeout=30, **headers):
        """Status, headers, bytes."""
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)
        sent = {k.replace('_', '-'): v for k, v in headers.items()}
        if token:
            sent['Authorization'] = f'Bearer {self.token}'
        c.request(method, path, body, sent)
        answer = c.getresponse()
        try:
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            c.close()

    def json(self, path, **more):
        status, _, body = self.ask(path, **more)
        assert status == 200, body
        return json.loads(body)

    def children(self):
        """Processes below it, and theirs."""
        found, more = [], [self.process.pid]
        while more:
            below = pathlib.Path(f'/proc/{more[-1]}/task/{more.pop()}/children')
            pids = [int(p) for p in below.read_text().split()] if below.exists() else []
            found += pids
            more += pids
        return found

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@pytest.fixture
def server(pregao, tmp_path):
    pregao('run', '--input', 'sample', '--lake', tmp_path / 'lake')
    s = Server(pregao, tmp_path / 'lake')
    yield s
    s.stop()


def test_answers_are_the_commands(pregao, server, tmp_path):
    lake = ('--lake', tmp_path / 'lake', '--format', 'json')
    for path, command in (('/api/tables', ['tables']), ('/api/tables/refined.portfolio', ['describe', 'refined.portfolio']),
                          ('/api/jobs', ['job', 'list']), ('/api/jobs/portfolio', ['job', 'show', 'portfolio']),
                          ('/api/schedules', ['schedule', 'list']), ('/api/access', ['access', 'show'])):
        assert server.json(path) == json.loads(pregao(*command, *lake).stdout), path
    runs = server.json('/api/runs')
    assert runs and server.json(f'/api/runs/{runs[0]["run"]}') and any(server.json(f'/api/runs/{r["run"]}/logs') for r in runs)
    assert len(server.json('/api/tables/raw.portfolio/partitions?limit=1')) == 1
    assert server.ask('/metrics')[2].startswith(b'# ')
    assert server.json('/api/jobs/portfolio/preview?node=by_stock&limit=3')[2]
    assert b'CREATE' in server.ask('/api/jobs/portfolio/export?to=sql')[2]
    assert {r['check'] for r in server.json('/api/doctor')}


def test_sql_in_every_form(server):
    statement = "SELECT i, i * 1.5 AS v FROM range(3) t(i)"
    assert [r['i'] for r in server.json('/api/sql', method='POST', body=statement)] == [0, 1, 2]
    _, headers, body = server.ask('/api/sql?format=ndjson', 'POST', statement)
    assert headers['Content-Type'] == 'application/x-ndjson' and [json.loads(line)['i'] for line in body.splitlines()] == [0, 1, 2]
    _, headers, body = server.ask('/api/sql?format=csv', 'POST', statement)
    assert list(csv.reader(io.StringIO(body.decode()))) == [['i', 'v'], ['0', '0.0'], ['1', '1.5'], ['2', '3.0']]
    assert b'2;3,0\r\n' in server.ask('/api/sql?format=csv-br', 'POST', statement)[2]
    _, headers, body = server.ask('/api/sql?format=parquet', 'POST', statement)
    assert body[:4] == b'PAR1' == body[-4:]
    assert len(server.json('/api/sql?limit=2', method='POST', body=statement)) == 2
    status, _, body = server.ask('/api/sql', 'POST', 'SELECT nope')
    assert status == 422 and json.loads(body)['error']['column'] == 8
    for form in ('ndjson', 'csv', 'csv-br', 'parquet'):
        status, _, body = server.ask(f'/api/sql?format={form}', 'POST', 'SELECT nope')
        assert status == 422 and json.loads(body)['error']['column'] == 8, form
    # no rows are an answer, too; so is what doctor finds
    assert server.ask('/api/sql?format=ndjson', 'POST', 'SELECT 1 WHERE false')[2] == b''
    assert server.json('/api/doctor')
    # a million rows come as they are made
    _, _, body = server.ask('/api/sql?format=csv', 'POST', 'SELECT * FROM range(1000000)', timeout=60)
    assert body.count(b'\n') == 1000001


def test_wrong_requests(server):
    for path, method, status in (('/api/nothing', 'GET', 404), ('/api', 'GET', 404), ('/api/tables/', 'GET', 404), ('/api/tables', 'DELETE', 405),
                                 ('/api/sql', 'GET', 405), ('/api/tables?x=1', 'GET', 400), ('/api/runs?limit=-1', 'GET', 400),
                                 ('/api/runs?limit=1e3', 'GET', 400), ('/api/tables/raw.nothing', 'GET', 404), ('/api/tables/nodot', 'GET', 400),
                                 ('/api/jobs/--help', 'GET', 400), ('/api/jobs/..%2f..%2fetc%2fpasswd', 'GET', 404), ('/api/jobs/x.json', 'GET', 400),
                                 ('/api/diff/IBOV/2024-02-30/2024-07-15', 'GET', 400), ('/api/jobs/portfolio/export?to=all', 'GET', 400),
                                 ('/api/logs?text=%00', 'GET', 400), ('/api/logs?text=a%0ab', 'GET', 400), ('/../../etc/passwd', 'GET', 404),
                                 ('/api/../api/tables', 'GET', 404), ('/%2e%2e/%2e%2e/etc/passwd', 'GET', 404), ('/', 'PUT', 405), ('/assets/none.js', 'GET', 404)):
        got, headers, body = server.ask(path, method)
        assert got == status, (path, got, body)
        assert headers['Content-Type'] == 'application/json' and json.loads(body)['error']['text']
    assert server.ask('/api/tables', 'GET', body='x')[0] == 400


def test_who_is_answered(server):
    port = server.port
    routes = [(m.upper(), re.sub(r'\{(\w+)\}', 'x', path)) for path, operations in server.json('/api/openapi.json')['paths'].items() for m in operations]
    assert len(routes) > 30
    refused = [({'token': False}, 401), ({'token': False, 'Authorization': f'Bearer {"0" * 64}'}, 401), ({'token': False, 'Authorization': f'Basic {server.token}'}, 401),
               ({'token': False, 'Cookie': f'pregao_{port}={server.token[:-1]}'}, 401), ({'Host': 'evil.example'}, 403), ({'Host': f'127.0.0.1:{port}.evil.example'}, 403),
               ({'Host': f'127.0.0.1:{port + 1}'}, 403), ({'Host': '127.0.0.1'}, 403), ({'Host': f'evil127.0.0.1:{port}'}, 403),
               ({'Origin': 'http://evil.example'}, 403), ({'Origin': 'null'}, 403), ({'Origin': f'https://127.0.0.1:{port}'}, 403),
               ({'Sec-Fetch-Site': 'cross-site'}, 403), ({'Sec-Fetch-Site': 'same-site'}, 403)]
    runs = server.json('/api/runs')
    for method, path in routes:
        for how, status in refused:
            got, _, body = server.ask(path, method, body='SELECT 1' if path == '/api/sql' else None, **how)
            assert got == status, (method, path, how, got, body)
    assert server.json('/api/runs') == runs, 'nothing ran'
    # our own page is
    own = {'Host': f'localhost:{port}', 'Origin': f'http://localhost:{port}', 'Sec-Fetch-Site': 'same-origin'}
    assert server.ask('/api/tables', **own)[0] == 200
    assert server.ask('/api/tables', token=False, Cookie=f'pregao_{port}={server.token}')[0] == 200


def test_the_link_becomes_a_cookie(server):
    status, headers, _ = server.ask(f'/?token={server.token}', token=False)
    assert status == 303 and headers['Location'] == '/'
    cookie, *flags = headers['Set-Cookie'].split('; ')
    assert cookie == f'pregao_{server.port}={server.token}' and set(flags) == {'Path=/', 'HttpOnly', 'SameSite=Strict'}
    assert 'Set-Cookie' not in server.ask('/?token=' + '0' * 64, token=False)[1]
    for path in ('/api/tables', '/nothing'):
        headers = server.ask(path)[1]
        assert headers['X-Content-Type-Options'] == 'nosniff' and headers['X-Frame-Options'] == 'DENY' and headers['Cache-Control'] == 'no-store'
        assert "default-src 'self'" in headers['Content-Security-Policy'] and 'Access-Control-Allow-Origin' not in headers


def test_large_bodies(server):
    assert server.ask('/api/sql', 'POST', 'SELECT 1 --' + 'x' * 100000)[0] == 200
    status = None
    try:
        status = server.ask('/api/sql', 'POST', 'SELECT 1 --' + 'x' * 2000000)[0]
    except OSError:  # it closes before all of that is sent
        pass
    assert status in (413, None)
    # without a length
    with socket.create_connection(('127.0.0.1', server.port), timeout=20) as s:
        s.sendall(f'POST /api/sql HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n'
                  'Transfer-Encoding: chunked\r\n\r\n'.encode())
        try:
            for _ in range(64):
                s.sendall(b'10000\r\n' + b'x' * 65536 + b'\r\n')
        except OSError:
            pass
        try:
            assert b' 200 ' not in s.recv(100)
        except OSError:
            pass
    assert server.ask('/api/tables')[0] == 200


def until(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def test_a_client_that_leaves_cancels(server):
    helpers = len(server.children())
    with socket.create_connection(('127.0.0.1', server.port)) as s:
        body = b'SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b'
        s.sendall(f'POST /api/sql HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n'
                  f'Content-Length: {len(body)}\r\n\r\n'.encode() + body)
        assert until(lambda: len(server.children()) > helpers)
        # others are served meanwhile
        assert server.ask('/api/tables')[0] == 200
    assert until(lambda: len(server.children()) == helpers), 'the statement ends with the connection'


def test_many_at_once(server):
    def one(i):
        if i % 2:
            return server.json('/api/tables')[0]['table']
        return server.json('/api/sql', method='POST', body=f'SELECT {i} AS n')[0]['n']
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(one, range(80)))
    assert all(a == (i if i % 2 == 0 else 'raw.bitcoin_gaps') for i, a in enumerate(answers))


def test_only_here(pregao, server, tmp_path):
    lake = ('--lake', tmp_path / 'lake')
    assert 'in use' in pregao('serve', '--listen', f'127.0.0.1:{server.port}', *lake, expect=1).stderr
    assert 'no loopback address' in pregao('serve', '--listen', '0.0.0.0:0', *lake, expect=2).stderr
    for wrong in ('8391', 'localhost', '127.0.0.1:99999', '[::1', 'x:1'):
        assert 'expected an address and a port' in pregao('serve', '--listen', wrong, *lake, expect=2).stderr


def test_the_server_itself_can_do_nothing(server):
    """What the sandbox took away, as the kernel tells it."""
    status = pathlib.Path(f'/proc/{server.process.pid}/status').read_text()
    assert re.search(r'^Seccomp:\t2$', status, re.M) and re.search(r'^NoNewPrivs:\t1$', status, re.M)
    # the helper reads the lake for it: without the helper there is no answer, and no crash
    os.kill(server.children()[0], signal.SIGKILL)
    assert until(lambda: server.ask('/api/tables')[0] == 503)
    assert server.stop() == 0


def test_nothing_is_left_behind(pregao, tmp_path):
    s = Server(pregao, tmp_path / 'lake')
    below = s.children()
    assert below
    s.process.kill()
    s.process.wait()
    assert until(lambda: not any(pathlib.Path(f'/proc/{p}').exists() for p in below))
