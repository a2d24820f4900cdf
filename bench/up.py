#!/usr/bin/env python3
"""From a payload's landing to refined rows that a query sees, under `up` and in one pass; and the memory of each role.

    bench/up.py [--sessions N] [--pregao PROGRAM]

Landing is the time of the payload's own file in landing/, before it is parsed (pregao_raw_to_refined_seconds, a metric, begins later,
at the commit to raw); refined is the end of the job run, whose commit is what queries see. A pass is `pregao run` for a
session of the same size; its figure is the whole of it, from the request to the answer. Memory is what each process has of its own
(its shared pages divided among those that share them), at rest after the last session: from smaps_rollup, which only root may read of
a process that keeps itself from being looked into; else VmRSS, which counts shared pages in each.
"""
import argparse
import datetime
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / 'tests/scenario'), str(TOP / 'tests/fixtures')]
from b3_server import B3Server, make_portfolio  # noqa: E402


def told(program, *words):
    return json.loads(subprocess.run([program, *map(str, words), '--format', 'json'], check=True, capture_output=True, text=True).stdout)


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp()


def memory_kib(pid):
    try:
        text, name = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text(), 'Pss:'
    except OSError:
        text, name = pathlib.Path(f'/proc/{pid}/status').read_text(), 'VmRSS:'
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def line(what, values):
    print(f'{what:44} median {statistics.median(values) * 1000:6.0f} ms   99th percentile {percentile(values, 0.99) * 1000:6.0f} ms')


def job_ends(program, lake):
    runs = [r for r in told(program, 'runs', '--lake', lake, '--limit', 1000) if r['kind'] == 'job' and r['name'] == 'portfolio' and r['took_us']]
    return sorted(seconds(r['started']) + r['took_us'] / 1e6 for r in runs if r['state'] == 'succeeded')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--sessions', type=int, default=30)
    parser.add_argument('--pregao', default=str(TOP / 'build/pregao'))
    options = parser.parse_args()
    first = datetime.date(2024, 7, 1)
    days = [d for d in (first + datetime.timedelta(n) for n in range(options.sessions * 2)) if d.weekday() < 5][:options.sessions]
    with tempfile.TemporaryDirectory() as folder, B3Server({'IBOV': make_portfolio('IBOV', days[0])}) as b3:
        folder = pathlib.Path(folder)
        lake, conf = folder / 'lake', folder / 'up.ini'
        conf.write_text(f'[b3_portfolio]\nurl = {b3.url}\n[schedule.portfolio]\njitter = 0\n[calendar]\nadd = {days[0]}\n')
        up = subprocess.Popen([options.pregao, 'up', '--lake', lake, '--config', conf, '--format', 'json', '--period', '1d',
                               '--source', 'binance=http://127.0.0.1:9/', '--listen', '127.0.0.1:0'], stdout=subprocess.PIPE, text=True)
        pids = {}
        for text in up.stdout:
            event = json.loads(text)
            if event['event'] == 'started':
                pids[event['role']] = event['pid']
            if event['event'] == 'up':
                break
        pids['supervisor'] = up.pid
        took = []
        try:
            for day in days:
                b3.portfolios['IBOV'] = make_portfolio('IBOV', day)
                before = len(job_ends(options.pregao, lake))
                known = set(lake.glob('landing/b3/portfolio/*/*'))
                subprocess.run([options.pregao, 'schedule', 'run', 'portfolio', '--session', str(day), '--lake', lake, '--config', conf],
                               check=True, stdout=subprocess.DEVNULL)
                until = time.monotonic() + 30
                while len(ends := job_ends(options.pregao, lake)) <= before and time.monotonic() < until:
                    time.sleep(0.2)
                landed = [p for p in set(lake.glob('landing/b3/portfolio/*/*')) - known]
                if len(ends) <= before or not landed:
                    sys.exit(f'{day} was not refined in 30 s')
                took.append(ends[-1] - min(p.stat().st_mtime for p in landed))
            time.sleep(2)
            memory = {role: memory_kib(pid) for role, pid in pids.items()}
        finally:
            up.terminate()
            up.wait()
        passes = []
        for day in days[:10]:
            b3.portfolios['IBOV'] = make_portfolio('IBOV', day, seed='2')
            began = time.monotonic()
            subprocess.run([options.pregao, 'run', '--lake', folder / 'passes', '--url', b3.url], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            passes.append(time.monotonic() - began)
    line(f'up: landing to refined, {len(took)} sessions', took)
    line(f'run: the whole pass, {len(passes)} sessions', passes)
    for role, kib in memory.items():
        print(f'memory of {role:34} {kib / 1024:6.1f} MB')
    print(f'memory of {"all":34} {sum(memory.values()) / 1024:6.1f} MB')


if __name__ == '__main__':
    main()
