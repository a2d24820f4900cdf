"""Other programs read the lake's folders without pregao and agree with `pregao sql`, types included."""
import datetime
import decimal
import json
import pathlib
import sys

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'fixtures'))
import make_portfolio  # noqa: E402

TABLES = {
    'raw/portfolio': ('raw.portfolio', ['data_pregao', 'index_code', 'codigo']),
    'raw/portfolio_total': ('raw.portfolio_total', ['data_pregao', 'index_code']),
    'refined/portfolio': ('refined.portfolio', ['index_code', 'pregao_date', 'action', 'tipo']),
}
KEYS = pa.schema([('data_pregao', pa.date32()), ('index_code', pa.string()), ('pregao_date', pa.date32()), ('action', pa.string())])


@pytest.fixture
def lake(pregao, tmp_path):
    for n, day in enumerate((datetime.date(2024, 7, 15), datetime.date(2024, 7, 16))):
        p = make_portfolio.make_portfolio(session=day, stocks=20, seed=n)
        (tmp_path / f'{day}.csv').write_bytes(p.csv(sectors=n == 0))
    pregao('import', 'portfolio', *tmp_path.glob('*.csv'), '--lake', tmp_path / 'lake')
    return tmp_path / 'lake'


def ours(pregao, lake, table, order, columns):
    text = pregao('sql', f'SELECT {", ".join(columns)} FROM {table} ORDER BY {", ".join(order)}', '--lake', lake, '--format', 'json').stdout
    return [list(r.values()) for r in json.loads(text, parse_float=decimal.Decimal)]


def plain(value):
    return value.isoformat() if isinstance(value, datetime.date) else value


@pytest.mark.parametrize('folder', TABLES)
def test_pyarrow(pregao, lake, folder):
    table, order = TABLES[folder]
    data = pyarrow.dataset.dataset(lake / folder, format='parquet', partitioning=pyarrow.dataset.HivePartitioning(
        pa.schema([f for f in KEYS if f.name in order]))).to_table()
    names = data.column_names
    got = [[plain(v) for v in row.values()] for row in data.sort_by([(k, 'ascending') for k in order]).to_pylist()]
    assert got == ours(pregao, lake, table, order, [f'"{n}"' for n in names])
    types = {f.name: str(f.type) for f in data.schema}
    for name, wanted in {'qtd_teorica': 'int64', 'part': 'decimal128(9, 3)', 'theoretical_quantity': 'int64', 'participation': 'decimal128(9, 3)',
                         'redutor': 'decimal128(38, 8)', 'qtd_teorica_total': 'int64', 'as_of': 'date32[day]'}.items():
        assert types.get(name, wanted) == wanted, name
    assert not {'double', 'float', 'halffloat'} & set(types.values())


@pytest.mark.parametrize('folder', TABLES)
def test_plain_duckdb(pregao, lake, folder):
    table, order = TABLES[folder]
    types = ', '.join(f"'{k}': {'DATE' if k.endswith(('date', 'pregao')) else 'VARCHAR'}" for k in order if k in KEYS.names)
    relation = duckdb.sql(f"SELECT * FROM read_parquet('{lake}/{folder}/**/*.parquet', hive_partitioning = true, hive_types = {{{types}}})")
    names = relation.columns
    got = [[plain(v) for v in row] for row in relation.order(', '.join(f'"{k}"' for k in order)).fetchall()]
    assert got == ours(pregao, lake, table, order, [f'"{n}"' for n in names])


def test_pandas(pregao, lake):
    import pandas
    frame = pandas.read_parquet(lake / 'refined/portfolio')
    assert int(frame.theoretical_quantity.sum()) == sum(r[0] for r in ours(pregao, lake, 'refined.portfolio', ['1'], ['theoretical_quantity']))
    assert 'AMBEV S/A' in set(frame.action.astype(str))
    assert frame.participation.sum() == decimal.Decimal(200)


def test_compression_is_snappy(lake):
    import pyarrow.parquet
    for file in lake.rglob('*.parquet'):
        meta = pyarrow.parquet.read_metadata(file)
        assert {meta.row_group(0).column(i).compression for i in range(meta.num_columns)} == {'SNAPPY'}, file
