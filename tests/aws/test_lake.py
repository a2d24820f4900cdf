"""A lake in a bucket, with the embedded engines: the commands answer what they answer on a lake in a folder."""
import os
import pathlib
import shutil
import subprocess
import time
import uuid

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get('PREGAO', str(TOP / 'build/pregao'))


class World:
    """The program with a home of its own, and a bucket."""

    def __init__(self, url, folder):
        import boto3
        self.url, self.folder, self.bucket = url, folder, 'lake-' + uuid.uuid4().hex[:12]
        self.s3 = boto3.client('s3', endpoint_url=url, region_name='us-east-1', aws_access_key_id='testkey',
                               aws_secret_access_key='testsecret')
        self.s3.create_bucket(Bucket=self.bucket)

    def __call__(self, *words, home='home', lake='', expect=0, **env):
        base = {k: v for k, v in os.environ.items() if not k.startswith(('AWS_', 'PREGAO_', 'XDG_'))}
        base.update(HOME=str(self.folder / home), AWS_ACCESS_KEY_ID='testkey', AWS_SECRET_ACCESS_KEY='testsecret',
                    AWS_REGION='us-east-1', AWS_ENDPOINT_URL_S3=self.url, LC_ALL='C.UTF-8', AWS_EC2_METADATA_DISABLED='true')
        base.update(env)
        (self.folder / home).mkdir(exist_ok=True)
        lake = lake or f's3://{self.bucket}/a lake/β'
        done = subprocess.run([PROGRAM, *words, '--lake', lake], env={k: v for k, v in base.items() if v is not None},
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    def keys(self):
        pages = self.s3.get_paginator('list_objects_v2').paginate(Bucket=self.bucket)
        return sorted(o['Key'] for page in pages for o in page.get('Contents', []))


@pytest.fixture(params=['versitygw', 'moto'])
def world(request, tmp_path):
    return World(request.getfixturevalue(request.param), tmp_path)


QUESTIONS = ['SELECT * FROM refined.portfolio ORDER BY ALL', 'SELECT * FROM raw.portfolio ORDER BY ALL',
             'SELECT * FROM raw.portfolio_total ORDER BY ALL',
             "SELECT sum(theoretical_quantity), count(*) FROM refined.portfolio WHERE action = 'PETROBRAS'"]


def answers(world, lake=''):
    return [world('sql', q, '--format', 'json', lake=lake).stdout for q in QUESTIONS]


def test_a_pass_is_the_same_in_a_bucket(world, tmp_path):
    folder = str(tmp_path / 'lake')
    words = ['run', '--input', 'sample', '--as-of', '2026-01-01']
    world(*words)
    world(*words, lake=folder)
    assert answers(world) == answers(world, folder)
    keys = [k.removeprefix('a lake/β/') for k in world.keys()]
    assert all(k.split('/')[0] in ('landing', 'raw', 'refined', 'compact', 'catalog') for k in keys)
    published = {str(p.relative_to(folder)) for top in ('raw', 'refined') for p in (pathlib.Path(folder) / top).rglob('*.parquet')}
    assert published == {k for k in keys if k.startswith(('raw/', 'refined/'))}
    for command in (['tables'], ['partitions', 'refined.portfolio'], ['runs'], ['doctor', '--all']):
        world(*command)


def test_again_changes_nothing_and_asks_for_nothing_twice(world):
    words = ['run', '--input', 'sample', '--as-of', '2026-01-01']
    world(*words)
    before = world.keys()
    first = world('sql', QUESTIONS[0], '--format', 'csv').stdout
    copies = sorted((world.folder / 'home/.local/state/pregao/s3').rglob('cache/**/*.parquet'))
    assert copies
    times = [p.stat().st_ino for p in copies]
    assert world('sql', QUESTIONS[0], '--format', 'csv').stdout == first
    assert [p.stat().st_ino for p in copies] == times
    world(*words)
    data = [k for k in world.keys() if '/catalog/' not in k]
    assert data == [k for k in before if '/catalog/' not in k]
    settled = world.keys()
    world(*words)
    assert world.keys() == settled


def test_only_the_partitions_that_a_statement_needs_are_fetched(world):
    world('run', '--input', 'sample', '--as-of', '2026-01-01')
    for cache in (world.folder / 'home/.local/state/pregao/s3').rglob('cache'):
        shutil.rmtree(cache)
    said = world('sql', "SELECT * FROM raw.portfolio WHERE index_code = 'NONE'", '--verbose').stderr
    assert '; 0 of ' in said
    assert not list((world.folder / 'home/.local/state/pregao/s3').rglob('cache/**/raw/portfolio/**/*.parquet'))


def test_copies_have_a_ceiling(world):
    world('run', '--input', 'sample', '--as-of', '2026-01-01')
    world('sql', QUESTIONS[1])
    store = world.folder / 'home/.local/state/pregao/s3'
    cache = next(store.rglob('cache'))
    large = cache / 'f' / 'old.parquet'
    large.parent.mkdir()
    large.write_bytes(b'x' * (2 << 20))
    os.utime(large, (time.time() - 7200,) * 2)
    kept = [p for p in cache.rglob('*.parquet') if p != large]
    settings = world.folder / 'settings.ini'
    settings.write_text('[lake]\ncache = 1MiB\n')
    world('tables', '--config', str(settings))
    assert not large.parent.exists()
    assert kept and all(p.exists() for p in kept)


def test_refusals_name_the_call_and_the_resource(world):
    world('run', '--input', 'sample', '--as-of', '2026-01-01')
    none = world('sql', QUESTIONS[1], home='other', AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, expect=1).stderr
    assert 'credentials' in none
    other = world('run', '--input', 'sample', lake='s3://somebody-elses-bucket-1/x', expect=1).stderr
    assert 'somebody-elses-bucket-1' in other and 's3:' in other
    for wrong in ('s3://', 's3://UPPER/x', 's3://ab', 's3://bucket/a//b', 's3://bucket/../b'):
        assert 's3://' in world('tables', lake=wrong, expect=2).stderr
    assert 'folder' in world('up', expect=2).stderr


def test_another_machine_has_the_same_lake(world):
    assert 'no lake' in world('tables', home='another').stderr
    world('run', '--input', 'sample', '--as-of', '2026-01-01')
    here = answers(world)
    there = [world('sql', q, '--format', 'json', home='another').stdout for q in QUESTIONS]
    assert here == there
    assert 'refined.portfolio' in world('tables', home='another').stdout
    # it goes on where the first one was, and the first one sees it
    again = world('run', '--input', 'sample', '--as-of', '2026-01-02', home='another')
    world('doctor', '--all', home='third')
    asof = "SELECT DISTINCT as_of FROM refined.portfolio"
    assert '2026-01-02' in world('sql', asof, '--format', 'csv').stdout, again.stdout
    assert not [k for k in world.keys() if k.endswith('.lock')]


def test_without_the_catalogs_objects_it_is_said(world):
    world('run', '--input', 'sample', '--as-of', '2026-01-01')
    for key in world.keys():
        if '/catalog/' in key:
            world.s3.delete_object(Bucket=world.bucket, Key=key)
    assert 'no catalog' in world('tables', home='another').stderr


def test_two_machines_at_once(world, tmp_path):
    """Each imports other sessions into the same table: nothing of either is lost."""
    import sys
    sys.path.insert(0, str(TOP / 'tests/fixtures'))
    from make_portfolio import INDICES, make_portfolio
    indices = list(INDICES)[:4]
    for index in indices:
        (tmp_path / f'{index}.csv').write_bytes(make_portfolio(index).csv())
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: world('import', 'portfolio', '--index', i, str(tmp_path / f'{i}.csv'), home=f'home-{i}'), indices))
    count = "SELECT string_agg(DISTINCT index_code, ' ' ORDER BY index_code) AS all_of_them FROM raw.portfolio"
    assert ' '.join(sorted(indices)) in world('sql', count, '--format', 'csv', home='reader').stdout
    world('doctor', '--all', home='reader')


def test_hostile_statements_reach_no_network_and_no_file(world):
    world('run', '--input', 'sample', '--as-of', '2026-01-01')
    home = world.folder / 'home'
    (home / 'secret.csv').write_text('secret\n1\n')
    for statement in (f"SELECT * FROM '{home}/secret.csv'", f"SELECT * FROM read_csv('{world.url}/x.csv')",
                      f"COPY (SELECT 1) TO '{home}/out.csv'", "SELECT * FROM glob('/etc/*')"):
        assert 'secret' not in world('sql', statement, expect=1).stdout
    assert not (home / 'out.csv').exists()
