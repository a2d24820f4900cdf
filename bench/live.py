#!/usr/bin/env python3
"""How long after a record was acknowledged a query sees it: `pregao fetch bitcoin --follow` collects, and at each line that it prints
a statement is started that must find the record, wherever it lies: in the spool, or already in a file.

What is timed is what a user waits for: from the line to the result, the start of the process included. The same statement when nothing
has arrived is the floor beneath it."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests/scenario'))
import bitcoin_server  # noqa: E402
from measure import workplace  # noqa: E402


def measured(options, work):
    lake, conf = work / 'lake', work / 'live.ini'
    conf.write_text('[stream]\nage = 5s\n')  # so that some records are seen in the spool and some in files
    common = ['--lake', str(lake), '--config', str(conf), '--format', 'json']

    def ask(seq):
        sql = f'SELECT count(*) AS n FROM raw.bitcoin_ticks WHERE seq = {seq}'
        began = time.monotonic()
        out = subprocess.run([options.pregao, 'sql', sql, *common], capture_output=True, text=True, check=True).stdout
        return time.monotonic() - began, json.loads(out)[0]['n']

    waits = []
    with bitcoin_server.serve() as server:
        collector = subprocess.Popen([options.pregao, 'fetch', 'bitcoin', '--follow', '--period', '1s', *common, '--source',
                                      f'binance={server.url}/binance'], stdout=subprocess.PIPE, text=True)
        try:
            while len(waits) < options.records:
                record = json.loads(collector.stdout.readline())
                if record['kind'] != 'tick':
                    continue
                took, seen = ask(record['seq'])
                if seen != 1:
                    sys.exit(f'record {record["seq"]} was acknowledged and is seen {seen} times')
                waits.append(took)
        finally:
            collector.terminate()
            collector.wait()
    floor = [ask(1)[0] for _ in range(20)]
    return {'records': len(waits), 'median_ms': statistics.median(waits) * 1000, 'p99_ms': statistics.quantiles(waits, n=100)[98] * 1000,
            'floor_median_ms': statistics.median(floor) * 1000}


def main():
    words = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    words.add_argument('--records', type=int, default=100)
    words.add_argument('--pregao', default=str(ROOT / 'build/pregao'))
    words.add_argument('--json', action='store_true')
    options = words.parse_args()
    with workplace(ROOT / 'build/bench-work') as work:
        result = measured(options, work)
    if options.json:
        print(json.dumps(result))
        return
    print('Bitcoin: from the acknowledgement to a query that sees the record, the start of `pregao sql` included\n')
    print(f'  {result["records"]} records   median {result["median_ms"]:.0f} ms   99th percentile {result["p99_ms"]:.0f} ms')
    print(f'  the same statement while nothing is collected: median {result["floor_median_ms"]:.0f} ms')


if __name__ == '__main__':
    main()
