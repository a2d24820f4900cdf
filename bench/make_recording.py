#!/usr/bin/env python3
"""Makes up a recording of Binance's combined streams, as the recorder writes them: `<receive time in ns> <JSON>`, one message a line.

Three of four messages are best bids and asks, one is a trade; every fiftieth is a change of the order book, which a replay passes over. The
same arguments always give the same bytes.

    bench/make_recording.py FILE --minutes 10 --rate 10
"""
import argparse
import pathlib
import random

BEGIN_NS = 1_722_988_800_000_000_000  # 2024-08-07T00:00:00Z
FIRST_TRADE = 3_735_000_000


def make_recording(path, minutes, rate, seed=1):
    """Returns (lines, trades, ticks) of what it wrote."""
    rng = random.Random(seed)
    count, step = minutes * 60 * rate, 1_000_000_000 // rate
    cents, trade, trades, ticks = 6_100_000, FIRST_TRADE, 0, 0
    with open(path, "w", encoding="ascii", buffering=1 << 20) as out:
        for number in range(count):
            received = BEGIN_NS + number * step + rng.randrange(step // 2)
            event = received // 1_000_000 - rng.randrange(5)
            cents += rng.randrange(-300, 301)
            price, ask = f"{cents // 100}.{cents % 100:02d}000000", f"{(cents + 1) // 100}.{(cents + 1) % 100:02d}000000"
            size = f"{rng.randrange(4)}.{rng.randrange(1, 100000):05d}000"
            if number % 50 == 49:
                out.write(f'{received} {{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{event},"s":"BTCUSDT","U":{number},'
                          f'"u":{number + 9},"b":[["{price}","{size}"]],"a":[["{ask}","0.00000000"]]}}}}\n')
            elif number % 4 == 3:
                out.write(f'{received} {{"stream":"btcusdt@trade","data":{{"e":"trade","E":{event + 1},"s":"BTCUSDT","t":{trade},"p":"{price}",'
                          f'"q":"{size}","T":{event},"m":{"true" if rng.random() < 0.5 else "false"},"M":true}}}}\n')
                trade += 1
                trades += 1
            else:
                out.write(f'{received} {{"stream":"btcusdt@bookTicker","data":{{"u":{50093239212 + number},"s":"BTCUSDT","b":"{price}",'
                          f'"B":"{size}","a":"{ask}","A":"1.54698000"}}}}\n')
                ticks += 1
    return count, trades, ticks


def main():
    parser = argparse.ArgumentParser(description="Make up a recording of Binance's streams.")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--rate", type=int, default=10, help="messages a second")
    options = parser.parse_args()
    print("%d lines: %d trades, %d ticks" % make_recording(options.file, options.minutes, options.rate))


if __name__ == "__main__":
    main()
