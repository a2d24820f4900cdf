#!/usr/bin/env python3
"""How fast does a recording become Parquet that can be queried, and does memory grow with it? `pregao stream replay` and
replay_baseline.py replay made-up recordings of three lengths, in turns; first it is made sure that both give the same rows.

    bench/run_replay.py [--minutes 10 120 1440] [--rate 20] [--rounds 3] [--json]
"""
import argparse
import json
import pathlib
import statistics
import sys

from make_recording import make_recording
from measure import HERE, ROOT, Failed, describe, machine, measure, say, spread, table, workplace

COSTS = ("queryable_ms", "wall_ms", "cpu_ms", "peak_mb")


def pregao(options, recording, lake, work):
    """What the whole process cost; "queryable" is without the candles that are made after it."""
    cost = measure([options.pregao, "stream", "replay", recording, "--lake", lake, "--format", "json"], work)
    told = json.loads(cost["stdout"])[0]
    runs = json.loads(measure([options.pregao, "runs", "--lake", lake, "--format", "json"], work)["stdout"])
    run = next(run["run"] for run in runs if run["kind"] == "pass")
    steps = json.loads(measure([options.pregao, "runs", run, "--lake", lake, "--format", "json"], work)["stdout"])["steps"]
    after = sum(step["took_us"] for step in steps if step["step"] in ("trigger", "job", "refined")) / 1000
    return cost | {"rows": told["trades"] + told["ticks"], "queryable_ms": cost["wall_ms"] - after}


def baseline(options, recording, lake, work):
    cost = measure([options.python, HERE / "replay_baseline.py", recording, "--lake", lake], work)
    return cost | {"rows": json.loads(cost["stdout"])["rows"], "queryable_ms": cost["wall_ms"]}


CONTENDERS = (("pregao", pregao), ("Python + pyarrow", baseline))


def one_length(options, minutes, work):
    recording = work / f"recording-{minutes}.txt"
    lines, trades, ticks = make_recording(recording, minutes, options.rate)
    size = recording.stat().st_size
    say(f"{minutes} minutes: {lines} lines, {size / 1e6:.0f} MB")
    costs = {name: [] for name, _ in CONTENDERS}
    for number in range(options.rounds + 1):
        turn = CONTENDERS if number % 2 else CONTENDERS[::-1]
        for name, run in turn:
            lake = work / f"lake-{minutes}-{number}-{CONTENDERS.index((name, run))}"
            cost = run(options, recording, lake, work)
            if cost["rows"] != trades + ticks:
                raise Failed(f"{name}: {cost['rows']} rows, not {trades + ticks}")
            if number:
                costs[name].append(cost)
        if number == 0:
            pair = [work / f"lake-{minutes}-0-{which}" for which in range(2)]
            same = measure([options.python, HERE / "same_rows.py", *pair], work)["stdout"].strip()
            if int(same) != trades + ticks:
                raise Failed(f"{same} rows compared, not {trades + ticks}")
            say(f"both have the same {same} rows")
    return {"minutes": minutes, "lines": lines, "rows": trades + ticks, "bytes": size,
            "ratio": statistics.median(b["queryable_ms"] / a["queryable_ms"] for a, b in zip(*costs.values())),
            "costs": {name: {key: spread([cost[key] for cost in costs[name]]) for key in COSTS} for name in costs}}


def show(report):
    print(f"{describe(report['machine'])}\n")
    rows = []
    for length in report["lengths"]:
        for name, cost in length["costs"].items():
            seconds = cost["queryable_ms"]["median"] / 1000
            rows.append([f"{length['minutes']} minutes, {name}", length["lines"], *(f"{cost['queryable_ms'][key] / 1000:.2f}" for key in
                         ("minimum", "median", "maximum")), f"{length['lines'] / seconds:,.0f}", f"{length['bytes'] / 1e6 / seconds:.1f}",
                         f"{cost['wall_ms']['median'] / 1000:.2f}", f"{cost['cpu_ms']['median'] / 1000:.2f}", f"{cost['peak_mb']['maximum']:.0f}"])
    print(table(["recording", "lines", "queryable s: min", "median", "max", "lines/s", "MB/s", "whole s", "CPU s", "peak MB"], rows))
    for length in report["lengths"]:
        print(f"{length['minutes']} minutes: Python takes {length['ratio']:.2f} times as long")
    print("\n\"Queryable\" is from the process's start until every row is in Parquet files that are durable and in the catalog; pregao makes candles\n"
          "of them afterwards (\"whole\"), which Python does not. Both gave the same rows before anything was timed.")


def main():
    parser = argparse.ArgumentParser(description="Replay recordings with pregao and with Python.")
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 120, 1440], metavar="N")
    parser.add_argument("--rate", type=int, default=20, metavar="N", help="messages a second")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--pregao", type=pathlib.Path, default=ROOT / "build" / "pregao")
    parser.add_argument("--python", type=pathlib.Path, default=ROOT / "build" / "venv" / "bin" / "python")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "bench-work", help="where lakes are made, and removed after")
    parser.add_argument("--keep", action="store_true", help="leave them there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    for needed in (options.pregao, options.python):
        if not needed.exists():
            say(f"{needed} is not there: `make bench` prepares it")
            return 1
    with workplace(options.work, options.keep) as work:
        report = {"benchmark": "replay", "machine": machine(work)}
        try:
            report["lengths"] = [one_length(options, minutes, work) for minutes in options.minutes]
        except Failed as failure:
            say(f"run_replay: {failure}")
            return 1
    print(json.dumps(report, indent=1)) if options.json else show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
