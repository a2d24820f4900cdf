"""The object store's contract, unchanged, on S3 servers; and again through a network that fails at every turn."""
import collections
import http.client
import http.server
import os
import re
import subprocess
import threading
from urllib.parse import urlsplit

import pytest

# versitygw is a server over folders: it takes the folders that it just made for objects when a put and a delete race.
KNOWN = {'versitygw': {'putting_where_others_delete_never_fails'}}


def run_contract(program, url, only=None):
    """The cases of the S3 driver that passed and that failed, and all that was printed."""
    env = {k: v for k, v in os.environ.items() if not k.startswith('AWS_')}
    env.update(AWS_ACCESS_KEY_ID='testkey', AWS_SECRET_ACCESS_KEY='testsecret', AWS_REGION='us-east-1', AWS_ENDPOINT_URL_S3=url,
               PREGAO_TEST_S3='1', CMOCKA_MESSAGE_OUTPUT='TAP')
    done = subprocess.run([program, *([only] if only else [])], env=env, capture_output=True, text=True, timeout=400)
    said = (done.stdout + done.stderr).rpartition('# ok - object_store_fs')[2]
    cases = re.findall(r'^(ok|not ok) \d+ (?:- )?(\w+)', said, re.M)
    assert cases, done.stdout + done.stderr
    assert 'Sanitizer' not in done.stderr and done.returncode != 99, done.stderr
    return {n for v, n in cases if v == 'ok'}, {n for v, n in cases if v != 'ok'}, said


@pytest.mark.parametrize('server', ['versitygw', 'moto'])
def test_the_contract_on(server, built, request):
    passed, failed, said = run_contract(built('contract_object_store'), request.getfixturevalue(server))
    assert failed <= KNOWN.get(server, set()), said
    assert len(passed) >= 20


class Fault(http.server.BaseHTTPRequestHandler):
    """Passes requests on to a real server, and makes every fourth go wrong in one of these ways, in turn."""
    protocol_version = 'HTTP/1.1'
    WAYS = ('500', 'slow_down', 'cut_before', 'cut_after', 'cut_inside', 'error_in_200')
    target = None
    lock = threading.Lock()
    seen = 0
    done = collections.Counter()

    def log_message(self, *_):
        pass

    def next_way(self):
        with Fault.lock:
            Fault.seen += 1
            if Fault.seen % 4:
                return None
            way = self.WAYS[Fault.seen // 4 % len(self.WAYS)]
            if way == 'error_in_200' and 'x-amz-copy-source' not in self.headers:
                way = 'cut_after'
            Fault.done[way] += 1
            return way

    def answer(self, status, body, headers=()):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def cut(self):
        self.close_connection = True

    def serve(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        way = self.next_way()
        if way == '500':
            return self.answer(500, b'<Error><Code>InternalError</Code></Error>')
        if way == 'slow_down':
            return self.answer(503, b'<Error><Code>SlowDown</Code></Error>', [('Retry-After', '0')])
        if way == 'error_in_200':
            return self.answer(200, b'<?xml version="1.0"?>\n<Error><Code>InternalError</Code></Error>')
        if way == 'cut_before':
            return self.cut()
        upstream = http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body)
        got = upstream.getresponse()
        content = got.read()
        upstream.close()
        if way == 'cut_after':  # it was done, and nobody hears of it
            return self.cut()
        self.send_response_only(got.status)
        for name, value in got.getheaders():
            if name.lower() not in ('content-length', 'transfer-encoding', 'connection'):
                self.send_header(name, value)
        self.send_header('Content-Length', got.getheader('Content-Length', '0') if self.command == 'HEAD' else str(len(content)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(content[:len(content) // 2] if way == 'cut_inside' else content)
        if way == 'cut_inside':
            self.cut()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = serve


@pytest.fixture
def faulty(versitygw):
    """The URL of a way to versitygw on which every fourth request goes wrong."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Fault)
    server.daemon_threads = True
    # The host is signed, and versitygw believes what it is told.
    Fault.target, Fault.seen = versitygw, 0
    Fault.done.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize('case', [
    'put_then_get_and_head', 'overwriting_*', 'ranges_and_ceilings', 'large_objects_*', 'objects_of_many_parts_*', 'listing_by_*',
    'if_absent_*', 'put_takes_local_files', 'localise_*', 'deleting_and_copying_*', 'readers_see_*'])
def test_nothing_is_lost_or_doubled_where_every_fourth_request_fails(case, built, faulty):
    passed, failed, said = run_contract(built('contract_object_store'), faulty, only=case)
    assert passed and not failed, said
    assert sum(Fault.done.values()) > 0
