#!/usr/bin/env python3
"""Times one whole pass, `pregao run`, against the same pass in Python (baseline.py), side by side on this machine.

A stand-in for B3's service on loopback serves made-up portfolios to all of them. They run in turn, A B C B C A, each time into a
fresh lake, so that what slows the machine slows them all; the ratio is the median of the ratios within each round. Every run must
end well and publish the expected number of partitions, and the lakes are compared row by row once, before anything is timed.

    bench/run_pass.py [--rounds 10] [--rounds-many 4] [--json]
"""
import argparse
import contextlib
import datetime
import json
import pathlib
import statistics
import subprocess
import sys

from measure import HERE, ROOT, Failed, describe, machine, measure, say, spread, table, tree_peak_mb, workplace

sys.path[:0] = [str(ROOT / "tests" / "fixtures")]
from make_portfolio import INDICES, make_portfolio  # noqa: E402

SESSION = datetime.date(2024, 7, 15)
AS_OF = datetime.date(2024, 7, 16)


@contextlib.contextmanager
def service(count, stocks):
    """The stand-in, in a process of its own; gives its base URL."""
    process = subprocess.Popen([sys.executable, str(ROOT / "tests" / "scenario" / "b3_server.py"), "--index", str(count),
                                "--session", str(SESSION), "--stocks", str(stocks), "--seconds", "3600"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def contenders(options):
    """Name -> function(indices, url, lake) that gives the command."""
    found = {}
    if options.pregao.exists():
        found["pregao"] = lambda indices, url, lake: [options.pregao, "run", "--index", ",".join(indices), "--url", url, "--input", "live",
                                                      "--as-of", AS_OF, "--lake", lake]
    else:
        say(f"{options.pregao} is not there: only the baseline is timed. Build it first.")
    for engine, name in ("pandas", "pandas + pyarrow"), ("arrow", "pyarrow alone"):
        if engine in options.engines.split(","):
            found[name] = lambda indices, url, lake, engine=engine: [options.python, HERE / "baseline.py", "--engine", engine, "--index",
                                                                     ",".join(indices), "--url", url, "--as-of", AS_OF, "--lake", lake]
    return found


def published(lake):
    """Partitions of refined.portfolio that hold data, counted on disk."""
    return len({path.parent for path in (lake / "refined" / "portfolio").rglob("*.parquet")})


def expected(indices, stocks):
    return sum(len({row.acao for row in make_portfolio(index, SESSION, stocks).rows}) for index in indices)


def time_pass(name, command, lake, work, partitions):
    cost = measure(command, work)
    if published(lake) != partitions:
        raise Failed(f"{name} published {published(lake)} partitions, not {partitions}, in {lake}")
    return cost


def compare(commands, indices, url, work, options):
    """One unmeasured pass of each, which also warms the page cache; then their rows against the first one's."""
    lakes = {}
    for name, command in commands.items():
        lakes[name] = work / f"compare-{len(indices)}-{len(lakes)}"
        time_pass(name, command(indices, url, lakes[name]), lakes[name], work, expected(indices, options.stocks))
    first, *others = lakes
    for other in others:
        result = subprocess.run([options.python, HERE / "same_result.py", lakes[first], lakes[other]], capture_output=True, text=True)
        if result.returncode:
            raise Failed(f"{first} and {other} do not agree:\n{result.stdout}{result.stderr}")
        say(f"  {first} and {other}: {result.stdout.strip()}")


def run_rounds(commands, count, rounds, work, options):
    indices = INDICES[:count]
    say(f"{count} {'index' if count == 1 else 'indices'}, {rounds} rounds of {', '.join(commands)}")
    with service(count, options.stocks) as url:
        compare(commands, indices, url, work, options)
        costs = {name: [] for name in commands}
        for number in range(rounds):
            first = number % len(commands)  # who goes first changes, so that no one always follows the same neighbour
            for name in [*commands][first:] + [*commands][:first]:
                lake = work / f"lake-{count}-{number}-{len(name)}"
                cost = time_pass(name, commands[name](indices, url, lake), lake, work, expected(indices, options.stocks))
                costs[name].append(cost)
        trees = {name: tree_peak_mb(command(indices, url, work / f"tree-{count}-{len(name)}"), work) for name, command in commands.items()}
    result = {"indices": count, "stocks": options.stocks, "partitions": expected(indices, options.stocks), "rounds": rounds, "programs": {}}
    for name, runs in costs.items():
        result["programs"][name] = {"wall_ms": spread([run["wall_ms"] for run in runs]), "cpu_ms": spread([run["cpu_ms"] for run in runs]),
                                    "peak_mb": spread([run["peak_mb"] for run in runs]), "tree_peak_mb": trees[name]}
    if "pregao" in costs:
        result["ratios"] = {}
        for name in costs:
            if name != "pregao":
                pairs = list(zip(costs[name], costs["pregao"]))
                result["ratios"][name] = {"wall": spread([slow["wall_ms"] / fast["wall_ms"] for slow, fast in pairs]),
                                          "peak": spread([slow["peak_mb"] / fast["peak_mb"] for slow, fast in pairs])}
    return result


def duckdb_share(options, work, runs=10):
    """What loading and opening libduckdb costs any process, pregao included."""
    library = options.duckdb or next(iter(sorted((ROOT / "build" / "deps").glob("duckdb/**/libduckdb.so"))), None)
    if not library:
        say("no libduckdb below build/deps: its own share is not measured (--duckdb PATH)")
        return None
    program = work / "duckdb_open"
    subprocess.run(["cc", "-std=c17", "-O2", "-D_GNU_SOURCE", "-o", program, HERE / "duckdb_open.c", "-ldl"], check=True)
    costs = [measure([program, library.resolve()], work) for _ in range(runs + 1)][1:]
    parts = [json.loads(cost["stdout"]) for cost in costs]
    return {"runs": runs, "load_ms": spread([part["load_ms"] for part in parts]), "open_ms": spread([part["open_ms"] for part in parts]),
            "wall_ms": spread([cost["wall_ms"] for cost in costs]), "peak_mb": statistics.median(cost["peak_mb"] for cost in costs)}


def show(report):
    print(describe(report["machine"]))
    for result in report["passes"]:
        many = result["indices"] > 1
        print(f"\nOne pass over {result['indices']} {'indices' if many else 'index'}: {result['stocks']} stocks each, "
              f"{result['partitions']} partitions of refined.portfolio, {result['rounds']} rounds")
        rows = [[name, *(f"{program['wall_ms'][key]:.0f}" for key in ("minimum", "median", "maximum")),
                 f"{program['cpu_ms']['median']:.0f}", f"{program['peak_mb']['median']:.0f}", f"{program['tree_peak_mb']:.0f}"]
                for name, program in result["programs"].items()]
        print(table(["", "wall ms: minimum", "median", "maximum", "CPU ms", "peak MB", "whole tree MB"], rows))
        for name, ratio in result.get("ratios", {}).items():
            wall, peak = ratio["wall"], ratio["peak"]
            print(f"{name} takes {wall['median']:.1f} times as long as pregao (median of {result['rounds']} pairs; "
                  f"{wall['minimum']:.1f} to {wall['maximum']:.1f}) and {peak['median']:.1f} times its memory")
    if report["libduckdb"]:
        share = report["libduckdb"]
        print(f"\nlibduckdb's own share of any process that uses it: load {share['load_ms']['median']:.0f} ms, open "
              f"{share['open_ms']['median']:.0f} ms; the whole process {share['wall_ms']['median']:.0f} ms "
              f"({share['wall_ms']['minimum']:.0f} to {share['wall_ms']['maximum']:.0f}), {share['peak_mb']:.0f} MB")
    noise = max(program["wall_ms"]["maximum"] / program["wall_ms"]["minimum"] for result in report["passes"]
                for program in result["programs"].values())
    print(f"\nThe figures are this machine's, now, and it is noisy: the slowest run of one program took {noise:.1f} times its fastest. "
          "Compare programs within a table, not tables with each other.\n"
          "Peak MB is the largest process of a run (median over the rounds), whole tree MB all its processes at one moment, sampled in "
          "a run of its own.")


def main():
    parser = argparse.ArgumentParser(description="Time one pass of pregao against the same pass in Python.")
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="with one index")
    parser.add_argument("--rounds-many", type=int, default=4, metavar="N", help="with 20 indices; 0 leaves them out")
    parser.add_argument("--stocks", type=int, default=85, metavar="N")
    parser.add_argument("--engines", default="pandas,arrow", help="of the baseline")
    parser.add_argument("--pregao", type=pathlib.Path, default=ROOT / "build" / "pregao")
    parser.add_argument("--python", type=pathlib.Path, default=ROOT / "build" / "venv" / "bin" / "python",
                        help="the one that has bench/requirements.txt")
    parser.add_argument("--duckdb", type=pathlib.Path, help="libduckdb.so")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "bench-work",
                        help="where the lakes are made, and removed after")
    parser.add_argument("--keep", action="store_true", help="leave the lakes there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    if not options.python.exists():
        say(f"{options.python} is not there: scripts/setup bench makes it, or name another with --python")
        return 1
    commands = contenders(options)
    with workplace(options.work, options.keep) as work:
        report = {"benchmark": "pass", "machine": machine(work), "passes": []}
        try:
            for count, rounds in (1, options.rounds), (20, options.rounds_many):
                if rounds:
                    report["passes"].append(run_rounds(commands, count, rounds, work, options))
            report["libduckdb"] = duckdb_share(options, work)
        except Failed as failure:
            say(f"run_pass: {failure}")
            return 1
    if options.json:
        print(json.dumps(report, indent=1))
    else:
        show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
