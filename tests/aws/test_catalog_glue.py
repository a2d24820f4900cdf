"""Glue's Data Catalog is told of what a lake in a bucket commits."""
import json
import pathlib

import boto3
import pytest

from test_lake import TOP, World

TABLES = json.loads((TOP / 'infra/modules/glue/tables.json').read_text())


@pytest.fixture
def world(moto, tmp_path):
    w = World(moto, tmp_path)
    w.glue = boto3.client('glue', endpoint_url=moto, region_name='us-east-1', aws_access_key_id='testkey', aws_secret_access_key='testsecret')
    w.databases = f'{w.bucket}_'.replace('-', '_')
    w.env = {'AWS_ENDPOINT_URL': moto, 'PREGAO_GLUE_DATABASE_PREFIX': w.databases}
    return w


def put_tables(world):
    """As the stack makes them."""
    for database in ('raw', 'refined'):
        world.glue.create_database(DatabaseInput={'Name': world.databases + database})
    for full, table in TABLES.items():
        database, name = full.split('.')
        world.glue.create_table(DatabaseName=world.databases + database, TableInput={
            'Name': name, 'TableType': 'EXTERNAL_TABLE',
            'PartitionKeys': [{'Name': c['name'], 'Type': c['type']} for c in table['partition']],
            'StorageDescriptor': {
                'Columns': [{'Name': c['name'], 'Type': c['type']} for c in table['columns']],
                'Location': f's3://{world.bucket}/a lake/β/{table["location"]}',
                'InputFormat': 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
                'SerdeInfo': {'SerializationLibrary': 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'}}})


def partitions(world, full):
    database, name = full.split('.')
    pages = world.glue.get_paginator('get_partitions').paginate(DatabaseName=world.databases + database, TableName=name)
    return {tuple(p['Values']): p for page in pages for p in page['Partitions']}


def test_partitions_are_told_and_point_at_their_objects(world):
    put_tables(world)
    world('run', '--input', 'sample', '--as-of', '2026-01-01', **world.env)
    told = partitions(world, 'refined.portfolio')
    rows = json.loads(world('sql', 'SELECT DISTINCT index_code, pregao_date::TEXT AS d, action FROM refined.portfolio', '--format', 'json').stdout)
    assert set(told) == {(r['index_code'], r['d'], r['action']) for r in rows} and len(told) > 50
    keys = world.keys()
    for partition in told.values():
        place = partition['StorageDescriptor']['Location'].removeprefix(f's3://{world.bucket}/')
        assert any(k.startswith(place + '/') and k.endswith('.parquet') for k in keys), place
        assert [c['Name'] for c in partition['StorageDescriptor']['Columns']] == [c['name'] for c in TABLES['refined.portfolio']['columns']]
    (session, index), = partitions(world, 'raw.portfolio')
    assert (session, index) == (rows[0]['d'], rows[0]['index_code'])
    # again: what Glue has already is no error
    world('run', '--input', 'sample', '--as-of', '2026-01-02', **world.env)
    assert set(partitions(world, 'refined.portfolio')) == set(told)


def test_a_partition_that_left_is_taken_away(world, tmp_path):
    import sys
    sys.path.insert(0, str(TOP / 'tests/fixtures'))
    from make_portfolio import make_portfolio
    put_tables(world)
    for name, seed in (('one', 1), ('two', 2)):
        (tmp_path / f'{name}.csv').write_bytes(make_portfolio('SMLL', stocks=20, seed=seed).csv())
        world('run', '--index', 'SMLL', '--input', str(tmp_path / f'{name}.csv'), **world.env)
        rows = json.loads(world('sql', 'SELECT DISTINCT action FROM refined.portfolio', '--format', 'json').stdout)
        assert {k[2] for k in partitions(world, 'refined.portfolio')} == {r['action'] for r in rows}


def test_without_glues_tables_nothing_is_committed(world):
    said = world('run', '--input', 'sample', '--as-of', '2026-01-01', expect=1, **world.env).stderr
    assert 'glue:GetTable' in said and world.databases + 'raw.portfolio' in said
    assert world('sql', 'SELECT count(*) AS n FROM raw.portfolio', '--format', 'csv').stdout.split() == ['n', '0']
    put_tables(world)
    world('run', '--input', 'sample', '--as-of', '2026-01-01', **world.env)
    assert partitions(world, 'raw.portfolio')
    world('doctor', '--all')
