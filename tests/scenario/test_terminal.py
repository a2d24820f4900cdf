"""What the terminal shows beside tables: charts, and CSV for a Brazilian spreadsheet."""
import csv
import io
import re


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
