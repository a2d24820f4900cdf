#!/usr/bin/env python3
"""Do two lakes hold the same portfolio, row for row? Reads the published Parquet files, as any other engine would.

    same_result.py LAKE LAKE        exit 0 if they agree; else prints the first differences and exits 1
"""
import pathlib
import sys
import urllib.parse

import pyarrow.parquet as pq

TABLES = {
    "raw/portfolio": ("data_pregao", "index_code", "codigo", "acao", "tipo", "qtd_teorica", "part"),
    "raw/portfolio_total": ("data_pregao", "index_code", "qtd_teorica_total", "part_total", "redutor"),
    "refined/portfolio": ("index_code", "pregao_date", "action", "tipo", "theoretical_quantity", "participation", "ticker", "papers",
                          "days_since_session", "as_of"),
}


def rows_of(lake, table, columns):
    """Every row as text, whatever the width of its integers and the precision of its decimals; partitions from the path."""
    found = []
    for path in (pathlib.Path(lake) / table).rglob("*.parquet"):
        keys = {name: urllib.parse.unquote(value) for name, _, value in (part.partition("=") for part in path.parts) if value}
        for row in pq.ParquetFile(path).read().to_pylist():
            values = keys | row
            missing = [column for column in columns if column not in values]
            if missing:
                sys.exit(f"{path} has no {', '.join(missing)}; it has {', '.join(values)}")
            found.append(tuple(str(values[column]) for column in columns))
    return sorted(found)


def main():
    one, other = sys.argv[1:3]
    agreed = []
    for table, columns in TABLES.items():
        left, right = rows_of(one, table, columns), rows_of(other, table, columns)
        if left != right or not left:
            print(f"{table}: {len(left)} and {len(right)} rows, columns {', '.join(columns)}")
            for sign, rows in ("only in the first: ", set(left) - set(right)), ("only in the second:", set(right) - set(left)):
                for row in sorted(rows)[:3]:
                    print(f"  {sign} {' | '.join(row)}")
            return 1
        agreed.append(f"{len(left)} rows of {table}")
    print("the same " + ", ".join(agreed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
