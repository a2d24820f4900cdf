#!/usr/bin/env python3
"""Do two lakes hold the same trades and ticks? Compares raw/bitcoin_trades and raw/bitcoin_ticks of both, value by value and type by type, the
files read one hour at a time; `seq`, which each numbers as it likes, is left out. Ends with 1 and a word about the first difference.

    same_rows.py LAKE OTHER-LAKE
"""
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

ORDER = {"bitcoin_trades": ["event_time", "trade_id"], "bitcoin_ticks": ["event_time", "received_at", "payload"]}


def hours(lake, table):
    return sorted(path.relative_to(lake) for path in (lake / "raw" / table).glob("date=*/hour=*") if any(path.glob("*.parquet")))


def rows(lake, hour, order):
    table = pa.concat_tables([pq.ParquetFile(path).read() for path in sorted((lake / hour).glob("*.parquet"))])
    return table.drop_columns(["seq"]).sort_by([(name, "ascending") for name in order]).combine_chunks()


def main():
    ours, theirs = map(pathlib.Path, sys.argv[1:])
    total = 0
    for table, order in ORDER.items():
        found = hours(ours, table)
        if found != hours(theirs, table):
            sys.exit(f"{table}: other hours: {len(found)} and {len(hours(theirs, table))}")
        for hour in found:
            a, b = rows(ours, hour, order), rows(theirs, hour, order)
            if a.schema.types != b.schema.types or a.column_names != b.column_names:
                sys.exit(f"{hour}: other columns:\n{a.schema}\n{b.schema}")
            for name in a.column_names:
                if a[name] != b[name]:
                    sys.exit(f"{hour}: column {name} differs ({a.num_rows} and {b.num_rows} rows)")
            total += a.num_rows
    print(total)


if __name__ == "__main__":
    main()
