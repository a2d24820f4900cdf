"""Recorded payloads of B3, read at run time from a folder outside the project: each imports whole, or is refused with a reason and a place.
The expected figures are computed here, by other means than the program's."""
import json
import re

import pytest

import lake as look


def independent(path):
    """Rows, sum of quantities and total share (in thousandths) of a B3 file, from its text alone."""
    raw = path.read_bytes()
    text = raw.decode('utf-8-sig') if raw.startswith(b'\xef\xbb\xbf') else raw.decode('latin-1')
    lines = [line for line in text.splitlines() if line.strip()]
    index, date = re.match(r'(\w+) - Carteira do Dia (\d\d/\d\d/\d\d)', lines[0]).groups()
    sectors = lines[1].startswith('Setor')
    at = 1 if sectors else 0
    rows, quantity, share = 0, 0, 0
    for line in lines[2:]:
        cells = line.split(';')
        if cells[0].startswith(('Quantidade', 'Redutor')):
            continue
        rows += 1
        quantity += int(cells[3 + at].replace('.', ''))
        share += int(cells[4 + at].replace(',', ''))
    total = next(line for line in lines if line.startswith('Quantidade')).split(';')
    return {'index': index, 'session': f'20{date[6:]}-{date[3:5]}-{date[:2]}', 'rows': rows, 'quantity': quantity, 'share': share,
            'footer': int(total[3 + at].replace('.', '')), 'sectors': sectors}


def recorded(shared_data, *folders):
    return sorted(p for folder in folders for p in (shared_data / folder).glob('*.csv'))


def test_every_recorded_file(pregao, shared_data, tmp_path):
    """All of them in one lake: per file the figures match."""
    lake = tmp_path / 'lake'
    files = recorded(shared_data, 'portfolio', 'portfolio-sector')
    listed = json.loads(pregao('import', 'portfolio', shared_data / 'portfolio', shared_data / 'portfolio-sector', '--lake', lake, '--format', 'json').stdout)
    assert len(listed) == len(files) and {r['outcome'] for r in listed} <= {'new', 'changed', 'detailed', 'unchanged'}
    got = {(r['i'], r['d']): r for r in look.sql(pregao, lake, '''
        SELECT p.index_code AS i, p.data_pregao AS d, count(*) AS rows, sum(qtd_teorica) AS quantity, CAST(sum(part) * 1000 AS BIGINT) AS share,
               any_value(qtd_teorica_total) AS footer, any_value(CAST(part_total * 1000 AS BIGINT)) AS part_total, count(setor) AS sectors
        FROM raw.portfolio p JOIN raw.portfolio_total t ON p.index_code = t.index_code AND p.data_pregao = t.data_pregao GROUP BY ALL''')}
    for file in files:
        want = independent(file)
        have = got[want['index'], want['session']]
        for key in ('rows', 'quantity', 'share', 'footer'):
            assert have[key] == want[key], (file.name, key)
        assert have['share'] == have['part_total'] == 100_000, file.name
        if want['sectors']:
            assert have['sectors'] == want['rows'], file.name
    refined = {(r['i'], r['d']): r for r in look.sql(pregao, lake, '''SELECT index_code AS i, pregao_date AS d, sum(theoretical_quantity) AS quantity,
        sum(papers) AS papers, CAST(sum(participation) * 1000 AS BIGINT) AS share FROM refined.portfolio GROUP BY ALL''')}
    assert refined.keys() == got.keys()
    for key, have in refined.items():
        assert (have['quantity'], have['papers'], have['share']) == (got[key]['quantity'], got[key]['rows'], 100_000), key


def test_other_forms_are_the_same(pregao, shared_data, tmp_path):
    """CRLF or LF, with a BOM, re-saved as UTF-8: the same content, so nothing is written and no job starts."""
    source = shared_data / 'portfolio/IBOVDia_2024-07-15.csv'
    lake = tmp_path / 'lake'
    pregao('import', 'portfolio', source, '--lake', lake)
    before, jobs = look.files(lake, 'raw', 'refined', 'compact'), len(look.job_runs(pregao, lake))
    raw = source.read_bytes()
    text = raw.decode('latin-1')
    for name, form in {'lf': raw.replace(b'\r\n', b'\n'), 'crlf': raw.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n'), 'utf8': text.encode(),
                       'bom': b'\xef\xbb\xbf' + text.encode()}.items():
        file = tmp_path / f'{name}.csv'
        file.write_bytes(form)
        assert json.loads(pregao('import', 'portfolio', file, '--lake', lake, '--format', 'json').stdout)[0]['outcome'] == 'unchanged', name
    assert look.files(lake, 'raw', 'refined', 'compact') == before
    assert len(look.job_runs(pregao, lake)) == jobs


def damaged_files():
    """Collected lazily: the folder may be absent."""
    return [f'{n:02d}-' for n in range(1, 36, 2)]


@pytest.mark.parametrize('prefix', damaged_files())
def test_damaged(pregao, shared_data, tmp_path, prefix):
    """Read in full or refused with a reason, a place and a sentence; never a wrong or partial row."""
    file = next((shared_data / 'portfolio-damaged').glob(prefix + '*'), None)
    if file is None:
        pytest.skip('no such recorded file')
    lake = tmp_path / 'lake'
    done = pregao('import', 'portfolio', file, '--lake', lake, '--format', 'json', expect=None)
    row = json.loads(done.stdout)[0]
    rows = look.sql(pregao, lake, 'SELECT count(*) AS n, CAST(sum(qtd_teorica) AS BIGINT) AS q, CAST(sum(part) * 1000 AS BIGINT) AS s FROM raw.portfolio')[0]
    if done.returncode == 0:
        want = independent(file)
        assert (rows['n'], rows['q'], rows['s']) == (want['rows'], want['footer'], 100_000)
        assert row['session'] == want['session'] and row['index'] == want['index']
        return
    assert done.returncode == 3 and rows['n'] == 0
    assert row['reason'] and row['text'] and row['outcome'] == 'refused'
    listed = json.loads(pregao('quarantine', 'list', '--lake', lake, '--format', 'json').stdout)
    assert len(listed) == 1 and listed[0]['reason'] == row['reason'] and listed[0]['bytes'] == file.stat().st_size
    out = tmp_path / 'payload'
    pregao('quarantine', 'show', listed[0]['id'][:12], '--lake', lake, '-o', out)
    assert out.read_bytes() == file.read_bytes()


def test_odd_redutor(pregao, shared_data, tmp_path):
    """18.296.80337677573 lost its comma: the last group has eleven digits."""
    lake = tmp_path / 'lake'
    pregao('import', 'portfolio', shared_data / 'portfolio/IBOVDia_2021-03-26.csv', '--lake', lake)
    assert pregao('sql', 'SELECT redutor FROM raw.portfolio_total', '--lake', lake, '--format', 'csv').stdout.splitlines()[1] == '18296803.37677573'


def test_large_quantity(pregao, shared_data, tmp_path):
    lake = tmp_path / 'lake'
    pregao('import', 'portfolio', shared_data / 'portfolio', '--lake', lake)
    biggest = max(int(line.split(';')[3].replace('.', '')) for p in recorded(shared_data, 'portfolio')
                  for line in p.read_text('latin-1').splitlines()[2:] if line and not line.startswith(('Quantidade', 'Redutor')))
    assert biggest > 2 ** 31
    assert look.sql(pregao, lake, 'SELECT max(qtd_teorica) AS m FROM raw.portfolio')[0]['m'] == biggest
