"""The program as a function of AWS Lambda: a Runtime API and a Glue of the test's own, on this machine."""
import http.server
import json
import os
import queue
import subprocess
import threading

import pytest


class Aws:
    """The Runtime API, and Glue's StartJobRun. What Glue answers is `glue`'s next entry, or a run's id."""

    def __init__(self):
        self.events, self.told, self.runs, self.glue = queue.Queue(), queue.Queue(), [], []
        aws = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def log_message(self, *_):
                pass

            def say(self, status, body=b'{}', **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace('_', '-'), value)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                assert self.path == '/2018-06-01/runtime/invocation/next'
                event = aws.events.get()
                if event is None:
                    self.close_connection = True
                    return
                number, body = event
                self.say(200, body, Lambda_Runtime_Aws_Request_Id=f'request-{number}', Lambda_Runtime_Deadline_Ms='9999999999999')

            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                if self.path == '/':
                    assert self.headers['X-Amz-Target'] == 'AWSGlue.StartJobRun'
                    aws.runs.append(json.loads(body))
                    status, said = aws.glue.pop(0) if aws.glue else (200, {'JobRunId': f'jr_{"0" * 63}{len(aws.runs)}'})
                    return self.say(status, json.dumps(said).encode())
                aws.told.put((self.path.removeprefix('/2018-06-01/runtime/'), self.headers.get('Lambda-Runtime-Function-Error-Type'),
                              json.loads(body)))
                self.say(202)

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.address = f'127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.number = 0

    def start(self, handler='glue-activation', **env):
        base = {k: v for k, v in os.environ.items() if not k.startswith(('AWS_', 'PREGAO_'))}
        base.update(AWS_LAMBDA_RUNTIME_API=self.address, AWS_ENDPOINT_URL=f'http://{self.address}', AWS_REGION='us-east-1',
                    AWS_ACCESS_KEY_ID='k', AWS_SECRET_ACCESS_KEY='s', PREGAO_GLUE_JOB='pregao-portfolio', PREGAO_LAKE='s3://lake',
                    LC_ALL='C.UTF-8')
        base.update(env)
        self.process = subprocess.Popen([os.environ.get('PREGAO', 'build/pregao'), 'lambda', handler],
                                        env={k: v for k, v in base.items() if v is not None}, stderr=subprocess.PIPE, text=True)

    def invoke(self, event):
        self.number += 1
        self.events.put((self.number, event if isinstance(event, bytes) else json.dumps(event).encode()))
        path, kind, body = self.told.get(timeout=60)
        assert path.split('/')[:2] == ['invocation', f'request-{self.number}'], (path, body)
        return path.split('/')[2], kind, body


@pytest.fixture
def aws():
    a = Aws()
    yield a
    if getattr(a, 'process', None):
        a.events.put(None)
        a.process.kill()
        a.process.wait()
        a.process.stderr.close()
    a.server.shutdown()
    a.server.server_close()


def key(day, index='IBOV'):
    return f'raw/portfolio/data_pregao%3D{day}/index_code%3D{index}/0a1b.parquet'


def created(*keys, time='2024-07-16T01:30:00.000Z'):
    """S3's own event. At that time it is still the 15th in São Paulo."""
    return {'Records': [{'eventVersion': '2.1', 'eventSource': 'aws:s3', 'awsRegion': 'us-east-1', 'eventTime': time,
                         'eventName': 'ObjectCreated:Put', 's3': {'bucket': {'name': 'lake'}, 'object': {'key': k, 'size': 1}}} for k in keys]}


def queued(*bodies):
    return {'Records': [{'messageId': f'm{i}', 'eventSource': 'aws:sqs', 'body': b if isinstance(b, str) else json.dumps(b)}
                        for i, b in enumerate(bodies)]}


def scopes(run):
    return run['Arguments']['--partitions'].split(',')


def test_an_event_starts_the_job_for_its_partitions(aws):
    aws.start()
    assert aws.invoke(created(key('2024-07-15'), key('2024-07-15', 'SMLL'), key('2024-07-15')))[::2] == \
        ('response', {'started': 1, 'partitions': 2})
    assert aws.runs == [{'JobName': 'pregao-portfolio', 'Arguments': {
        '--as_of': '2024-07-15',
        '--partitions': 'data_pregao=2024-07-15/index_code=IBOV,data_pregao=2024-07-15/index_code=SMLL'}}]
    # what is none of the job's business
    for nothing in ({'Service': 'Amazon S3', 'Event': 's3:TestEvent'}, created('raw/portfolio_total/data_pregao%3D2024-07-15/index_code%3DIBOV/a.parquet'),
                    created('landing/x.csv'), {'Records': []}):
        assert aws.invoke(nothing)[2] == {'started': 0, 'partitions': 0}
    assert len(aws.runs) == 1


def test_a_queue_keeps_only_what_failed(aws):
    aws.start()
    kind, _, answer = aws.invoke(queued(created(key('2024-07-15')), 'no event', created(key('2024-07-16'))))
    assert (kind, answer) == ('response', {'batchItemFailures': [{'itemIdentifier': 'm1'}]})
    assert len(aws.runs) == 1
    assert scopes(aws.runs[0]) == ['data_pregao=2024-07-15/index_code=IBOV', 'data_pregao=2024-07-16/index_code=IBOV']
    assert aws.invoke(queued(created(key('2024-07-15'))))[2] == {'batchItemFailures': []}


def test_a_failure_is_told_as_one(aws):
    aws.start()
    aws.glue = [(400, {'__type': 'AccessDeniedException', 'Message': 'no'})]
    kind, error, body = aws.invoke(created(key('2024-07-15')))
    assert kind == 'error' and error == body['errorType'] and body['errorType'].startswith('pregao.')
    assert 'glue:StartJobRun' in body['errorMessage'] and 'pregao-portfolio' in body['errorMessage']
    for hostile in (b'', b'{', b'[]', b'{"Records":7}', b'\xff\xfe', b'[' * 100000, b'{"Records":[{"eventSource":"aws:sqs"}]}',
                    json.dumps(created('raw/portfolio/data_pregao%ZZ')).encode(), json.dumps(created(key('2024-07-15'), time='soon')).encode(),
                    json.dumps(created('raw/portfolio/data_pregao%3D2024-07-15/index_code%3DA%2CB/x.parquet')).encode()):
        kind, error, body = aws.invoke(hostile)
        assert kind == 'error' and body['errorMessage'], hostile
    # and the function lives on
    assert aws.invoke(created(key('2024-07-15')))[0] == 'response'


def test_throttled_is_tried_again_and_then_told(aws):
    aws.start()
    busy = (400, {'__type': 'ConcurrentRunsExceededException', 'Message': 'busy'})
    aws.glue = [busy]
    assert aws.invoke(created(key('2024-07-15')))[0] == 'response'
    assert len(aws.runs) == 2
    aws.glue = [busy] * 100
    kind, error, body = aws.invoke(created(key('2024-07-15')))
    assert kind == 'error' and 'ConcurrentRunsExceeded' in body['errorMessage']
    assert len(aws.runs) < 20


@pytest.mark.parametrize('env, word', [({'PREGAO_GLUE_JOB': None}, 'PREGAO_GLUE_JOB'), ({'PREGAO_GLUE_JOB': 'nothing'}, 'pregao-portfolio')])
def test_what_cannot_begin_says_so_to_the_runtime(aws, env, word):
    aws.start(**env)
    path, kind, body = aws.told.get(timeout=60)
    assert path == 'init/error' and word in body['errorMessage'] and kind == body['errorType']
    assert aws.process.wait(timeout=60) == 2
    assert word in aws.process.stderr.read()


INDICES = ['IBOV', 'SMLL']


@pytest.fixture
def b3():
    from b3_server import B3Server, make_portfolio
    with B3Server({i: make_portfolio(i) for i in INDICES}) as server:
        yield server


def evening(day):
    """As EventBridge's rule sends it: 19:30 in São Paulo."""
    return {'source': 'aws.events', 'detail-type': 'Scheduled Event', 'time': f'{day}T22:30:00Z', 'detail': {}}


def test_daily_bovespa_asks_until_the_session_is_there(aws, b3, pregao, tmp_path):
    lake = tmp_path / 'lake'
    aws.start('daily-bovespa', PREGAO_LAKE=str(lake), PREGAO_B3_URL=b3.url, PREGAO_INDICES=','.join(INDICES), HOME=str(tmp_path))
    # a Saturday; a holiday; a session that B3 does not show yet
    for day in ('2024-07-13', '2024-05-01'):
        assert aws.invoke(evening(day))[::2] == ('response', {'day': day, 'session': False, 'indices': {}})
    assert b3.count() == 0
    assert aws.invoke(evening('2024-07-16'))[2] == {'day': '2024-07-16', 'session': True, 'indices': dict.fromkeys(INDICES, 'not_published')}
    # what B3 showed is in the lake by then, as its own header dates it
    assert aws.invoke(evening('2024-07-15'))[2]['indices'] == dict.fromkeys(INDICES, 'there')
    assert aws.invoke(evening('2024-07-12'))[2]['indices'] == dict.fromkeys(INDICES, 'gone')
    asked = b3.count()
    assert aws.invoke(evening('2024-07-15'))[0] == 'response' and b3.count() == asked
    rows = json.loads(pregao('sql', 'SELECT index_code, count(*) AS n FROM raw.portfolio GROUP BY 1 ORDER BY 1', '--format', 'json',
                             '--lake', lake).stdout)
    assert [r['index_code'] for r in rows] == INDICES
    # the last evening hour in São Paulo is the next day in UTC
    assert aws.invoke({'time': '2024-07-16T02:59:59Z'})[2]['day'] == '2024-07-15'


def test_daily_bovespa_tells_a_failure_as_one(aws, b3, tmp_path):
    aws.start('daily-bovespa', PREGAO_LAKE=str(tmp_path / 'lake'), PREGAO_B3_URL=b3.url, PREGAO_INDICES='SMLL,IBOV', HOME=str(tmp_path))
    b3.misbehave('status', times=2, code=404, index='SMLL')
    kind, error, body = aws.invoke(evening('2024-07-15'))
    assert kind == 'error' and 'SMLL' in body['errorMessage'] and error.startswith('pregao.')
    # the other index was brought all the same, and the next try brings what is missing
    assert aws.invoke(evening('2024-07-15'))[2]['indices'] == {'IBOV': 'there', 'SMLL': 'fetched'}
    for wrong in ({'time': 'soon'}, {'time': 7}):
        assert 'time' in aws.invoke(wrong)[2]['errorMessage']


def test_the_runtime_goes_away(aws):
    aws.start()
    aws.invoke({'Records': []})
    for _ in range(2):  # a connection that is used again and cut is opened anew, once
        aws.events.put(None)
    assert aws.process.wait(timeout=60) == 1


def test_wrong_words(pregao):
    assert 'glue-activation' in pregao('lambda', 'nonsense', expect=2).stderr
    assert 'AWS_LAMBDA_RUNTIME_API' in pregao('lambda', 'glue-activation', expect=2).stderr
