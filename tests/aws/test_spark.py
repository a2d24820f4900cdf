"""What `job export --to spark` and `--to glue-script` write, run on Spark itself: rows equal those of `job run`, a second run
changes nothing, a failing check writes nothing. One Spark for the whole file: to start it takes ten seconds."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import types
import urllib.parse

import boto3
import pytest

duckdb = pytest.importorskip('duckdb')
pyspark_sql = pytest.importorskip('pyspark.sql', reason='pyspark is not there')

TOP = pathlib.Path(__file__).resolve().parents[2]
AS_OF = '2024-07-20'


def module_of(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


scenario = module_of(TOP / 'tests/scenario/conftest.py', 'scenario_conftest')


@pytest.fixture(scope='module')
def pregao(tmp_path_factory):
    home = tmp_path_factory.mktemp('home')
    return scenario.Program(os.path.abspath(os.environ.get('PREGAO', TOP / 'build/pregao')), home)


def export(pregao, job, form, folder):
    path = folder / f'{pathlib.Path(job).stem}_{form.replace("-", "_")}.py'
    pregao('job', 'export', job, '--to', form, '-o', path)
    return path


@pytest.fixture(scope='module')
def portfolios(pregao):
    """A lake with three sessions of two indices, and whatever was recorded."""
    made = pregao.home / 'made'
    subprocess.run([sys.executable, TOP / 'tests/fixtures/make_portfolio.py', '--index', 'IBOV,SMLL', '--from', '2024-07-15',
                    '--sessions', '3', '--output', made], check=True)
    recorded = pathlib.Path(os.environ.get('PREGAO_SHARED_DATA', TOP.parent / 'shared/data')) / 'portfolio'
    lake = pregao.home / 'lake'
    pregao('import', 'portfolio', made, '--lake', lake, '--as-of', AS_OF, '--quiet', expect=None)
    if recorded.is_dir():
        pregao('import', 'portfolio', recorded, '--lake', lake, '--as-of', AS_OF, '--quiet', expect=None)
    return lake


@pytest.fixture(scope='module')
def program(pregao, portfolios, tmp_path_factory):
    return module_of(export(pregao, 'portfolio', 'spark', tmp_path_factory.mktemp('program')), 'portfolio_spark')


@pytest.fixture(scope='module')
def spark(program):
    session = pyspark_sql.SparkSession.builder.master('local[2]').config('spark.ui.enabled', 'false')
    for name, value in {**program.SETTINGS, 'spark.sql.shuffle.partitions': '4', 'spark.driver.bindAddress': '127.0.0.1',
                        'spark.driver.host': '127.0.0.1'}.items():
        session = session.config(name, value)
    session = session.getOrCreate()
    session.sparkContext.setLogLevel('ERROR')
    yield session
    session.stop()


def rows(root, where='true'):
    """All rows below a folder, as text, so that a decimal is told by its digits."""
    there = duckdb.sql(f"SELECT * FROM read_parquet('{root}/**/*.parquet', hive_partitioning = true, hive_types_autocast = true) WHERE {where}")
    names = sorted(name for name in there.columns)
    texts = ', '.join(f"strftime({name} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f')" if 'TIME ZONE' in str(kind) else
                      f"strftime({name}, '%Y-%m-%d %H:%M:%S.%f')" if str(kind) == 'TIMESTAMP' else f'CAST({name} AS VARCHAR)'
                      for name, kind in sorted(zip(there.columns, there.types)))
    duckdb.sql("SET TimeZone = 'UTC'")
    return names, sorted(duckdb.sql(f'SELECT {texts} FROM there').fetchall(), key=str)


def files(root):
    return sorted((str(path.relative_to(root)), path.stat().st_mtime_ns) for path in pathlib.Path(root).rglob('*.parquet'))


def compute(program, spark, lake, out, scopes=()):
    run = program.Run(spark, {'raw': f'{lake}/raw', 'refined': str(out)}, program.date_of(AS_OF), scopes)
    program.nodes(run)
    return run.write()


def test_equals_job_run(program, spark, portfolios, tmp_path):
    done = compute(program, spark, portfolios, tmp_path)
    assert rows(tmp_path / 'portfolio') == rows(portfolios / 'refined/portfolio')
    assert len(rows(tmp_path / 'portfolio')[1]) >= 6 * 30
    assert [table for table, _, _ in done] == ['refined.portfolio']


def test_again_and_one_scope(program, spark, portfolios, tmp_path):
    compute(program, spark, portfolios, tmp_path)
    whole = rows(tmp_path / 'portfolio')
    # A stock that the session has no longer, and another session's partition that this run must leave alone.
    gone = tmp_path / 'portfolio/index_code=IBOV/pregao_date=2024-07-15/action=NO LONGER'
    kept = tmp_path / 'portfolio/index_code=IBOV/pregao_date=1999-01-04/action=OLD'
    some = next((tmp_path / 'portfolio/index_code=IBOV/pregao_date=2024-07-15').rglob('*.parquet'))
    for folder in (gone, kept):
        folder.mkdir(parents=True)
        (folder / 'part.parquet').write_bytes(some.read_bytes())
    before = dict(files(tmp_path))
    done = compute(program, spark, portfolios, tmp_path, ['index_code=IBOV/data_pregao=2024-07-15'])
    assert done[0][2] == [('IBOV', '2024-07-15', 'NO LONGER')] and not gone.exists()
    assert all(values[:2] == ('IBOV', '2024-07-15') for values in done[0][1])
    for name, time in files(tmp_path):
        if 'index_code=IBOV/pregao_date=2024-07-15' not in name:
            assert before[name] == time, f'{name} was written again'
    assert (kept / 'part.parquet').exists()
    assert rows(tmp_path / 'portfolio', "pregao_date <> DATE '1999-01-04'") == whole


def test_a_failing_check_writes_nothing(program, spark, pregao, portfolios, tmp_path):
    import pyarrow
    import pyarrow.parquet
    broken = tmp_path / 'lake'
    subprocess.run(['cp', '-r', portfolios, broken], check=True)
    path = next((broken / 'raw/portfolio/data_pregao=2024-07-16/index_code=SMLL').rglob('*.parquet'))
    table = pyarrow.parquet.ParquetFile(path).read()
    pyarrow.parquet.write_table(table.slice(1), path)
    with pytest.raises(program.CheckFailed, match='participation_whole'):
        compute(program, spark, broken, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_an_empty_table(program, spark, tmp_path):
    assert compute(program, spark, tmp_path, tmp_path / 'out') == [('refined.portfolio', [], [])]


def test_candles(spark, pregao, tmp_path):
    lake, lines = tmp_path / 'lake', []
    for number in range(3000):
        us = 1723161300_000_000 + number * 250_000  # passes midnight
        lines.append(f'{us * 1000} ' + json.dumps({'stream': 'btcusdt@trade', 'data': {
            'e': 'trade', 'E': us // 1000, 's': 'BTCUSDT', 't': number, 'p': f'{61000 + number * 37 % 991}.{number % 100:02d}000000',
            'q': f'0.{number * 7919 % 99999999 + 1:08d}', 'T': us // 1000, 'm': number % 2 == 0, 'M': True}}))
    recording = tmp_path / 'trades.ws'
    recording.write_text('\n'.join(lines) + '\n')
    pregao('stream', 'replay', recording, '--lake', lake, '--quiet')
    program = module_of(export(pregao, 'bitcoin_candles', 'spark', tmp_path), 'candles_spark')
    compute(program, spark, lake, tmp_path / 'out')
    assert rows(tmp_path / 'out/bitcoin_candles') == rows(lake / 'refined/bitcoin_candles')
    assert len(rows(tmp_path / 'out/bitcoin_candles')[1]) >= 16


def test_spark_reads_the_lake(spark, pregao, portfolios):
    there = spark.read.parquet(str(portfolios / 'refined/portfolio'))
    told = json.loads(pregao('sql', 'SELECT count(*) AS n, sum(theoretical_quantity) AS q FROM refined.portfolio', '--lake', portfolios,
                             '--format', 'json').stdout)
    told = told['rows'][0] if isinstance(told, dict) else told[0]
    assert there.count() == told['n']
    assert there.agg({'theoretical_quantity': 'sum'}).first()[0] == int(told['q'])


def test_alone(pregao, portfolios, tmp_path):
    path = export(pregao, 'portfolio', 'spark', tmp_path)
    command = [sys.executable, path, '--raw', portfolios / 'raw', '--refined', tmp_path / 'out', '--as-of', AS_OF,
               '--partition', 'index_code=SMLL/data_pregao=2024-07-17']
    env = {**os.environ, 'SPARK_LOCAL_IP': '127.0.0.1'}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stderr
    assert 'refined.portfolio: ' in done.stdout
    assert rows(tmp_path / 'out/portfolio') == rows(portfolios / 'refined/portfolio', "index_code = 'SMLL' AND pregao_date = DATE '2024-07-17'")


class Glue:
    """AWS's awsglue module is served by AWS alone; this stands for the three names that the script takes from it."""

    committed = []

    def __init__(self, spark):
        self.spark = spark

    def modules(self, monkeypatch):
        glue = self

        class GlueContext:
            def __init__(self, context):
                self.spark_session = glue.spark

        class Job:
            def __init__(self, context):
                pass

            def init(self, name, arguments):
                self.name = name

            def commit(self):
                glue.committed.append(self.name)

        def getResolvedOptions(argv, names):
            given = dict(zip(argv[1::2], argv[2::2]))
            return {name: given['--' + name] for name in names}

        for name, things in {'awsglue': {}, 'awsglue.context': {'GlueContext': GlueContext}, 'awsglue.job': {'Job': Job},
                             'awsglue.utils': {'getResolvedOptions': getResolvedOptions}}.items():
            module = types.ModuleType(name)
            vars(module).update(things)
            monkeypatch.setitem(sys.modules, name, module)


def test_glue_script(spark, pregao, portfolios, tmp_path, monkeypatch):
    moto = pytest.importorskip('moto')
    Glue(spark).modules(monkeypatch)
    for name, value in {'AWS_ACCESS_KEY_ID': 'x', 'AWS_SECRET_ACCESS_KEY': 'x', 'AWS_DEFAULT_REGION': 'sa-east-1'}.items():
        monkeypatch.setenv(name, value)
    path = export(pregao, 'portfolio', 'glue-script', tmp_path)
    arguments = ['glue', '--JOB_NAME', 'portfolio', '--raw', f'{portfolios}/raw', '--refined', str(tmp_path / 'out'), '--as_of', AS_OF,
                 '--partitions', 'index_code=IBOV/data_pregao=2024-07-15']
    monkeypatch.setattr(sys, 'argv', arguments)
    with moto.mock_aws():
        glue = boto3.client('glue')
        glue.create_database(DatabaseInput={'Name': 'pregao_refined'})
        glue.create_table(DatabaseName='pregao_refined', TableInput={
            'Name': 'portfolio', 'StorageDescriptor': {'Location': 's3://lake/refined/portfolio', 'Columns': [{'Name': 'tipo', 'Type': 'string'}]},
            'PartitionKeys': [{'Name': name, 'Type': 'string'} for name in ('index_code', 'pregao_date', 'action')]})
        stale = ['IBOV', '2024-07-15', 'NO LONGER']
        glue.batch_create_partition(DatabaseName='pregao_refined', TableName='portfolio', PartitionInputList=[
            {'Values': stale, 'StorageDescriptor': {'Location': 's3://lake/refined/portfolio/x'}}])
        (tmp_path / 'out/portfolio/index_code=IBOV/pregao_date=2024-07-15/action=NO LONGER').mkdir(parents=True)
        for _ in range(2):
            module_of(path, 'portfolio_glue')
        there = [tuple(p['Values']) for page in glue.get_paginator('get_partitions').paginate(
            DatabaseName='pregao_refined', TableName='portfolio') for p in page['Partitions']]
    wanted = {path.parent.relative_to(tmp_path / 'out/portfolio').parts for path in (tmp_path / 'out').rglob('*.parquet')}
    assert len(there) == len(set(there)) and set(there) == {
        tuple(urllib.parse.unquote(part.split('=', 1)[1]) for part in parts) for parts in wanted}
    assert tuple(stale) not in there
    assert Glue.committed == ['portfolio', 'portfolio']
    assert rows(tmp_path / 'out/portfolio') == rows(portfolios / 'refined/portfolio', "index_code = 'IBOV' AND pregao_date = DATE '2024-07-15'")


def test_no_text_for_spark(pregao, tmp_path):
    job = tmp_path / 'words.json'
    job.write_text(json.dumps({'job': 'words', 'trigger': 'raw.portfolio', 'nodes': [
        {'id': 'papers', 'type': 'source', 'table': 'raw.portfolio'},
        {'id': 'said', 'type': 'sql', 'inputs': ['papers'], 'text': {'duckdb': 'SELECT 1 AS n, index_code FROM "papers"'},
         'columns': [{'name': 'n', 'type': 'INTEGER'}, {'name': 'index_code', 'type': 'VARCHAR'}]},
        {'id': 'out', 'type': 'target', 'input': 'said', 'table': 'refined.words', 'columns': [{'name': 'n', 'type': 'INTEGER'}],
         'partition': [{'name': 'index_code', 'type': 'VARCHAR'}], 'scope': ['index_code']}]}))
    done = pregao('job', 'export', job, '--to', 'spark', expect=None)
    assert done.returncode != 0 and 'node said' in done.stderr and 'Spark' in done.stderr
