#!/usr/bin/env python3
"""The fair baseline: one pass of `pregao run`, as a careful data engineer would write it for speed in Python.

It fetches index portfolios, keeps the original bytes with a receipt, parses, reconciles, writes raw Parquet, groups, writes one
refined partition per stock and a compact file per session, registers them in a SQLite catalog, and reads the ten largest shares
back. What was written is on disk when it ends: files are synced in scratch/, renamed, and their folders synced.

    baseline.py --index IBOV,SMLL --url http://127.0.0.1:8000/ --lake FOLDER [--engine pandas|arrow]

Two engines, because "Python" could mean either: `pandas` groups and reads back with pandas; `arrow` never imports pandas, groups
85 rows in a dict, and uses pyarrow for Parquet alone, which is the fastest we know how to write. What made it faster was kept: the
imports overlap the fetch; http.client and not requests; pq.ParquetFile and not pq.read_table, which imports pyarrow.dataset; direct
writes and not write_dataset, which cannot sync; a pool that encodes, writes and syncs many small files at once.
"""
import argparse
import base64
import datetime
import hashlib
import http.client
import itertools
import json
import os
import re
import sqlite3
import sys
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from zoneinfo import ZoneInfo

TRIES = 5
WORKERS = 16
BATCH = 8
JOB = "baseline-1"


class Rejected(Exception):
    """The payload is not what B3 promises; it goes to quarantine."""


# ---- Fetch

class Payload:
    def __init__(self, index, url, status, headers, landed_at, data):
        self.index, self.url, self.status, self.headers, self.landed_at, self.data = index, url, status, headers, landed_at, data
        self.sha256 = hashlib.sha256(data).hexdigest()


def fetch(base, index):
    """The day's portfolio of an index: Latin-1 CSV bytes out of a base64 body. Retries what may pass."""
    argument = base64.b64encode(json.dumps({"index": index, "language": "pt-br"}, separators=(",", ":")).encode()).decode()
    url = urllib.parse.urlsplit(f"{base.rstrip('/')}/GetDownloadPortfolioDay/{urllib.parse.quote(argument, safe='')}")
    connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(0.5 * 2 ** attempt)
        try:
            connection = connect(url.netloc, timeout=30)
            try:
                connection.request("GET", url.path)
                answer = connection.getresponse()
                body = answer.read(16_000_000)
            finally:
                connection.close()
            if answer.status == 200 and body:
                return Payload(index, url.geturl(), 200, dict(answer.getheaders()), datetime.datetime.now(datetime.timezone.utc),
                               base64.b64decode(body, validate=True))
            reason = f"status {answer.status}, {len(body)} bytes"
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error)
    raise ConnectionError(f"{index}: {reason} after {TRIES} tries")


# ---- Parse and reconcile

HEADER = ["Código", "Ação", "Tipo", "Qtde. Teórica", "Part. (%)"]
TITLE = re.compile(r"([A-Z0-9]+) - Carteira do Dia (\d\d)/(\d\d)/(\d\d)")
WHOLE = re.compile(r"\d{1,3}(\.\d{3})*")
SHARE = re.compile(r"\d{1,3},\d{3}")
REDUTOR = re.compile(r"\d{1,3}(\.\d{3})*,\d{8}")


def whole(text):
    if not WHOLE.fullmatch(text):
        raise Rejected(f"{text!r} is not a quantity")
    return int(text.replace(".", ""))


def thousandths(text):
    if not SHARE.fullmatch(text):
        raise Rejected(f"{text!r} is not a share")
    return int(text.replace(",", ""))


class Session:
    """A parsed, reconciled portfolio. Columns, not rows; shares in thousandths of a percent."""

    def __init__(self, payload):
        lines = payload.data.decode("latin-1").splitlines()
        title = TITLE.fullmatch(lines[0]) if len(lines) > 4 else None
        if not title or title[1] != payload.index or lines[1].split(";") != HEADER:
            raise Rejected("no title with the index and the session's date, or another header")
        self.index = payload.index
        self.date = datetime.date(2000 + int(title[4]), int(title[3]), int(title[2]))
        rows = [line.split(";") for line in lines[2:-2]]
        if any(len(row) != 6 or row[5] for row in rows):
            raise Rejected("a row without its five fields")
        self.codigo, self.acao, self.tipo, quantities, shares, _ = map(list, zip(*rows))
        self.quantity, self.share = [whole(text) for text in quantities], [thousandths(text) for text in shares]
        total, redutor = lines[-2].split(";"), lines[-1].split(";")
        if total[0] != "Quantidade Teórica Total" or redutor[0] != "Redutor" or not REDUTOR.fullmatch(redutor[3]):
            raise Rejected("no footer")
        self.quantity_total, self.share_total = whole(total[3]), thousandths(total[4])
        self.redutor = Decimal(redutor[3].replace(".", "").replace(",", "."))
        if sum(self.quantity) != self.quantity_total:
            raise Rejected(f"quantities add up to {sum(self.quantity)}, the footer says {self.quantity_total}")
        if sum(self.share) != 100_000 or self.share_total != 100_000:
            raise Rejected(f"shares add up to {sum(self.share)} thousandths, not to 100,000")


# ---- Store: a folder; atomic and durable

class Store:
    """put() writes a file in scratch/, sync() brings all of them to disk and into place. First every file is made, then every one
    is synced: a file made while another is synced waits for the file system's journal, a millisecond each."""

    def __init__(self, root, pool):
        self.root, self.pool = root, pool
        self.made, self.touched, self.staged = {root}, set(), []
        os.makedirs(root, exist_ok=True)
        self.folder(f"{root}/scratch")

    def folder(self, path):
        """Makes a folder and remembers whose entries must be synced."""
        if path in self.made:
            return
        self.folder(os.path.dirname(path))
        try:
            os.mkdir(path)
            self.touched.add(os.path.dirname(path))
        except FileExistsError:
            pass
        self.made.add(path)

    def put(self, key, data):
        path = f"{self.root}/{key}"
        folder = os.path.dirname(path)
        self.folder(folder)
        self.touched.add(folder)
        staged = f"{self.root}/scratch/{os.getpid()}-{len(self.staged)}"
        file = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(file, data)
        os.close(file)
        self.staged.append((staged, path))

    @staticmethod
    def _finish(staged):
        for file, path in staged:
            sync(file, os.O_WRONLY)
            os.rename(file, path)

    @staticmethod
    def _sync_folders(folders):
        for folder in folders:
            sync(folder, os.O_RDONLY | os.O_DIRECTORY)

    def sync(self):
        """Returns when everything put is on disk."""
        for work, items in (self._finish, self.staged), (self._sync_folders, list(self.touched)):
            list(self.pool.map(work, (items[start:start + BATCH] for start in range(0, len(items), BATCH))))
        self.staged, self.touched = [], set()


def sync(path, flags):
    file = os.open(path, flags)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def escape(value):
    """A partition value as it stands in a path: AMBEV S/A is AMBEV%20S%2FA."""
    return urllib.parse.quote(value, safe="")


# ---- The two engines: from a session to refined columns, and from refined files to the ten largest

REFINED = ("action", "pregao_date", "tipo", "theoretical_quantity", "participation", "ticker", "papers")


def refine_pandas(pd, session):
    frame = pd.DataFrame({"acao": session.acao, "data_pregao": session.date, "tipo": session.tipo, "codigo": session.codigo,
                          "qtd_teorica": session.quantity, "part": session.share})
    grouped = frame.groupby(["acao", "data_pregao", "tipo"], as_index=False).agg(
        theoretical_quantity=("qtd_teorica", "sum"), participation=("part", "sum"), ticker=("codigo", "min"), papers=("codigo", "size"))
    grouped = grouped.rename(columns={"acao": "action", "data_pregao": "pregao_date"})
    return {name: grouped[name].tolist() for name in REFINED}


def refine_dict(session):
    groups = {}
    for acao, tipo, codigo, quantity, share in zip(session.acao, session.tipo, session.codigo, session.quantity, session.share):
        group = groups.setdefault((acao, tipo), [0, 0, codigo, 0])
        group[0] += quantity
        group[1] += share
        group[2] = min(group[2], codigo)
        group[3] += 1
    rows = [(acao, session.date, tipo, *group) for (acao, tipo), group in sorted(groups.items())]
    return dict(zip(REFINED, map(list, zip(*rows))))


def largest_pandas(_pd, pq, path):
    frame = pq.ParquetFile(path).read().to_pandas()
    top = frame.sort_values(["participation", "action"], ascending=[False, True]).head(10)
    return list(top[["ticker", "action", "tipo", "theoretical_quantity", "participation"]].itertuples(index=False, name=None))


def largest_arrow(pq, path):
    columns = pq.ParquetFile(path).read(columns=["ticker", "action", "tipo", "theoretical_quantity", "participation"]).to_pydict()
    return sorted(zip(*columns.values()), key=lambda row: (-row[4], row[1]))[:10]


# ---- Write

def decimals(pa, values, precision):
    return pa.array([Decimal(value).scaleb(-3) for value in values], pa.decimal128(precision, 3))


class Lake:
    def __init__(self, root, engine, as_of, pa, pq, pd, pool):
        self.root, self.engine, self.as_of = root, engine, as_of
        self.pa, self.pq, self.pd = pa, pq, pd
        self.store = Store(root, pool)
        self.store.folder(f"{root}/state")
        self.store.touched.add(f"{root}/state")
        self.partitions = []  # (table, layout, index, session, action, key, rows, bytes, sha256)

    def encode(self, table):
        sink = self.pa.BufferOutputStream()
        self.pq.write_table(table, sink, compression="snappy", use_dictionary=table.num_rows > 1)
        return sink.getvalue()

    def write(self, table, layout, session, action, key, data, sha256):
        encoded = self.encode(data)
        self.store.put(key, encoded)
        self.partitions.append((table, layout, session.index, session.date.isoformat(), action, key, data.num_rows, len(encoded), sha256))

    def land(self, payload):
        key = f"landing/b3/portfolio/index={payload.index}/{payload.sha256}"
        receipt = json.dumps({"url": payload.url, "status": payload.status, "headers": payload.headers, "bytes": len(payload.data),
                              "landed_at": payload.landed_at.isoformat()}, indent=1).encode()
        self.store.put(f"{key}.csv", payload.data)
        self.store.put(f"{key}.json", receipt)

    def quarantine(self, payload, reason):
        key = f"quarantine/b3/portfolio/index={payload.index}/{payload.sha256}"
        self.store.put(f"{key}.csv", payload.data)
        self.store.put(f"{key}.json", json.dumps({"reason": reason, "parser": JOB}).encode())

    def write_raw(self, session, sha256):
        pa, rows = self.pa, len(session.codigo)
        folder = f"data_pregao={session.date}/index_code={session.index}/{sha256[:16]}.parquet"
        self.write("raw.portfolio", "published", session, None, f"raw/portfolio/{folder}", pa.table({
            "codigo": session.codigo,
            "acao": session.acao,
            "tipo": session.tipo,
            "setor": pa.nulls(rows, pa.string()),
            "qtd_teorica": pa.array(session.quantity, pa.int64()),
            "part": decimals(pa, session.share, 9),
            "source_sha256": [sha256] * rows,
        }), sha256)
        self.write("raw.portfolio_total", "published", session, None, f"raw/portfolio_total/{folder}", pa.table({
            "qtd_teorica_total": pa.array([session.quantity_total], pa.int64()),
            "part_total": decimals(pa, [session.share_total], 9),
            "redutor": pa.array([session.redutor], pa.decimal128(38, 8)),
            "source_sha256": [sha256],
        }), sha256)

    def write_refined(self, session, sha256):
        pa = self.pa
        columns = refine_pandas(self.pd, session) if self.engine == "pandas" else refine_dict(session)
        rows = len(columns["action"])
        name = hashlib.sha256(f"{sha256}/{JOB}/{self.as_of}".encode()).hexdigest()[:16]
        days = [(self.as_of - date).days for date in columns["pregao_date"]]
        table = pa.table({
            "action": columns["action"],
            "pregao_date": pa.array(columns["pregao_date"], pa.date32()),
            "tipo": columns["tipo"],
            "ticker": columns["ticker"],
            "papers": pa.array(columns["papers"], pa.int64()),
            "theoretical_quantity": pa.array(columns["theoretical_quantity"], pa.int64()),
            "participation": decimals(pa, columns["participation"], 18),
            "days_since_session": pa.array(days, pa.int32()),
            "as_of": pa.array([self.as_of] * rows, pa.date32()),
        })
        self.write("refined.portfolio", "compact", session, None,
                   f"compact/refined/portfolio/index_code={session.index}/{session.date}-{name}.parquet", table, sha256)
        narrow = table.select(table.column_names[2:])
        folder = f"refined/portfolio/index_code={session.index}/pregao_date={session.date}"
        for action, group in itertools.groupby(range(rows), key=columns["action"].__getitem__):  # the rows are in order of action
            group = list(group)
            self.write("refined.portfolio", "published", session, action, f"{folder}/action={escape(action)}/{name}.parquet",
                       narrow.slice(group[0], len(group)), sha256)

    def publish(self):
        """Everything on disk first, then the catalog, in one transaction."""
        catalog = sqlite3.connect(f"{self.root}/state/catalog.sqlite", isolation_level=None)
        catalog.executescript("""
            PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS partitions (
                table_name TEXT NOT NULL, layout TEXT NOT NULL, index_code TEXT NOT NULL, session TEXT NOT NULL, action TEXT,
                key TEXT NOT NULL PRIMARY KEY, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, source_sha256 TEXT NOT NULL
            ) WITHOUT ROWID;
            CREATE INDEX IF NOT EXISTS partitions_by_session ON partitions (index_code, session);""")
        self.store.sync()
        catalog.execute("BEGIN IMMEDIATE")
        catalog.executemany("DELETE FROM partitions WHERE index_code = ? AND session = ?", {(p[2], p[3]) for p in self.partitions})
        catalog.executemany("INSERT INTO partitions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self.partitions)
        catalog.execute("COMMIT")
        return catalog

    def show_largest(self, catalog, sessions):
        for session in sessions:
            (key,), = catalog.execute("SELECT key FROM partitions WHERE table_name = 'refined.portfolio' AND layout = 'compact' "
                                      "AND index_code = ? AND session = ?", (session.index, session.date.isoformat()))
            path = f"{self.root}/{key}"
            top = largest_pandas(self.pd, self.pq, path) if self.engine == "pandas" else largest_arrow(self.pq, path)
            print(f"{session.index} {session.date}")
            for ticker, action, tipo, quantity, share in top:
                print(f"  {ticker:<8}{action:<16}{tipo:<12}{quantity:>16,}{share:>9}")


def main():
    parser = argparse.ArgumentParser(description="One pass over B3's index portfolios with pandas and pyarrow.")
    parser.add_argument("--index", default="IBOV")
    parser.add_argument("--url", required=True)
    parser.add_argument("--lake", required=True)
    parser.add_argument("--as-of", type=datetime.date.fromisoformat)
    parser.add_argument("--engine", choices=("pandas", "arrow"), default="pandas")
    options = parser.parse_args()
    as_of = options.as_of or datetime.datetime.now(ZoneInfo("America/Sao_Paulo")).date()

    with ThreadPoolExecutor(WORKERS) as pool:
        fetches = [pool.submit(fetch, options.url, index) for index in options.index.split(",")]
        # The slow imports run while the answers travel. pyarrow imports pandas and numpy wherever it finds them, even for
        # pa.array(list): the arrow engine runs as if only pyarrow were installed.
        pd = None
        if options.engine == "pandas":
            import pandas as pd
        else:
            sys.modules["pandas"] = sys.modules["numpy"] = None
        import pyarrow as pa
        import pyarrow.parquet as pq
        lake = Lake(options.lake.rstrip("/"), options.engine, as_of, pa, pq, pd, pool)
        sessions, failed, rejected = [], False, False
        for future in fetches:
            try:
                payload = future.result()
            except ConnectionError as error:
                print(f"baseline: {error}", file=sys.stderr)
                failed = True
                continue
            lake.land(payload)
            try:
                session = Session(payload)
            except (Rejected, ValueError, IndexError) as error:
                print(f"baseline: {payload.index}: {error}", file=sys.stderr)
                lake.quarantine(payload, str(error))
                rejected = True
                continue
            lake.write_raw(session, payload.sha256)
            lake.write_refined(session, payload.sha256)
            sessions.append(session)
        catalog = lake.publish()
        lake.show_largest(catalog, sessions)
        catalog.close()
    return 1 if failed else 3 if rejected else 0


if __name__ == "__main__":
    sys.exit(main())
