"""The functions within AWS's own Runtime Interface Emulator; S3 and Glue are the emulator's of conftest.py."""
import http.client
import json
import os
import pathlib
import subprocess
import sys

import boto3
import pytest

from conftest import TOP, free_port, started
from test_catalog_glue import partitions, put_tables
from test_lake import PROGRAM, World

sys.path += [str(TOP / 'tests/scenario'), str(TOP / 'tests/fixtures')]
RIE = TOP / 'build/deps/aws/aws-lambda-rie'

pytestmark = pytest.mark.skipif(not RIE.exists(), reason="AWS's Runtime Interface Emulator is not there: scripts/setup test-aws fetches it")


class Function:
    def __init__(self, handler, folder, **env):
        self.port, api = free_port(), free_port()
        bootstrap = folder / 'bootstrap'
        bootstrap.write_text(f'#!/bin/sh\nexec {PROGRAM} lambda {handler}\n')
        bootstrap.chmod(0o755)
        for name in [n for n in os.environ if n.startswith(('AWS_', 'PREGAO_'))]:
            env.setdefault(name, '')
        self.process = started([RIE, '--runtime-interface-emulator-address', f'127.0.0.1:{self.port}', '--runtime-api-address', f'127.0.0.1:{api}', bootstrap],
                               self.port, folder / 'rie.log', AWS_ACCESS_KEY_ID='testkey', AWS_SECRET_ACCESS_KEY='testsecret', AWS_REGION='us-east-1',
                               HOME=str(folder), LC_ALL='C.UTF-8', **{k: v for k, v in env.items() if v})

    def invoke(self, event):
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=120)
        c.request('POST', '/2015-03-31/functions/function/invocations', json.dumps(event))
        body = c.getresponse().read()
        c.close()
        return json.loads(body)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)


@pytest.fixture
def world(moto, tmp_path):
    w = World(moto, tmp_path)
    w.glue = boto3.client('glue', endpoint_url=moto, region_name='us-east-1', aws_access_key_id='testkey', aws_secret_access_key='testsecret')
    w.databases = f'{w.bucket}_'.replace('-', '_')
    return w


@pytest.fixture
def function(tmp_path):
    running = []

    def start(handler, **env):
        running.append(Function(handler, tmp_path, **env))
        return running[-1]
    yield start
    for f in running:
        f.stop()


def test_from_the_exchange_to_a_started_job(world, function, tmp_path):
    """The scraper's function writes raw and tells Glue; for the object that it made, the activator's starts the job."""
    from b3_server import B3Server, make_portfolio
    put_tables(world)
    job = f'{world.bucket}-portfolio'
    world.glue.create_job(Name=job, Role='r', Command={'Name': 'glueetl', 'ScriptLocation': 's3://x/y.py'})
    with B3Server({'IBOV': make_portfolio('IBOV')}) as b3:
        scraper = function('daily-bovespa', AWS_ENDPOINT_URL=world.url, PREGAO_LAKE=f's3://{world.bucket}/a lake/β', PREGAO_B3_URL=b3.url,
                           PREGAO_GLUE_DATABASE_PREFIX=world.databases, XDG_STATE_HOME=str(tmp_path / 'tmp'))
        said = scraper.invoke({'source': 'aws.events', 'time': '2024-07-15T22:30:00Z'})
        assert said == {'day': '2024-07-15', 'session': True, 'indices': {'IBOV': 'fetched'}}
        assert scraper.invoke({'time': '2024-07-15T22:40:00Z'})['indices'] == {'IBOV': 'there'}
    (key,) = [k for k in world.keys() if '/raw/portfolio/' in k]
    assert set(partitions(world, 'raw.portfolio')) == {('2024-07-15', 'IBOV')}
    # another machine reads what the function wrote
    assert '85' in world('sql', 'SELECT count(*) FROM raw.portfolio', '--format', 'csv', home='reader').stdout
    activator = function('glue-activation', AWS_ENDPOINT_URL=world.url, PREGAO_LAKE=f's3://{world.bucket}', PREGAO_GLUE_JOB=job)
    import urllib.parse
    event = {'Records': [{'eventSource': 'aws:s3', 'eventTime': '2024-07-15T22:30:01.000Z', 'eventName': 'ObjectCreated:Put', 's3': {
        'bucket': {'name': world.bucket}, 'object': {'key': urllib.parse.quote_plus(key.removeprefix('a lake/β/'), safe='/')}}}]}
    assert activator.invoke(event) == {'partitions': 1, 'started': 1}
    (run,) = world.glue.get_job_runs(JobName=job)['JobRuns']
    assert run['Arguments'] == {'--as_of': '2024-07-15', '--partitions': 'data_pregao=2024-07-15/index_code=IBOV'}
    assert 'errorMessage' in activator.invoke({'Records': [{'eventSource': 'aws:s3', 'eventName': 'ObjectCreated:Put'}]})


def test_a_role_that_may_not_write_says_so(world, function, tmp_path):
    from b3_server import B3Server, make_portfolio
    with B3Server({'IBOV': make_portfolio('IBOV')}) as b3:
        scraper = function('daily-bovespa', AWS_ENDPOINT_URL=world.url, PREGAO_LAKE='s3://nobody-has-this-bucket/x', PREGAO_B3_URL=b3.url,
                           XDG_STATE_HOME=str(tmp_path / 'tmp'))
        said = scraper.invoke({'time': '2024-07-15T22:30:00Z'})
    assert 'nobody-has-this-bucket' in json.dumps(said)
