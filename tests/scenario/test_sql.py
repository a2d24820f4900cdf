"""pregao sql: formats, pruning, and what a statement may not do."""
import csv
import ctypes
import io
import json
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

import lake as look

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'fixtures'))
import make_portfolio  # noqa: E402


@pytest.fixture
def lake(pregao, tmp_path):
    folder = tmp_path / 'in'
    folder.mkdir()
    for n, day in enumerate(make_portfolio.sessions_from(make_portfolio.datetime.date(2024, 7, 15), 3)):
        for index in ('IBOV', 'SMLL'):
            p = make_portfolio.make_portfolio(index=index, session=day, stocks=10, seed=n)
            (folder / f'{index}-{day}.csv').write_bytes(p.csv(sectors=index == 'SMLL'))
    pregao('import', 'portfolio', folder, '--lake', tmp_path / 'lake')
    return tmp_path / 'lake'


def test_formats(pregao, lake):
    statement = "SELECT ticker, theoretical_quantity, participation, pregao_date, CAST(NULL AS VARCHAR) AS nothing FROM refined.portfolio " \
                "WHERE index_code = 'IBOV' AND pregao_date = DATE '2024-07-15' ORDER BY ticker LIMIT 3"
    text = pregao('sql', statement, '--lake', lake, '--format', 'json').stdout
    rows = json.loads(text, parse_float=str)
    assert len(rows) == 3 and isinstance(rows[0]['theoretical_quantity'], int) and rows[0]['nothing'] is None
    assert len(rows[0]['participation'].split('.')[1]) == 3, 'decimals keep their digits'
    table = list(csv.DictReader(io.StringIO(pregao('sql', statement, '--lake', lake, '--format', 'csv').stdout)))
    assert [r['ticker'] for r in table] == [r['ticker'] for r in rows] and table[0]['participation'] == rows[0]['participation']
    assert rows[0]['ticker'] in pregao('sql', statement, '--lake', lake).stdout


def test_output_files(pregao, lake, tmp_path):
    import pyarrow.parquet
    statement = 'SELECT * FROM refined.portfolio'
    pregao('sql', statement, '--lake', lake, '-o', tmp_path / 'out.parquet')
    table = pyarrow.parquet.read_table(tmp_path / 'out.parquet')
    assert table.num_rows == look.sql(pregao, lake, 'SELECT count(*) AS n FROM refined.portfolio')[0]['n']
    assert str(table.schema.field('theoretical_quantity').type) == 'int64' and str(table.schema.field('participation').type) == 'decimal128(9, 3)'
    pregao('sql', statement, '--lake', lake, '--format', 'csv', '-o', tmp_path / 'out.csv')
    assert len((tmp_path / 'out.csv').read_text().splitlines()) == table.num_rows + 1
    pregao('sql', 'SELECT nonsense', '--lake', lake, '--format', 'csv', '-o', tmp_path / 'bad.csv', expect=1)
    assert not (tmp_path / 'bad.csv').exists() and not list(tmp_path.glob('*.csv.*')) and not list(tmp_path.glob('*.parquet.*'))
    piped = pregao('sql', statement, '--lake', lake, '--format', 'parquet', text=False).stdout
    assert pyarrow.parquet.read_table(io.BytesIO(piped)).num_rows == table.num_rows


def test_only_sql_gives_parquet(pregao, lake):
    assert 'parquet' in pregao('tables', '--lake', lake, '--format', 'parquet', expect=2).stderr


@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM', 'SIGHUP'])
@pytest.mark.parametrize('to', ['stdout', 'file', 'parquet'])
def test_an_interrupted_statement_leaves_nothing_behind(pregao, lake, tmp_path, name, to):
    """The worker ends, the temporary folder goes, and the exit status is the program's own."""
    tmp, out = tmp_path / 'tmp', tmp_path / 'out'
    tmp.mkdir()
    out.mkdir()
    words = {'stdout': ['--format', 'csv'], 'file': ['-o', out / 'x.csv'], 'parquet': ['--format', 'parquet']}[to]
    where = out if to == 'file' else tmp
    p = pregao.start('sql', 'SELECT count(*) FROM range(1000000000) a, range(1000000000) b', '--lake', lake, *words, env={'TMPDIR': str(tmp)},
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def children():
        return pathlib.Path(f'/proc/{p.pid}/task/{p.pid}/children').read_text().split()
    while not (list(where.iterdir()) and children()):
        time.sleep(0.01)
    worker = children()[0]
    p.send_signal(getattr(signal, name))
    _, err = p.communicate(timeout=30)
    assert p.returncode == 1 and 'interrupted' in err
    assert not list(tmp.iterdir()) and not list(out.iterdir())
    assert not pathlib.Path(f'/proc/{worker}').exists()


def test_interrupted_while_nobody_reads(pregao, lake, tmp_path):
    """The Parquet file is finished, and its reader has stopped: the folder it lies in goes all the same."""
    tmp = tmp_path / 'tmp'
    tmp.mkdir()
    p = pregao.start('sql', 'SELECT random() AS x FROM range(1000000)', '--lake', lake, '--format', 'parquet', env={'TMPDIR': str(tmp)},
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False)
    assert p.stdout.read(4) == b'PAR1'
    p.send_signal(signal.SIGTERM)
    assert p.wait(30) == 1
    assert not list(tmp.iterdir())


def test_empty_lake_is_typed(pregao, tmp_path):
    """Every table exists from the first command on, even where there is no lake; asking makes none."""
    for table in ('raw.portfolio', 'raw.portfolio_total', 'refined.portfolio'):
        assert look.sql(pregao, tmp_path / 'none', f'SELECT count(*) AS n FROM {table}') == [{'n': 0}]
    assert look.sql(pregao, tmp_path / 'none', 'SELECT typeof(theoretical_quantity) AS t FROM (SELECT max(theoretical_quantity) AS theoretical_quantity FROM refined.portfolio)') == [{'t': 'BIGINT'}]
    assert not (tmp_path / 'none').exists()


def listed(pregao, lake, statement):
    done = pregao('sql', statement, '--lake', lake, '--verbose')
    line = next(x for x in done.stderr.splitlines() if ' files read' in x)
    return tuple(int(w) for w in line.replace(';', '').replace(',', '').split() if w.isdigit())[1:3]


def test_pruning(pregao, lake):
    """The list of files is cut before DuckDB sees it."""
    everything = listed(pregao, lake, 'SELECT count(*) FROM raw.portfolio')
    assert everything == (6, 6)
    assert listed(pregao, lake, "SELECT count(*) FROM raw.portfolio WHERE index_code = 'IBOV'") == (3, 6)
    assert listed(pregao, lake, "SELECT count(*) FROM raw.portfolio p WHERE p.index_code = 'IBOV' AND p.data_pregao = DATE '2024-07-15'") == (1, 6)
    assert listed(pregao, lake, "SELECT count(*) FROM raw.portfolio WHERE data_pregao BETWEEN '2024-07-16' AND '2024-07-30'") == (4, 6)
    assert listed(pregao, lake, "SELECT count(*) FROM raw.portfolio WHERE index_code = 'IBOV' OR acao = 'VALE'") == (6, 6)


HOSTILE = [
    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_blob('{lake}/state/catalog.sqlite')", "SELECT * FROM glob('/etc/*')", "SELECT * FROM read_text('{lake}/state/../../secret')",
    "SELECT * FROM read_parquet('{out}/x.parquet')", "COPY (SELECT 1) TO '{out}/x.csv'", "COPY (SELECT 1) TO '{lake}/raw/x.csv'",
    "ATTACH '{out}/x.db'", "ATTACH '{lake}/raw/x.db'", "INSTALL httpfs", "LOAD httpfs", "SET enable_external_access = true", "RESET lock_configuration",
    "PRAGMA database_list", "CREATE TABLE t (a int)", "INSERT INTO raw.portfolio VALUES (1)", "DELETE FROM raw.portfolio", "DROP VIEW raw.portfolio",
    "EXPORT DATABASE '{out}/x'", "EXPORT DATABASE '{lake}/raw/x'", "CALL pragma_version()", "SELECT 1; SELECT 2", "CREATE MACRO f() AS 1",
    "SELECT * FROM sniff_csv('/etc/passwd')", "SELECT * FROM read_json('/proc/self/environ')", "VACUUM", "CHECKPOINT", "SELECT getenv('HOME')",
    "SELECT * FROM read_csv('http://127.0.0.1:1/x')", "WITH x AS (SELECT * FROM read_text('/etc/hostname')) SELECT * FROM x",
    "SELECT (SELECT content FROM read_text('/etc/hostname'))", "SELECT * FROM parquet_metadata('/etc/passwd')", "IMPORT DATABASE '/tmp'", "USE raw",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{out}/q.csv''')", "SELECT * FROM query_table('/etc/passwd')",
]


@pytest.mark.parametrize('statement', HOSTILE)
def test_hostile(pregao, lake, tmp_path, statement):
    """Refused; nothing outside the lake is read, nothing anywhere is written."""
    out = tmp_path / 'out'
    out.mkdir()
    (tmp_path / 'secret').write_text('nobody may read this')
    before = look.digest(lake)
    done = pregao('sql', statement.format(lake=lake, out=out), '--lake', lake, '--format', 'csv', expect=1)
    assert 'root:' not in done.stdout + done.stderr and 'nobody may' not in done.stdout + done.stderr
    assert look.digest(lake) == before and not list(out.iterdir())


def test_link_out_of_the_lake(pregao, lake, tmp_path):
    (tmp_path / 'secret.csv').write_text('a\nsecret\n')
    (lake / 'raw/link.csv').symlink_to(tmp_path / 'secret.csv')
    done = pregao('sql', f"SELECT * FROM read_csv('{lake}/raw/link.csv')", '--lake', lake, expect=1)
    assert 'secret' not in done.stdout


def test_bombs(pregao, lake):
    """Memory and time: the statement ends, the program says why, the lake is as it was."""
    began = time.monotonic()
    done = pregao('sql', "SELECT length(repeat('x', 8000000000))", '--lake', lake, '--memory', '256MiB', expect=1)
    assert done.stderr.strip()
    done = pregao('sql', 'SELECT count(*) FROM range(1000000000) a, range(1000000000) b', '--lake', lake, '--timeout', '1s', expect=1)
    assert 'longer than 1 second' in done.stderr
    assert time.monotonic() - began < 60
    assert look.sql(pregao, lake, 'SELECT 1 AS one') == [{'one': 1}]


@pytest.mark.parametrize('statement', [
    "SELECT * FROM query('SELECT 1')", "FROM (SELECT * FROM query('SELECT * FROM raw.portfolio'))", "SELECT * FROM query_table('raw.portfolio')",
    "WITH x AS (FROM Query_Table(['raw.portfolio'])) FROM x", "SELECT (SELECT count(*) FROM main.query('SELECT 1'))",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))"])
def test_statements_in_text_are_refused(pregao, lake, statement):
    """They name tables where nobody looks for names."""
    done = pregao('sql', statement, '--lake', lake, expect=1)
    assert "cannot see the lake's tables" in done.stderr and re.search(r'[0-9]+:[0-9]+', done.stderr), done.stderr


def test_errors_help(pregao, lake):
    assert 'tickerr' in pregao('sql', 'SELECT tickerr FROM refined.portfolio', '--lake', lake, expect=1).stderr
    assert 'raw.portfolio?' in pregao('sql', 'SELECT * FROM raw.portfolo', '--lake', lake, expect=1).stderr
    assert pregao('sql', 'SELEC 1', '--lake', lake, expect=1).stderr


def test_closed_pipe(pregao, lake):
    p = pregao.start('sql', 'SELECT * FROM range(10000000)', '--lake', lake, '--format', 'csv', stdout=-1, stderr=-1)
    p.stdout.readline()
    p.stdout.close()
    assert p.wait(30) in (0, 1)


def test_terminal_escapes(pregao, lake):
    """Data cannot steer a terminal."""
    assert '\x1b' not in pregao('sql', "SELECT chr(27) || '[31mred' AS x", '--lake', lake).stdout


def test_readers_beside_a_writer(pregao, lake, tmp_path):
    """Queries while a session is corrected again and again: each answers from whole old or whole new partitions."""
    import threading
    versions = []
    for seed in (11, 12):
        p = make_portfolio.make_portfolio(session=make_portfolio.datetime.date(2024, 7, 15), stocks=10, seed=seed)
        file = tmp_path / f'{seed}.csv'
        file.write_bytes(p.csv())
        versions.append((file, p.quantity_total))
    pregao('import', 'portfolio', versions[0][0], '--lake', lake)
    stop = threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            n += 1
            pregao('import', 'portfolio', versions[n % 2][0], '--lake', lake)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(25):
            got = look.sql(pregao, lake, "SELECT CAST(sum(theoretical_quantity) AS BIGINT) AS q FROM refined.portfolio WHERE index_code = 'IBOV' AND pregao_date = DATE '2024-07-15'")
            assert got[0]['q'] in {q for _, q in versions}
    finally:
        stop.set()
        writer.join()


def test_sandbox_holds_here(pregao, lake):
    """This kernel has Landlock: nothing had to be said about it."""
    version = ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1)  # landlock_create_ruleset(LANDLOCK_CREATE_RULESET_VERSION)
    if version < 1:
        pytest.skip('the kernel has no Landlock')
    assert 'Landlock' not in pregao('sql', 'SELECT 1', '--lake', lake).stderr


def test_what_json_has_no_number_for(pregao, lake):
    rows = json.loads(pregao('sql', "SELECT 1e400 AS a, -1e400::DOUBLE AS b, 'NaN'::DOUBLE AS c, count(*) AS n FROM raw.portfolio WHERE part < 1e400",
                             '--lake', lake, '--format', 'json').stdout)
    assert rows[0]['n'] == 60 and rows[0]['a'] is None


def test_output_into_no_folder(pregao, lake, tmp_path):
    assert f'there is no folder for {tmp_path}/nope/x.csv' in pregao('sql', 'SELECT 1', '-o', tmp_path / 'nope/x.csv', '--lake', lake, expect=1).stderr


def test_a_near_option_is_one_that_the_command_takes(pregao, lake):
    assert '--node' not in pregao('queue', 'list', '--nope', expect=2).stderr
    assert 'did you mean `--limit`' in pregao('sql', 'SELECT 1', '--limt', '3', expect=2).stderr
