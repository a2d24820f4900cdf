#!/usr/bin/env python3
"""How long a function of AWS Lambda takes to be ready: from the start of its process until it asks the Runtime API for the first
event, and until that event is handled. Beside it, what a function in Python pays before its first line: importing boto3, and pandas,
as the original's do both.

usage: cold_start.py [--pregao PROGRAM] [--python PYTHON] [--rounds N]      PYTHON has boto3 and pandas; default: build/venv-aws for the one, build/venv for the other
"""
import argparse
import http.server
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
EVENT = json.dumps({'Records': [{'eventSource': 'aws:s3', 'eventTime': '2024-07-16T01:30:00.000Z', 'eventName': 'ObjectCreated:Put', 's3': {
    'bucket': {'name': 'lake'}, 'object': {'key': 'raw/portfolio/data_pregao%3D2024-07-15/index_code%3DIBOV/x.parquet', 'size': 1}}}]}).encode()


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A function that is killed cuts its connections."""


class Runtime(http.server.BaseHTTPRequestHandler):
    """Gives one event, and is a Glue that starts every run."""
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def say(self, status, body=b'{}'):
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.send_header('Lambda-Runtime-Aws-Request-Id', '1')
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        now = time.monotonic()
        if self.server.handled:
            self.server.over.wait(30)
            self.close_connection = True
            return
        self.server.ready = self.server.ready or now
        self.say(200, EVENT)

    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        if self.path == '/':
            return self.say(200, b'{"JobRunId":"jr_1"}')
        self.server.handled, self.server.how = time.monotonic(), self.path
        self.say(202)
        self.server.answered.set()


def one_start(program, handler, folder):
    server = Server(('127.0.0.1', 0), Runtime)
    server.ready = server.handled = None
    server.answered, server.over = threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f'127.0.0.1:{server.server_port}'
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(('AWS_', 'PREGAO_'))}, 'AWS_LAMBDA_RUNTIME_API': address,
           'AWS_ENDPOINT_URL': f'http://{address}', 'AWS_REGION': 'us-east-1', 'AWS_ACCESS_KEY_ID': 'k', 'AWS_SECRET_ACCESS_KEY': 's',
           'PREGAO_GLUE_JOB': 'pregao-portfolio', 'PREGAO_LAKE': str(folder / 'lake')}
    began = time.monotonic()
    process = subprocess.Popen([program, 'lambda', handler], env=env, stderr=subprocess.DEVNULL)
    answered = server.answered.wait(30)
    server.over.set()
    process.kill()
    process.wait()
    server.shutdown()
    server.server_close()
    assert answered and server.how.endswith('/response'), f'{handler} did not handle its event'
    return 1000 * (server.ready - began), 1000 * (server.handled - began)


def imports(python, words):
    began = time.monotonic()
    done = subprocess.run([python, '-c', f'import {words}'], capture_output=True)
    return 1000 * (time.monotonic() - began) if done.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--pregao', default=str(TOP / 'build/pregao'))
    parser.add_argument('--python')
    parser.add_argument('--rounds', type=int, default=9)
    options = parser.parse_args()
    pythons = [options.python] if options.python else [p for p in (TOP / 'build/venv-aws/bin/python', TOP / 'build/venv/bin/python') if p.exists()]
    rows = {'glue-activation, ready': [], 'glue-activation, first event handled': []}
    peers = [(str(p), w) for w in ('boto3', 'pandas') for p in pythons if imports(str(p), w) is not None]
    peers = [next(p for p in peers if p[1] == w) for w in dict.fromkeys(w for _, w in peers)]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            ready, handled = one_start(options.pregao, 'glue-activation', pathlib.Path(folder))
            rows['glue-activation, ready'].append(ready)
            rows['glue-activation, first event handled'].append(handled)
            for python, words in peers:
                rows.setdefault(f'Python: import {words}', []).append(imports(python, words))
    base = statistics.median(rows['glue-activation, ready'])
    print(f'{"cold start, median of " + str(options.rounds):40} {"ms":>8} {"ratio":>8}')
    for name, times in rows.items():
        print(f'{name:40} {statistics.median(times):8.1f} {statistics.median(times) / base:8.1f}')
    for words in ('boto3', 'pandas'):
        if f'Python: import {words}' not in rows:
            print(f'not measured: no Python here can import {words} (--python names one)')


main()
