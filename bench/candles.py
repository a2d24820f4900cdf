#!/usr/bin/env python3
"""What does a new minute cost the candles? They are recomputed by the day: this times `pregao job run bitcoin_candles --force`, a process of
its own, over a day of four tickers, of a million trades and of six million, and shows its peak memory, which must not grow with the day.

    bench/candles.py [--trades 1000000 6000000] [--rounds 5] [--json]
"""
import argparse
import json
import pathlib
import random
import sys

from measure import ROOT, Failed, describe, machine, measure, say, spread, table, workplace

DAY = 1_723_075_200_000  # 2024-08-08 in milliseconds
COSTS = ("wall_ms", "cpu_ms", "peak_mb")
SOURCES = ("binance", "coinbase", "mercadobitcoin", "cointradermonitor")


def write_trades(path, count):
    """A day of Binance's trade dump."""
    rng = random.Random(1)
    step, cents = 86_400_000 / count, 6_100_000
    with open(path, "w", encoding="ascii", buffering=1 << 20) as out:
        out.write("id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\n")
        for number in range(count):
            cents += rng.randrange(-300, 301)
            out.write(f"{3_735_000_000 + number},{cents // 100}.{cents % 100:02d},{rng.randrange(4)}.{rng.randrange(1, 100000):05d},0,"
                      f"{DAY + int(number * step)},{'true' if number % 2 else 'false'},true\n")


def write_ticks(path):
    """A day of our own ticks: each source once a minute."""
    rng = random.Random(2)
    with open(path, "w", encoding="ascii") as out:
        out.write("source,pair,event_time,last\n")
        for minute in range(1440):
            for source in SOURCES:
                out.write(f"{source},BTCUSDT,2024-08-08T{minute // 60:02d}:{minute % 60:02d}:03.000000Z,{60000 + rng.randrange(1000)}.5\n")


def one_day(pregao, work, name, recording, rows, rounds):
    lake = work / f"lake-{rows}"
    say(f"{name}: replaying {rows} rows")
    told = json.loads(measure([pregao, "stream", "replay", "--lake", lake, "--format", "json", recording], work)["stdout"])
    if told[0]["trades"] + told[0]["ticks"] != rows:
        raise Failed(f"{recording}: {told}")
    command = [pregao, "job", "run", "bitcoin_candles", "--lake", lake, "--force", "--format", "json"]
    costs = []
    for _ in range(rounds):
        cost = measure(command, work)
        cost["candles"] = json.loads(cost["stdout"])[0]["rows"]
        costs.append(cost)
    if not costs[0]["candles"]:
        raise Failed(f"{name}: no candles")
    return {"day": name, "rows": rows, "candles": costs[0]["candles"], **{key: spread([c[key] for c in costs]) for key in COSTS}}


def show(report):
    print(f"{describe(report['machine'])}\n")
    cells = [[day["day"], day["rows"], day["candles"], *(f"{day[key]['median']:.0f} ({day[key]['minimum']:.0f}-{day[key]['maximum']:.0f})"
                                                         for key in COSTS)] for day in report["days"]]
    print(table(("a day of", "rows", "candles", "wall ms", "cpu ms", "peak MB"), cells))


def main():
    parser = argparse.ArgumentParser(description="What a day's candles cost.")
    parser.add_argument("--trades", type=int, nargs="*", default=[1_000_000, 6_000_000], help="a day for each number of trades")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pregao", type=pathlib.Path, default=ROOT / "build/pregao")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench-work")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with workplace(options.work) as work:
        report = {"benchmark": "candles", "machine": machine(work), "days": []}
        recording = work / "BTCUSDT-trades-2024-08-08.csv"  # a dump's name tells its pair
        try:
            write_ticks(recording)
            report["days"].append(one_day(options.pregao, work, "four tickers", recording, 1440 * len(SOURCES), options.rounds))
            for count in options.trades:
                write_trades(recording, count)
                report["days"].append(one_day(options.pregao, work, f"{count} trades", recording, count, options.rounds))
        except Failed as failure:
            say(f"candles: {failure}")
            return 1
    print(json.dumps(report, indent=1)) if options.json else show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
