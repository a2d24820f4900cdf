"""Looking at a lake from outside: its bytes, its files, and what pregao says about it."""
import hashlib
import json
import pathlib


def files(lake, *folders):
    """Relative path -> SHA-256 of every data file; state/ and scratch/ aside, and landing receipts, which hold the time."""
    lake = pathlib.Path(lake)
    found = {}
    for folder in folders or ('landing', 'raw', 'refined', 'compact', 'quarantine'):
        for path in sorted((lake / folder).rglob('*')):
            if not path.is_file():
                continue
            name = str(path.relative_to(lake))
            if name.startswith('landing/') and name.endswith('.json') and not name.endswith('.body.json'):
                continue
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def digest(lake):
    """One hash over the whole lake, receipts too, state/ aside."""
    lake = pathlib.Path(lake)
    h = hashlib.sha256()
    for path in sorted(p for p in lake.rglob('*') if p.is_file()):
        name = str(path.relative_to(lake))
        if not name.startswith('state/'):
            h.update(f'{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n'.encode())
    return h.hexdigest()


def sql(pregao, lake, statement, **kw):
    return json.loads(pregao('sql', statement, '--lake', lake, '--format', 'json', **kw).stdout)


def runs(pregao, lake):
    return json.loads(pregao('runs', '--lake', lake, '--format', 'json', '--limit', 1000).stdout)


def job_runs(pregao, lake):
    return [r for r in runs(pregao, lake) if r['kind'] == 'job']
