"""What the terminal shows beside tables: charts, CSV for a Brazilian spreadsheet, what changed between two sessions."""
import csv
import datetime
import io
import json
import os
import pathlib
import pty
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'fixtures'))
import make_portfolio  # noqa: E402


def test_csv_br(pregao, tmp_path):
    statement = "SELECT 'x;y' AS texto, '=1+1' AS formula, 1234.50::DECIMAL(9,2) AS valor, NULL AS nada, 7 AS inteiro, '1.5' AS letras"
    done = pregao('sql', statement, '--lake', tmp_path / 'lake', '--format', 'csv-br')
    assert done.stdout.startswith('\ufeff')
    rows = list(csv.DictReader(io.StringIO(done.stdout[1:]), delimiter=';'))
    assert rows == [{'texto': 'x;y', 'formula': "'=1+1", 'valor': '1234,50', 'nada': '', 'inteiro': '7', 'letras': '1.5'}]
    # lists too
    assert pregao('tables', '--lake', tmp_path / 'lake', '--format', 'csv-br').stdout.startswith('\ufeff')


def bars(text):
    return {m[1]: (len(m[2]), m[3]) for m in re.finditer(r'^(\w+) +(█+)[▏▎▍▌▋▊▉]? (-?[\d.]+)$', text, re.M)}


def test_chart_bar(pregao, tmp_path):
    values = "FROM (VALUES ('um', 10), ('dois', 20), ('quatro', 40)) t(nome, valor)"
    done = pregao('sql', f'SELECT nome, valor {values}', '--chart', 'bar', '--lake', tmp_path / 'lake')
    assert done.stdout.startswith('valor\n')
    found = bars(done.stdout)
    assert [v[1] for v in found.values()] == ['10', '20', '40']
    assert abs(found['quatro'][0] - 4 * found['um'][0]) <= 4 and abs(found['dois'][0] - 2 * found['um'][0]) <= 2
    # what is below nought lies on the other side
    done = pregao('sql', "SELECT * FROM (VALUES ('a', -5.5), ('b', 5.5)) t(n, v)", '--chart', 'bar', '--lake', tmp_path / 'lake')
    low, high = (re.search('█', line).start() for line in done.stdout.splitlines()[1:3])
    assert low < high


def test_chart_line(pregao, tmp_path):
    done = pregao('sql', 'SELECT i, i * i AS q FROM range(50) t(i)', '--chart', 'line', '--lake', tmp_path / 'lake')
    title, *lines, ends = done.stdout.splitlines()
    assert title == 'q' and ends.split() == ['0', '49'] and len(lines) == 16
    assert lines[0].startswith('2401 ┤') and lines[-1].split('┤')[0].strip() == '0'
    fields = [line.split('┤')[1] for line in lines]
    # rising: the first dot of each row lies further right than the one of the row below
    first = [next((i for i, c in enumerate(f) if c != '⠀'), None) for f in fields]
    assert None not in first and first == sorted(first, reverse=True)


def test_chart_says_what_it_wants(pregao, tmp_path):
    lake = ('--lake', tmp_path / 'lake')
    assert 'column of numbers' in pregao('sql', "SELECT 'a', 'b'", '--chart', 'bar', *lake, expect=1).stderr
    assert 'more than 200 rows' in pregao('sql', 'SELECT i, i FROM range(201) t(i)', '--chart', 'bar', *lake, expect=1).stderr
    assert 'expected bar or line' in pregao('sql', 'SELECT 1', '--chart', 'pie', *lake, expect=2).stderr
    assert '--chart draws' in pregao('sql', 'SELECT 1', '--chart', 'bar', '--format', 'csv', *lake, expect=2).stderr
    done = pregao('sql', 'SELECT NULL::INT AS n', '--chart', 'line', *lake)
    assert 'no rows' in done.stdout and '1 of 1 rows' in done.stdout
    # --limit counts rows of the result
    assert len(bars(pregao('sql', "SELECT 'r' || i, i + 1 FROM range(500) t(i)", '--chart', 'bar', '--limit', '3', *lake).stdout)) == 3


@pytest.fixture
def sessions(pregao, tmp_path):
    """Two sessions of one index: {codigo: (quantity, thousandths)} of each."""
    found = []
    for day, stocks, seed in ((datetime.date(2024, 7, 15), 12, 1), (datetime.date(2024, 7, 16), 10, 2)):
        p = make_portfolio.make_portfolio(index='IBOV', session=day, stocks=stocks, seed=seed)
        (tmp_path / f'{day}.csv').write_bytes(p.csv())
        pregao('import', 'portfolio', tmp_path / f'{day}.csv', '--lake', tmp_path / 'lake')
        rows = json.loads(pregao('sql', f"SELECT codigo, qtd_teorica q, CAST(part * 1000 AS INTEGER) p FROM raw.portfolio WHERE data_pregao = DATE '{day}'",
                                 '--format', 'json', '--lake', tmp_path / 'lake').stdout)
        found.append({r['codigo']: (r['q'], r['p']) for r in rows})
    return found


def test_diff(pregao, sessions, tmp_path):
    before, after = sessions
    assert set(before) - set(after) and set(before) & set(after)
    rows = json.loads(pregao('diff', 'ibov', '2024-07-15', '2024-07-16', '--all', '--format', 'json', '--lake', tmp_path / 'lake').stdout)
    assert {r['codigo'] for r in rows} == set(before) | set(after) and len(rows) == len({r['codigo'] for r in rows})
    for r in rows:
        b, a = before.get(r['codigo']), after.get(r['codigo'])
        wanted = 'entered' if not b else 'left' if not a else 'up' if a[1] > b[1] else 'down' if a[1] < b[1] else 'quantity' if a[0] != b[0] else 'same'
        assert r['change'] == wanted
        assert (r['qtd_before'], r['qtd_after']) == (b and b[0], a and a[0])
        assert round(r['part_change'] * 1000) == (a[1] if a else 0) - (b[1] if b else 0)
    # the other way round everything is the other way round
    back = json.loads(pregao('diff', 'IBOV', '2024-07-16', '2024-07-15', '--format', 'json', '--lake', tmp_path / 'lake').stdout)
    other = {'entered': 'left', 'left': 'entered', 'up': 'down', 'down': 'up', 'quantity': 'quantity'}
    assert {r['codigo']: other[r['change']] for r in back} == {r['codigo']: r['change'] for r in rows if r['change'] != 'same'}
    assert json.loads(pregao('diff', 'IBOV', '2024-07-15', '2024-07-15', '--format', 'json', '--lake', tmp_path / 'lake').stdout) == []


def test_diff_is_coloured_on_a_terminal(pregao, sessions, tmp_path):
    ours, theirs = pty.openpty()
    env = {k: v for k, v in pregao.env.items() if k != 'NO_COLOR'}
    child = subprocess.Popen([pregao.path, 'diff', 'IBOV', '2024-07-15', '2024-07-16', '--lake', tmp_path / 'lake'], stdout=theirs,
                             stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**env, 'TERM': 'xterm'})
    os.close(theirs)
    text = b''
    try:
        while piece := os.read(ours, 65536):
            text += piece
    except OSError:  # the other end is closed
        pass
    assert child.wait(timeout=30) == 0
    assert '\x1b[31mleft' in text.decode()


def test_diff_says_what_is_there(pregao, sessions, tmp_path):
    lake = ('--lake', tmp_path / 'lake')
    assert 'on 2024-07-17; the nearest: 2024-07-16' in pregao('diff', 'IBOV', '2024-07-15', '2024-07-17', *lake, expect=1).stderr
    assert 'no session of SMLL' in pregao('diff', 'SMLL', '2024-07-15', '2024-07-16', *lake, expect=1).stderr
    assert 'expected a date' in pregao('diff', 'IBOV', '2024-07-15', '15/07/2024', *lake, expect=2).stderr
    assert 'no index name' in pregao('diff', "I'B", '2024-07-15', '2024-07-16', *lake, expect=2).stderr


@pytest.mark.parametrize('form', ['csv', 'csv with sectors', 'json'])
def test_trace(pregao, tmp_path, form):
    p = make_portfolio.make_portfolio(index='IBOV', session=datetime.date(2024, 7, 15), stocks=10, seed=3)
    payload = tmp_path / ('answer.json' if form == 'json' else 'day.csv')
    payload.write_bytes(p.page_bytes() if form == 'json' else p.csv(sectors=form != 'csv'))
    lake = tmp_path / 'lake'
    pregao('import', 'portfolio', payload, '--lake', lake, '--index', 'IBOV', '--as-of', '2024-07-20')
    codes = [r['codigo'] for r in json.loads(pregao('sql', 'SELECT codigo FROM raw.portfolio', '--lake', lake, '--format', 'json').stdout)]
    assert len(codes) >= 10
    for code in codes:
        rows = json.loads(pregao('trace', 'IBOV', code.lower(), '2024-07-15', '--as-of', '2024-07-20', '--lake', lake, '--format', 'json').stdout)
        steps = {}
        for r in rows:
            steps.setdefault(r['step'], {})[r['column']] = r['value']
        assert list(steps) == ['landing', 'raw.portfolio', 'by_stock', 'named', 'dated', 'checked', 'refined.portfolio']
        landing, raw, refined = steps['landing'], steps['raw.portfolio'], steps['refined.portfolio']
        landed = (lake / landing['file']).read_bytes()
        assert landed == payload.read_bytes()
        at = int(landing['offset'])
        assert landed[at:].decode('latin-1').startswith(landing['bytes']) and code in landing['bytes']
        assert landed[:at].count(b'\n') + 1 == int(landing['line'])
        assert raw['codigo'] == code and (lake / raw['file']).exists() and (lake / refined['file']).exists()
        assert refined['action'] == steps['named']['action'] == steps['by_stock']['acao'] == raw['acao']
        # what was computed anew is what the table has
        assert {k: v for k, v in steps['checked'].items()} == {k: v for k, v in refined.items() if k != 'file'}
        assert refined['days_since_session'] == '5'


def test_trace_says_what_is_missing(pregao, sessions, tmp_path):
    lake = ('--lake', tmp_path / 'lake')
    assert 'no session of IBOV on 2024-07-17' in pregao('trace', 'IBOV', 'PETR4', '2024-07-17', *lake, expect=1).stderr
    assert "X'X is not in IBOV" in pregao('trace', 'IBOV', "x'x", '2024-07-15', *lake, expect=1).stderr
    assert 'expected a date' in pregao('trace', 'IBOV', 'PETR4', 'today', *lake, expect=2).stderr
    for payload in (tmp_path / 'lake/landing').rglob('*.csv'):
        payload.unlink()
    assert 'payload is gone: landing/b3/portfolio/index=IBOV/' in pregao('trace', 'IBOV', 'PETR4', '2024-07-15', *lake, expect=1).stderr
