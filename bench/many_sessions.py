#!/usr/bin/env python3
"""Does a lake stay fast as it grows? Imports ten years of made-up sessions of one index in batches, and queries it on the way.

What it shows: the time per session of each batch, which must not grow with what the lake already holds; and, with a tenth, a half and
all of the sessions in it, what four queries cost. Every import must succeed and every query return the number of rows it should.

    bench/many_sessions.py [--sessions 2500] [--json]
"""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import sys

from measure import ROOT, Failed, describe, machine, measure, say, spread, table, workplace

sys.path[:0] = [str(ROOT / "tests" / "fixtures")]
from make_portfolio import make_portfolio, sessions_from  # noqa: E402

INDEX, STOCK = "IBOV", "VALE"


def generate(folder, sessions, stocks):
    """One CSV per session; returns the rows that refined.portfolio gets from each session: groups of stock and type."""
    folder.mkdir(parents=True)
    groups = 0
    for session in sessions:
        portfolio = make_portfolio(INDEX, session, stocks)
        groups += len({(row.acao, row.tipo) for row in portfolio.rows})
        (folder / f"{INDEX}Dia_{session}.csv").write_bytes(portfolio.csv())
    return groups


def on_disk(folder):
    """(folders that hold Parquet files, files, bytes) below a folder."""
    partitions = files = size = 0
    for path, _, names in os.walk(folder):
        partitions += any(name.endswith(".parquet") for name in names)
        files += len(names)
        size += sum(os.stat(os.path.join(path, name)).st_size for name in names)
    return partitions, files, size


def queries(sessions, last, stocks):
    """(what it asks, SQL, rows it must return)."""
    where = f"FROM refined.portfolio WHERE index_code = '{INDEX}'"
    last_groups = len({(row.acao, row.tipo) for row in make_portfolio(INDEX, last, stocks).rows})
    names = len({row.acao for row in make_portfolio(INDEX, last, stocks).rows})
    return [
        ("one stock, all sessions", f"SELECT pregao_date, theoretical_quantity, participation {where} AND action = '{STOCK}' "
                                    "ORDER BY pregao_date", sessions),
        ("one stock, one session", f"SELECT theoretical_quantity, participation {where} AND action = '{STOCK}' "
                                   f"AND pregao_date = DATE '{last}'", 1),
        ("one session", f"SELECT action, ticker, participation {where} AND pregao_date = DATE '{last}' ORDER BY participation DESC",
         last_groups),
        ("everything, aggregated", "SELECT action, count(*) AS n, sum(theoretical_quantity) AS quantity, max(participation) AS largest "
                                   f"{where} GROUP BY action ORDER BY n DESC", names),
    ]


def ask(options, lake, work, sessions, last):
    """Each query a few times, in processes of their own; answers checked by their number of rows."""
    results = []
    for title, sql, rows in queries(sessions, last, options.stocks):
        costs = [measure([options.pregao, "sql", sql, "--format", "csv", "--lake", lake], work) for _ in range(options.repeat)]
        found = len(costs[-1]["stdout"].splitlines()) - 1
        if found != rows:
            raise Failed(f"{title}: {found} rows, not {rows}\n{sql}")
        results.append({"query": title, "rows": rows, "wall_ms": spread([cost["wall_ms"] for cost in costs]),
                        "peak_mb": max(cost["peak_mb"] for cost in costs)})
    return results


def run(options, work):
    sessions = sessions_from(options.first, options.sessions)
    count = min(options.batches, options.sessions)
    bounds = [round(options.sessions * n / count) for n in range(count + 1)]
    stops = sorted({next(b for b in bounds[1:] if b >= options.sessions * part / 100) for part in (10, 50, 100)})
    lake, batches, checkpoints, groups = work / "lake", [], [], 0
    for number, (start, end) in enumerate(zip(bounds, bounds[1:]), 1):
        batch = work / f"batch-{number:02d}"
        groups += generate(batch, sessions[start:end], options.stocks)
        cost = measure([options.pregao, "import", "portfolio", batch, "--lake", lake], work)
        batches.append({"sessions": end - start, "in_lake": end, "wall_ms_per_session": cost["wall_ms"] / (end - start),
                        "cpu_ms_per_session": cost["cpu_ms"] / (end - start), "peak_mb": cost["peak_mb"]})
        say(f"{end} of {options.sessions} sessions, {batches[-1]['wall_ms_per_session']:.1f} ms each")
        if end in stops:
            partitions = on_disk(lake / "refined" / "portfolio")[0]
            expected = sum(len({row.acao for row in make_portfolio(INDEX, day, options.stocks).rows}) for day in sessions[:end])
            if partitions != expected:
                raise Failed(f"{partitions} partitions of refined.portfolio are published, not {expected}")
            _, files, size = on_disk(lake)
            checkpoints.append({"sessions": end, "partitions": partitions, "rows": groups, "files": files, "megabytes": size / 1e6,
                                "queries": ask(options, lake, work, end, sessions[end - 1])})
    third = max(1, len(batches) // 3)
    first, last = (statistics.median(batch["wall_ms_per_session"] for batch in part) for part in (batches[:third], batches[-third:]))
    return {"sessions": options.sessions, "stocks": options.stocks, "batches": batches, "growth": last / first, "checkpoints": checkpoints}


def show(report):
    print(describe(report["machine"]))
    print(f"\nImport of {report['sessions']} sessions of {report['stocks']} stocks, in batches")
    print(table(["sessions in the lake", "wall ms per session", "CPU ms per session", "peak MB"],
                [[batch["in_lake"], f"{batch['wall_ms_per_session']:.1f}", f"{batch['cpu_ms_per_session']:.1f}", f"{batch['peak_mb']:.0f}"]
                 for batch in report["batches"]]))
    print(f"A session takes {report['growth']:.2f} times as long in the last third of the batches as in the first (1.00: it does not grow)")
    for checkpoint in report["checkpoints"]:
        print(f"\nQueries with {checkpoint['sessions']} sessions: {checkpoint['partitions']} published partitions, "
              f"{checkpoint['rows']} rows, {checkpoint['files']} files in the lake, {checkpoint['megabytes']:.0f} MB")
        print(table(["", "rows", "wall ms: minimum", "median", "maximum", "peak MB"],
                    [[query["query"], query["rows"], *(f"{query['wall_ms'][key]:.0f}" for key in ("minimum", "median", "maximum")),
                      f"{query['peak_mb']:.0f}"] for query in checkpoint["queries"]]))
    print("\nThe figures are this machine's, now; other work on it disturbs them. A query's time is that of a whole `pregao sql` process.")


def main():
    parser = argparse.ArgumentParser(description="Import many sessions in batches and query the lake as it grows.")
    parser.add_argument("--sessions", type=int, default=2500, metavar="N")
    parser.add_argument("--batches", type=int, default=10, metavar="N")
    parser.add_argument("--stocks", type=int, default=82, metavar="N")
    parser.add_argument("--from", dest="first", type=datetime.date.fromisoformat, default=datetime.date(2014, 1, 2), metavar="DATE")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="how often each query runs")
    parser.add_argument("--pregao", type=pathlib.Path, default=ROOT / "build" / "pregao")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "bench-work",
                        help="where the lake is made, and removed after")
    parser.add_argument("--keep", action="store_true", help="leave the lake there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    if not options.pregao.exists():
        say(f"{options.pregao} is not there: build it first")
        return 1
    with workplace(options.work, options.keep) as work:
        report = {"benchmark": "many-sessions", "machine": machine(work)}
        try:
            report |= run(options, work)
        except Failed as failure:
            say(f"many_sessions: {failure}")
            return 1
    print(json.dumps(report, indent=1)) if options.json else show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
