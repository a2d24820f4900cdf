"""The daily pass as a user runs it: the sample, files, repetition, correction, forms, as-of dates."""
import datetime
import json
import os
import pathlib
import sys

import pytest

import lake as look

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'fixtures'))
import make_portfolio  # noqa: E402

DAY = datetime.date(2024, 7, 15)


def portfolio(seed=1, index='IBOV', stocks=12, session=DAY):
    return make_portfolio.make_portfolio(index=index, session=session, stocks=stocks, seed=seed)


def save(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def imported(pregao, lake, *files, expect=0, extra=()):
    return json.loads(pregao('import', 'portfolio', *files, '--lake', lake, '--format', 'json', *extra, expect=expect).stdout)


def test_sample(pregao):
    """The sample has a lake of its own, says that it is a sample, and ends with the ten largest shares."""
    done = pregao('run', '--input', 'sample')
    lines = done.stdout.rstrip().splitlines()
    assert 'SAMPLE' in lines[-1] and '10 rows' in done.stdout
    lake = pregao.home / 'data/pregao/sample'
    assert (lake / 'raw/portfolio').is_dir() and not (pregao.home / 'data/pregao/lake').exists()
    again = look.digest(lake)
    jobs = len(look.job_runs(pregao, lake))
    pregao('run', '--input', 'sample')
    assert look.digest(lake) == again and len(look.job_runs(pregao, lake)) == jobs == 1


def test_sample_in_a_named_lake(pregao, tmp_path):
    out = json.loads(pregao('run', '--input', 'sample', '--lake', tmp_path / 'mine', '--format', 'json').stdout)
    assert out['input'] == 'sample' and out['lake'] == str(tmp_path / 'mine') and len(out['largest']) == 10
    assert not (pregao.home / 'data').exists()


def test_auto_falls_back_loudly(pregao):
    """Nothing listens on the port: the sample runs, and says so on stderr and in the last line."""
    done = pregao('run', '--input', 'auto', '--url', 'http://127.0.0.1:9/')
    assert 'SAMPLE' in done.stderr and 'cannot be reached' in done.stderr and 'SAMPLE' in done.stdout.splitlines()[-1]


def test_auto_does_not_take_another_index_for_the_one_asked_for(pregao):
    """The sample is of the IBOV: for any other index it is no answer, alone or beside it."""
    for index in ('SMLL', 'IBOV,SMLL'):
        done = pregao('run', '--input', 'auto', '--index', index, '--url', 'http://127.0.0.1:9/', expect=1)
        assert 'IBOV, not of SMLL' in done.stderr and '127.0.0.1:9' in done.stderr and done.stdout == ''
        assert not (pregao.home / 'data/pregao').exists()
    assert 'SAMPLE' in pregao('run', '--input', 'auto', '--index', 'ibov', '--url', 'http://127.0.0.1:9/').stdout


def test_live_unreachable_fails(pregao, tmp_path):
    config = save(tmp_path, 'c.ini', b'[b3_portfolio]\nattempts = 2\npause = 10ms\n')
    done = pregao('run', '--url', 'http://127.0.0.1:9/', '--config', config, expect=1)
    assert '127.0.0.1:9' in done.stderr
    assert done.stdout.splitlines()[-1] == 'source: live, http://127.0.0.1:9/ (failed: no session came from it)'


def test_layout_on_disk(pregao, tmp_path):
    """The paths of the lake are a contract: other programs read them."""
    lake = tmp_path / 'lake'
    data = portfolio().csv()
    sha = look.hashlib.sha256(data).hexdigest()
    imported(pregao, lake, save(tmp_path, 'a.csv', data))
    assert (lake / f'landing/b3/portfolio/index=IBOV/{sha}.csv').read_bytes() == data
    receipt = json.loads((lake / f'landing/b3/portfolio/index=IBOV/{sha}.json').read_text())
    assert {'url', 'status', 'headers', 'time'} <= receipt.keys()
    assert len(list((lake / 'raw/portfolio/data_pregao=2024-07-15/index_code=IBOV').glob('*.parquet'))) == 1
    assert len(list((lake / 'raw/portfolio_total/data_pregao=2024-07-15/index_code=IBOV').glob('*.parquet'))) == 1
    actions = {p.name for p in (lake / 'refined/portfolio/index_code=IBOV/pregao_date=2024-07-15').iterdir()}
    assert 'action=AMBEV%20S%2FA' in actions and 'action=PETROBRAS' in actions
    assert len(list((lake / 'compact/refined/portfolio/index_code=IBOV').glob('2024-07-15-*.parquet'))) == 1


def test_issuer_with_two_papers(pregao, tmp_path):
    """Grouping by stock, date and type merges nothing unseen: ticker and papers tell."""
    lake = tmp_path / 'lake'
    p = portfolio()
    imported(pregao, lake, save(tmp_path, 'a.csv', p.csv()))
    got = look.sql(pregao, lake, "SELECT ticker, papers, tipo, theoretical_quantity FROM refined.portfolio WHERE action = 'PETROBRAS' ORDER BY ticker")
    want = sorted((r.codigo, 1, r.tipo, r.quantity) for r in p.rows if r.acao == 'PETROBRAS')
    assert [tuple(r.values()) for r in got] == want and len(want) == 2


def test_repeating_changes_nothing(pregao, tmp_path):
    lake = tmp_path / 'lake'
    file = save(tmp_path, 'a.csv', portfolio().csv())
    assert imported(pregao, lake, file)[0]['outcome'] == 'new'
    before, jobs = look.digest(lake), len(look.job_runs(pregao, lake))
    assert imported(pregao, lake, file)[0]['outcome'] == 'unchanged'
    assert look.digest(lake) == before
    assert len(look.job_runs(pregao, lake)) == jobs == 1


def test_correction_replaces_that_session_only(pregao, tmp_path):
    lake = tmp_path / 'lake'
    other = portfolio(session=datetime.date(2024, 7, 16))
    imported(pregao, lake, save(tmp_path, 'a.csv', portfolio(1).csv()), save(tmp_path, 'b.csv', other.csv()),
             save(tmp_path, 'c.csv', portfolio(1, index='SMLL').csv()))
    before = look.files(lake)
    assert imported(pregao, lake, save(tmp_path, 'a2.csv', portfolio(2, stocks=9).csv()))[0]['outcome'] == 'changed'
    after = look.files(lake)

    def untouched(files):
        return {k: v for k, v in files.items() if not ('2024-07-15' in k and 'IBOV' in k) and not k.startswith('landing/')}
    assert untouched(before) == untouched(after)
    assert {k for k in before if k.startswith('landing/')} <= after.keys()
    want = {r.acao for r in portfolio(2, stocks=9).rows}
    assert {r['action'] for r in look.sql(pregao, lake, "SELECT DISTINCT action FROM refined.portfolio WHERE pregao_date = '2024-07-15' AND index_code = 'IBOV'")} == want
    assert len(list((lake / 'refined/portfolio/index_code=IBOV/pregao_date=2024-07-15').iterdir())) == len(want)


def test_there_and_back(pregao, tmp_path):
    """A, B, A: the third import brings back the first one's very files."""
    lake = tmp_path / 'lake'
    a, b = save(tmp_path, 'a.csv', portfolio(1).csv()), save(tmp_path, 'b.csv', portfolio(2).csv())
    imported(pregao, lake, a)
    first = look.files(lake, 'raw', 'refined', 'compact')
    imported(pregao, lake, b)
    assert look.files(lake, 'raw', 'refined', 'compact') != first
    imported(pregao, lake, a)
    assert look.files(lake, 'raw', 'refined', 'compact') == first


def test_sectors_are_kept_and_gained(pregao, tmp_path):
    p = portfolio()
    plain, sectors = save(tmp_path, 'p.csv', p.csv()), save(tmp_path, 's.csv', p.csv(sectors=True))
    count = 'SELECT count(setor) AS n FROM raw.portfolio'
    one, two = tmp_path / 'one', tmp_path / 'two'
    imported(pregao, one, sectors)
    assert imported(pregao, one, plain)[0]['outcome'] == 'unchanged'
    assert look.sql(pregao, one, count) == [{'n': len(p.rows)}]
    imported(pregao, two, plain)
    assert look.sql(pregao, two, count) == [{'n': 0}]
    assert imported(pregao, two, sectors)[0]['outcome'] == 'detailed'
    assert look.sql(pregao, two, count) == [{'n': len(p.rows)}]


def test_json_answer(pregao, tmp_path):
    """A saved answer of the service needs --index, and is the same session as the CSV."""
    p = portfolio()
    lake = tmp_path / 'lake'
    page = save(tmp_path, 'page.json', p.page_bytes())
    refused = imported(pregao, lake, page, expect=3)
    assert refused[0]['reason'] == 'no_index' and '--index' in refused[0]['text']
    assert imported(pregao, lake, page, extra=('--index', 'IBOV'))[0]['outcome'] == 'new'
    assert imported(pregao, lake, save(tmp_path, 'p.csv', p.csv()))[0]['outcome'] == 'unchanged'


def test_replay(pregao, tmp_path):
    """What was refused for want of an index is accepted when it is given, and leaves quarantine."""
    lake = tmp_path / 'lake'
    imported(pregao, lake, save(tmp_path, 'page.json', portfolio().page_bytes()), expect=3)
    entry = json.loads(pregao('quarantine', 'list', '--lake', lake, '--format', 'json').stdout)[0]
    pregao('quarantine', 'replay', entry['id'], '--lake', lake, expect=3)
    assert len(json.loads(pregao('quarantine', 'list', '--lake', lake, '--format', 'json').stdout)) == 1
    pregao('quarantine', 'replay', entry['id'][:10], '--index', 'IBOV', '--lake', lake)
    assert json.loads(pregao('quarantine', 'list', '--lake', lake, '--format', 'json').stdout) == []
    assert look.sql(pregao, lake, 'SELECT count(*) AS n FROM refined.portfolio')[0]['n'] > 0


def test_as_of(pregao, tmp_path):
    """days_since_session counts to the date the payload landed, or to --as-of; only --as-of changes it later. It may be negative."""
    lake = tmp_path / 'lake'
    file = save(tmp_path, 'a.csv', portfolio().csv())
    days = "SELECT DISTINCT days_since_session AS d, as_of FROM refined.portfolio"
    imported(pregao, lake, file)
    landed = look.sql(pregao, lake, days)[0]
    assert (datetime.date.fromisoformat(landed['as_of']) - DAY).days == landed['d']
    imported(pregao, lake, file, extra=('--as-of', '2024-07-10'))
    assert look.sql(pregao, lake, days) == [{'d': -5, 'as_of': '2024-07-10'}]
    before = look.digest(lake)
    imported(pregao, lake, file)
    assert look.digest(lake) == before


def test_some_bad_some_good(pregao, tmp_path):
    """Each file stands alone: 1 if any failed, else 3 if any was refused."""
    lake = tmp_path / 'lake'
    good, bad = save(tmp_path, 'a.csv', portfolio().csv()), save(tmp_path, 'b.csv', b'hello\n')
    assert [r['outcome'] for r in imported(pregao, lake, good, bad, expect=3)] == ['new', 'refused']
    assert [r['outcome'] for r in imported(pregao, lake, tmp_path / 'missing.csv', bad, good, expect=1)] == ['failed', 'refused', 'unchanged']


def test_folder_and_stdin(pregao, tmp_path):
    folder = tmp_path / 'in'
    (folder / 'deep').mkdir(parents=True)
    save(folder, 'a.csv', portfolio().csv())
    save(folder / 'deep', 'b.CSV', portfolio(session=datetime.date(2024, 7, 16)).csv())
    save(folder, 'notes.md', b'not a payload')
    lake = tmp_path / 'lake'
    assert [r['outcome'] for r in imported(pregao, lake, folder)] == ['new', 'new']
    done = pregao('import', 'portfolio', '-', '--lake', lake, '--format', 'json', text=False, input=portfolio(session=datetime.date(2024, 7, 17)).csv())
    assert json.loads(done.stdout)[0]['session'] == '2024-07-17'


def test_second_job_is_one_file(pregao, tmp_path):
    """Share by sector: nothing but JSON is added."""
    definition = pathlib.Path(__file__).parents[1] / 'fixtures/jobs/sector_share.json'
    lake, p = tmp_path / 'lake', portfolio()
    (tmp_path / 'mine/jobs').mkdir(parents=True)
    save(tmp_path / 'mine/jobs', 'sector_share.json', definition.read_bytes())
    imported(pregao, lake, save(tmp_path, 's.csv', p.csv(sectors=True)), extra=('--definitions', tmp_path / 'mine'))
    tables = {t['table'] for t in json.loads(pregao('tables', '--lake', lake, '--format', 'json').stdout)}
    assert 'refined.sector_share' in tables
    total = look.sql(pregao, lake, 'SELECT * FROM refined.sector_share')
    assert len(total) == len({r.setor for r in p.rows})
    other = tmp_path / 'other'
    imported(pregao, other, tmp_path / 's.csv')
    pregao('job', 'run', definition, '--lake', other)
    assert look.sql(pregao, other, 'SELECT * FROM refined.sector_share ORDER BY ALL') == look.sql(pregao, lake, 'SELECT * FROM refined.sector_share ORDER BY ALL')


def test_many_databases(pregao, tmp_path):
    """Every database has a folder of its own in the lake; the SQL worker may read them all, and sees new ones at once."""
    lake, mine = tmp_path / 'lake', tmp_path / 'mine/jobs'
    mine.mkdir(parents=True)
    p = portfolio()
    imported(pregao, lake, save(tmp_path, 's.csv', p.csv(sectors=True)))
    text = (pathlib.Path(__file__).parents[1] / 'fixtures/jobs/sector_share.json').read_text()
    names = [f'd{n:02}' for n in range(18)]
    for name in names:
        save(mine, f'{name}.json', text.replace('refined.sector_share', f'{name}.share').replace('"job": "sector_share"', f'"job": "{name}"').encode())
    words = ('--definitions', tmp_path / 'mine')
    count = ' UNION ALL '.join(f"SELECT '{name}' AS d, count(*) AS n FROM {name}.share" for name in names) + ' ORDER BY d'

    def counted():
        return json.loads(pregao('sql', count, '--lake', lake, '--format', 'json', *words).stdout)
    assert counted() == [{'d': name, 'n': 0} for name in names]
    for name in names:
        pregao('job', 'run', name, '--lake', lake, *words)
    rows = counted()
    assert [r['d'] for r in rows] == names and len({r['n'] for r in rows}) == 1 and rows[0]['n'] > 0


@pytest.mark.skipif(os.geteuid() == 0, reason='root reads everything')
def test_unreadable_file_as_user(pregao, tmp_path):
    file = save(tmp_path, 'a.csv', portfolio().csv())
    file.chmod(0)
    imported(pregao, tmp_path / 'lake', file, expect=1)


def test_lost_state_is_made_again_from_landing(pregao, tmp_path):
    """The catalog is no treasure: importing landing again gives the same names and bytes."""
    import shutil
    lake = tmp_path / 'lake'
    imported(pregao, lake, save(tmp_path, 'a.csv', portfolio().csv()), save(tmp_path, 'b.csv', portfolio(index='SMLL').csv(sectors=True)))
    before = look.files(lake)
    shutil.rmtree(lake / 'state')
    assert look.sql(pregao, lake, 'SELECT count(*) AS n FROM raw.portfolio') == [{'n': 0}]
    imported(pregao, lake, *(lake / 'landing').rglob('*.csv'))
    assert look.files(lake) == before


def test_a_failed_job_is_tried_again(pregao, tmp_path):
    """A machine failure fails the pass; the next one, though its payload is unchanged, finishes the work."""
    lake = tmp_path / 'lake'
    file = save(tmp_path, 'a.csv', portfolio().csv())
    lake.mkdir()
    (lake / 'refined').write_text('in the way')
    imported(pregao, lake, file, expect=1)
    (lake / 'refined').unlink()
    assert imported(pregao, lake, file)[0]['outcome'] == 'unchanged'
    assert look.sql(pregao, lake, 'SELECT sum(papers) AS n FROM refined.portfolio') == [{'n': 12}]
