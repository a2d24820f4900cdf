"""What strangers send: statements that want out of the lake, and requests made at random from the server's own description."""
import concurrent.futures
import json
import random
import urllib.parse

import pytest

import lake as look
from test_serve import Server

FILES = ['/etc/passwd', '/proc/self/environ', '{lake}/state/catalog.sqlite', '{out}/secret.csv', '{lake}/../out/secret.csv', '{lake}/raw/link.csv']
READERS = ['read_csv', 'read_csv_auto', 'read_text', 'read_blob', 'read_json', 'read_json_auto', 'read_ndjson', 'read_parquet', 'parquet_scan',
           'parquet_metadata', 'parquet_schema', 'parquet_file_metadata', 'parquet_kv_metadata', 'sniff_csv', 'glob']
EXTENSIONS = ['httpfs', 'sqlite_scanner', 'postgres_scanner', 'spatial', 'aws', 'excel']
SETTINGS = ['enable_external_access = true', 'lock_configuration = false', "temp_directory = '{out}'", "home_directory = '{out}'", "memory_limit = '100GB'",
            'threads = 64', "allowed_directories = ['/']", "allowed_paths = ['/etc/passwd']", 'allow_unsigned_extensions = true', "extension_directory = '{out}'",
            "custom_extension_repository = 'http://127.0.0.1:1'", "profiling_output = '{out}/p.json'", "log_query_path = '{out}/l.sql'",
            "secret_directory = '{out}'", "autoinstall_known_extensions = true"]
OTHERS = [
    'PRAGMA database_list', "PRAGMA enable_profiling = 'json'", "PRAGMA import_database('{out}')", 'PRAGMA show_tables', 'PRAGMA version', 'CALL pragma_version()',
    "CALL enable_logging()", 'CREATE TABLE t(a INT)', 'CREATE OR REPLACE VIEW raw.portfolio AS SELECT 1', 'CREATE SCHEMA s', 'CREATE MACRO f() AS 1', "CREATE TEMP TABLE t AS SELECT * FROM '/etc/passwd'",
    'CREATE SEQUENCE s', "CREATE SECRET s (TYPE s3)", 'DROP VIEW raw.portfolio', 'DROP SCHEMA raw CASCADE', 'INSERT INTO raw.portfolio VALUES (1)', 'UPDATE raw.portfolio SET part = 1',
    'DELETE FROM raw.portfolio', 'ALTER TABLE raw.portfolio ADD COLUMN x INT', 'TRUNCATE raw.portfolio', 'BEGIN', 'COMMIT', 'ROLLBACK', 'VACUUM', 'CHECKPOINT', 'FORCE CHECKPOINT', 'USE raw', 'ANALYZE',
    "EXPORT DATABASE '{out}/e'", "EXPORT DATABASE '{lake}/raw/e'", "IMPORT DATABASE '{out}'", "DETACH memory", 'SELECT 1; SELECT 2', "SELECT 1; COPY (SELECT 1) TO '{out}/x.csv'", "PREPARE p AS SELECT * FROM '/etc/passwd'",
    'EXECUTE p', "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}/x.csv'", "SUMMARIZE '/etc/passwd'", "DESCRIBE SELECT * FROM '/etc/passwd'", "SELECT getenv('HOME')", "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('/etc/passwd')", "SELECT * FROM duckdb_secrets()", "SELECT * FROM sqlite_scan('{lake}/state/catalog.sqlite', 'tables')", "SELECT * FROM read_csv('http://127.0.0.1:1/x')",
    "SELECT * FROM read_parquet('s3://bucket/x.parquet')", "SELECT * FROM json_execute_serialized_sql('{{}}')", "SELECT load_extension('x')", "LOAD '{out}/x.duckdb_extension'", '', ';', '--', '/*', "'", '\\x00', 'SELECT', 'é' * 5000, '(' * 5000,
]


def statements():
    for f in FILES:
        yield f"SELECT * FROM '{f}'"
        for r in READERS:
            yield f"SELECT * FROM {r}('{f}')"
        yield f"WITH x AS (SELECT * FROM read_text('{f}')) SELECT * FROM x"
        yield f"SELECT (SELECT content FROM read_text('{f}'))"
        yield f"SELECT 1 UNION ALL SELECT length(content) FROM read_blob('{f}')"
        yield f"SELECT * FROM raw.portfolio, LATERAL (SELECT * FROM read_text('{f}'))"
        yield f"ATTACH '{f}' AS a"
        yield f"ATTACH '{f}' AS a (TYPE sqlite)"
    for place in ('{out}/w', '{lake}/raw/w', '{lake}/state/w', '/tmp/pregao-hostile'):
        for form in ('csv', 'parquet', 'json'):
            yield f"COPY (SELECT 1 AS a) TO '{place}.{form}' (FORMAT {form})"
        yield f"COPY (SELECT 1 AS a, 2 AS b) TO '{place}' (FORMAT parquet, PARTITION_BY (a))"
        yield f"ATTACH '{place}.db'"
    for e in EXTENSIONS:
        yield from (f'INSTALL {e}', f'LOAD {e}', f'FORCE INSTALL {e} FROM community')
    for s in SETTINGS:
        yield from (f'SET {s}', f'SET GLOBAL {s}', f"RESET {s.split(' ')[0]}")
    yield from OTHERS


@pytest.fixture
def server(pregao, tmp_path):
    pregao('run', '--input', 'sample', '--lake', tmp_path / 'lake')
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/secret.csv').write_text('a\nnobody may read this\n')
    (tmp_path / 'lake/raw/link.csv').symlink_to(tmp_path / 'out/secret.csv')
    s = Server(pregao, tmp_path / 'lake')
    yield s
    assert s.stop() == 0


def test_hostile_statements(server, tmp_path):
    lake, out = tmp_path / 'lake', tmp_path / 'out'
    all_of_them = list(dict.fromkeys(s.format(lake=lake, out=out) for s in statements()))
    assert len(all_of_them) >= 200
    before, beside = look.digest(lake), sorted(p.name for p in tmp_path.rglob('*') if lake not in p.parents)

    def one(statement):
        status, _, body = server.ask('/api/sql', 'POST', statement.encode(), timeout=60)
        return statement, status, body
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, all_of_them))
    for statement, status, body in answers:
        assert status in (400, 403, 422), (statement, status, body[:500])
        assert b'root:' not in body and b'nobody may' not in body and b'PATH=' not in body, statement
    assert look.digest(lake) == before
    assert sorted(p.name for p in tmp_path.rglob('*') if lake not in p.parents) == beside
    # and others are answered as before
    assert server.json('/api/sql', method='POST', body='SELECT 1 AS one') == [{'one': 1}]


NASTY = ['', '0', '-1', '1', '99999999999999999999', 'true', 'null', '..', '../../etc/passwd', '%00', 'a b', 'é', '\u202e', "' OR 1=1 --", '--help', '-', '*', '{}', '[1]', 'raw.portfolio',
         'portfolio', 'IBOV', '2024-07-15', '2024-02-30', 'x' * 1024, 'x' * 1025, '5s', 'json', '\x7f', '\n']


def test_requests_at_random(server):
    """From the server's own description, by a seed: whatever is sent, it is refused or answered, and the server lives on."""
    rng = random.Random(7)
    description = server.json('/api/openapi.json')
    calls = []
    for path, methods in description['paths'].items():
        for method, what in methods.items():
            for _ in range(6):
                filled, query = path, {}
                for p in what.get('parameters', []):
                    value = rng.choice(NASTY + [p.get('example', '1')])
                    if p['in'] == 'path':
                        filled = filled.replace('{' + p['name'] + '}', urllib.parse.quote(str(value), safe=''))
                    elif rng.random() < 0.5:
                        query[p['name']] = value
                if rng.random() < 0.1:
                    query[rng.choice(['x', 'limit', 'token'])] = rng.choice(NASTY)
                body = rng.choice([None, b'', b'SELECT 1', b'{', b'\x00\xff', b'x' * 100_000]) if method == 'post' else None
                calls.append((filled + ('?' + urllib.parse.urlencode(query) if query else ''), method.upper(), body))

    def one(call):
        return call, server.ask(call[0], call[1], call[2], timeout=90)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for call, (status, headers, body) in pool.map(one, calls):
            assert 200 <= status < 500, (call, status, body[:500])
            if status >= 400:
                assert json.loads(body)['error']['text'], call
    assert server.json('/api/tables')
