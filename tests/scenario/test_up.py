"""`pregao up`: everything at once. What is killed meanwhile: test_up_kill.py; what keeps it from starting: test_up_config.py."""
import datetime
import http.server
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest

import bitcoin_server
import lake as look
from b3_server import B3Server, make_portfolio
from supervised import ROLES, Up, eventually, lives

SESSION = datetime.date(2024, 7, 15)


@pytest.fixture
def outside():
    with bitcoin_server.serve() as bitcoin, B3Server({'IBOV': make_portfolio('IBOV', SESSION)}) as b3:
        yield b3, bitcoin


@pytest.fixture
def conf(tmp_path, outside):
    path = tmp_path / 'up.ini'
    path.write_text(f'[b3_portfolio]\nurl = {outside[0].url}\n[stream]\nage = 1s\nsegment = 16KiB\n[scheduler]\nvisibility = 3s\n'
                    '[schedule.portfolio]\njitter = 0\nanswer = 10s\nretry = 1s\n')
    return path


@pytest.fixture
def words(conf, tmp_path, outside):
    return ['--lake', tmp_path / 'lake', '--config', conf, '--period', '1s',
            *(w for i in range(3) for w in ('--source', f'binance/PAIR{i}={outside[1].url}/binance?symbol=PAIR{i}'))]


def ask_for_session(pregao, tmp_path, conf):
    pregao('schedule', 'run', 'portfolio', '--session', SESSION, '--lake', tmp_path / 'lake', '--config', conf)


def refined(pregao, lake):
    return look.sql(pregao, lake, "SELECT count(*) AS n FROM refined.portfolio WHERE pregao_date = '2024-07-15'")[0]['n']


def slot(pregao, lake):
    return json.loads(pregao('schedule', 'list', '--lake', lake, '--format', 'json').stdout)[0]['state']


def backed_up(pregao, lake):
    status = json.loads(pregao('backup', 'status', '--lake', lake, '--format', 'json').stdout)[0]
    return status['copied'] > 0


def nothing_lost(pregao, lake):
    """Every number that was given out is in the lake or the spool, once."""
    rows = look.sql(pregao, lake, """SELECT seq FROM raw.bitcoin_ticks UNION ALL SELECT seq FROM raw.bitcoin_gaps ORDER BY 1""")
    got = [r['seq'] for r in rows]
    assert got, 'nothing was collected'
    assert len(got) == len(set(got)), 'a record is there twice'
    last = json.loads(pregao('stream', 'status', '--lake', lake, '--format', 'json').stdout)[0]['last_seq']
    assert got == list(range(1, last + 1)), f'{last - len(got)} of {last} records are lost'


def counted(pregao, lake, histogram):
    lines = pregao('metrics', '--lake', lake).stdout.splitlines()
    return next((line.split()[-1] for line in lines if line.startswith(f'{histogram}_count')), '0')


def test_everything_flows(pregao, words, conf, tmp_path):
    lake = tmp_path / 'lake'
    up = Up(pregao, *words)
    up.wait(lambda e: e['event'] == 'up')
    assert set(up.pids()) == ROLES
    ask_for_session(pregao, tmp_path, conf)
    assert eventually(lambda: refined(pregao, lake)) == 85, up.said()
    assert eventually(lambda: slot(pregao, lake) == 'done'), up.said()
    assert eventually(lambda: backed_up(pregao, lake)), up.said()
    for name in ('pregao_delivery_seconds', 'pregao_raw_to_refined_seconds'):
        assert eventually(lambda name=name: int(counted(pregao, lake, name)) > 0), f'nothing was observed in {name}'
    pids = up.pids()
    assert up.end() == 0, up.said()
    assert not [p for p in pids.values() if lives(p)]
    assert not [e for e in up.events if e['event'] in ('failed', 'killed')], up.said()
    nothing_lost(pregao, lake)
    status = json.loads(pregao('stream', 'status', '--lake', lake, '--format', 'json').stdout)[0]
    assert status['lag_records'] == 0, 'the collector did not end before the deliverer'


def test_one_at_a_time(pregao, words):
    up = Up(pregao, *words)
    first = up.wait(lambda e: e['event'] == 'up')
    second = pregao('up', *words, expect=1)
    assert f'process {first["pid"]}' in second.stderr and 'already' in second.stderr
    assert up.end(signal.SIGINT) == 0


def test_new_configuration(pregao, words, conf):
    up = Up(pregao, *words)
    up.wait(lambda e: e['event'] == 'up')
    before = up.pids()
    good = conf.read_text()
    conf.write_text(good + '[backup]\nworkers = many\n')
    up.process.send_signal(signal.SIGHUP)
    kept = up.wait(lambda e: e['event'] == 'kept')
    assert kept['code'] == 'USAGE' and 'workers' in kept['text'] and 'up.ini:' in kept['text']
    assert up.pids() == before
    conf.write_text(good + '[backup]\nworkers = 2\n')
    up.process.send_signal(signal.SIGHUP)
    up.wait(lambda e: e['event'] == 'reloaded', 60)
    after = up.pids()
    assert set(after) == ROLES and not set(after.values()) & set(before.values())
    assert up.end() == 0, up.said()


def test_roles_that_were_to_end_are_no_warning(pregao, words):
    """A new configuration and Ctrl-C end every role; a kill does too, and is told."""
    up = pregao.start('up', *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while 'SIGHUP' not in up.stdout.readline():
        pass
    up.send_signal(signal.SIGHUP)
    said = up.stderr.readline()
    assert 'read again' in said
    scheduler = subprocess.run(['pgrep', '-P', str(up.pid), '-x', 'scheduler'], capture_output=True, text=True).stdout
    os.kill(int(scheduler), signal.SIGKILL)
    assert 'scheduler' in up.stderr.readline()
    up.send_signal(signal.SIGINT)
    assert up.communicate()[1] == 'stopping\n' and up.returncode == 0


def test_failed_fetch_is_logged_with_its_object(pregao, words, conf, tmp_path, outside):
    outside[0].misbehave('status', code=404)
    conf.write_text(conf.read_text().replace('[stream]', 'attempts = 1\n[stream]', 1))
    up = Up(pregao, *words)
    up.wait(lambda e: e['event'] == 'up')
    ask_for_session(pregao, tmp_path, conf)
    log = ['logs', '--role', 'scraper', '--text', 'source.failed', '--lake', tmp_path / 'lake', '--format', 'json']
    assert eventually(lambda: json.loads(pregao(*log).stdout)), up.said()
    event = json.loads(pregao(*log).stdout)[0]
    assert event['object'] == 'IBOV' and event['error_code'] and '404' in event['text']
    assert up.end() == 0, up.said()


def test_failing_source_is_logged_with_its_object(pregao, words, tmp_path):
    up = Up(pregao, *words, '--source', 'binance/NOBODY=http://127.0.0.1:9/')
    up.wait(lambda e: e['event'] == 'up')
    log = ['logs', '--role', 'collector', '--text', 'source_failing', '--lake', tmp_path / 'lake', '--format', 'json']
    assert eventually(lambda: json.loads(pregao(*log).stdout)), up.said()
    event = json.loads(pregao(*log).stdout)[0]
    assert event['object'] == 'binance/NOBODY' and event['error_code'] == 'refused'
    assert up.end() == 0, up.said()


def test_alarms_are_told_by_a_command_and_a_webhook(pregao, words, conf, tmp_path):
    """What was refused is told within a judging, by the command outside the role's sandbox and by a POST from inside."""
    lake, told, posted = tmp_path / 'lake', tmp_path / 'told', []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass
    hook = http.server.HTTPServer(('127.0.0.1', 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    (tmp_path / 'teller.sh').write_text(f'read line; echo "$PREGAO_ALARM $line" >>{told}\n')
    conf.write_text(conf.read_text() + f'[alarms]\nevery = 1s\nnotify = /bin/sh {tmp_path}/teller.sh\n'
                    f'webhook = http://127.0.0.1:{hook.server_port}/\n')
    up = Up(pregao, *words)
    up.wait(lambda e: e['event'] == 'up')
    (tmp_path / 'bad.csv').write_text('<html>not today</html>')
    pregao('import', 'portfolio', tmp_path / 'bad.csv', '--lake', lake, expect=3)
    assert eventually(lambda: told.exists() and 'quarantine' in told.read_text()), up.said()
    assert eventually(lambda: [p for p in posted if (p['alarm'], p['state']) == ('quarantine', 'alarm')]), up.said()
    lines = [line for line in told.read_text().splitlines() if line.startswith('quarantine ')]
    assert len(lines) == 1 and json.loads(lines[0].split(' ', 1)[1])['lake'] == str(lake)
    for path in (lake / 'quarantine').rglob('*.*'):
        path.unlink()
    assert eventually(lambda: [p for p in posted if (p['alarm'], p['state']) == ('quarantine', 'ok')]), up.said()
    changes = json.loads(pregao('alarms', 'history', '--lake', lake, '--format', 'json').stdout)
    assert not [c for c in changes if c['state'] == 'unknown'], 'the role lacks a right'
    changes = [c for c in changes if c['alarm'] == 'quarantine']
    assert [(c['state'], c['told']) for c in changes] == [('ok', True), ('alarm', True)]
    assert up.end() == 0, up.said()
    hook.shutdown()
    assert not [e for e in up.events if e['event'] in ('failed', 'killed')], up.said()


def test_a_notify_command_ends_with_its_role(pregao, words, conf, tmp_path):
    """Killed while it tells: the command and what that began are ended with it, and the change is told again."""
    pids, lake = tmp_path / 'pids', tmp_path / 'lake'
    (tmp_path / 'teller.sh').write_text(f'sleep 1000 & echo $$ $! >>{pids}; wait\n')
    conf.write_text(conf.read_text() + f'[alarms]\nevery = 1s\nnotify = /bin/sh {tmp_path}/teller.sh\n')
    up = Up(pregao, *words)
    up.wait(lambda e: e['event'] == 'up')
    (tmp_path / 'bad.csv').write_text('<html>not today</html>')
    pregao('import', 'portfolio', tmp_path / 'bad.csv', '--lake', lake, expect=3)
    assert eventually(lambda: pids.exists() and pids.read_text().endswith('\n')), up.said()
    began = [int(pid) for pid in pids.read_text().split()]
    assert len(began) == 2 and all(lives(pid) for pid in began)
    os.kill(up.pids()['alarms'], signal.SIGKILL)
    assert eventually(lambda: not any(lives(pid) for pid in began)), up.said()
    assert up.end() == 0, up.said()


@pytest.mark.parametrize('abi, lacks', [(-1, 'folders'), (1, 'folders'), (3, 'TCP ports')])
def test_older_kernel(pregao, words, conf, abi, lacks):
    """It says what an older kernel cannot hold, works all the same, and does not where the sandbox is a condition."""
    conf.write_text(conf.read_text() + f'[sandbox]\nlandlock = {abi}\n')
    refused = pregao('up', *words, '--require-sandbox', expect=1)
    assert lacks in refused.stderr and '--require-sandbox' in refused.stderr
    assert not (conf.parent / 'lake').exists()
    up = Up(pregao, *words)
    up.wait(lambda e: e['event'] == 'up')
    assert eventually(lambda: look.sql(pregao, conf.parent / 'lake', 'SELECT count(*) AS n FROM raw.bitcoin_ticks')[0]['n']), up.said()
    assert up.end() == 0, up.said()
    assert lacks in ''.join(up.errors)


def test_access(pregao):
    """What the table says; that it is true is shown by tests/unit/test_role_sandbox.c, from inside."""
    shown = json.loads(pregao('access', 'show', '--format', 'json').stdout)
    assert {r['role'] for r in shown} == ROLES
    assert {r['held_by'] for r in shown} <= {'kernel', 'guard', 'nothing', 'port: kernel, host: guard'}
    assert [r['means'] for r in shown if r['role'] == 'scraper' and r['kind'] == 'network'] == ['sistemaswebb3-listados.b3.com.br:443']
    for role, action, resource, allowed in [('scraper', 'write', 'raw/portfolio/x', True), ('scraper', 'write', 'raw/portfolios/x', False),
                                            ('job', 'read', 'raw/portfolio/x', True), ('job', 'write', 'raw/portfolio/x', False),
                                            ('backup', 'receive', 'queue:backup', True), ('backup', 'send', 'queue:backup', False),
                                            ('collector', 'connect', 'network:api.binance.com:443', True),
                                            ('delivery', 'connect', 'network:api.binance.com:443', False),
                                            ('collector', 'append', 'stream:bitcoin', True), ('scheduler', 'tick', 'scheduler', True)]:
        said = pregao('access', 'check', role, action, resource, '--format', 'json', expect=0 if allowed else 1).stdout
        assert json.loads(said)['allowed'] == allowed, (role, action, resource)
    limits = {(r['role'], r['kind']): r['resource'] for r in shown if r['action'] == 'use'}
    assert limits['scheduler', 'memory'].endswith(' MiB') and limits['job', 'core-file'] == '0'
    assert 'scraper' in pregao('access', 'check', 'nobody', 'read', 'raw', expect=2).stderr
    assert 'juggle' in pregao('access', 'check', 'job', 'juggle', 'raw', expect=2).stderr
    assert 'ROLE' in pregao('access', 'check', 'job', 'read', expect=2).stderr
    policies = json.loads(pregao('access', 'export').stdout)
    assert {p['Role'] for p in policies['Roles']} == ROLES
    means = {p['Role']: {(a, r) for s in p['Statement'] for a in s['Action'] for r in s['Resource']} for p in policies['Roles']}
    assert means['job'] >= {('catalog:write', 'catalog:refined.*'), ('object-store:read', 'object-store:raw/*'), ('job-engine:work', 'job-engine:*')}
    assert ('catalog:write', 'catalog:raw.portfolio') in means['scraper'] and ('queue:send', 'queue:backup') not in means['backup']
    assert all(s['Effect'] == 'Allow' and s['Action'] and s['Resource'] for p in policies['Roles'] for s in p['Statement'])


def test_the_picture_of_the_roles_is_theirs(pregao):
    """docs/roles.svg is what scripts/draw-roles makes of the table."""
    top = pathlib.Path(__file__).resolve().parents[2]
    table = pregao('access', 'show', '--format', 'json').stdout
    drawn = subprocess.run([top / 'scripts/draw-roles'], input=table, capture_output=True, text=True, check=True).stdout
    assert all(f'>{role}</text>' in drawn for role in ROLES)
    assert drawn == (top / 'docs/roles.svg').read_text(), \
        'run: build/pregao access show --format json | scripts/draw-roles >docs/roles.svg'


def test_access_by_trying(pregao, conf, tmp_path):
    """What was tried came as the table says; a sandbox that does not hold is told, with exit status 4."""
    place = tmp_path / 'tried'
    place.mkdir()
    tried = json.loads(pregao('access', 'check', '--config', conf, '--format', 'json', env={'TMPDIR': str(place)}).stdout)
    assert {r['role'] for r in tried} == ROLES and all(r['right'] for r in tried)
    came = {(r['role'], r['tried']): r['came'] for r in tried}
    assert came['scraper', 'write object-store landing'] == 'yes' and came['job', 'write object-store landing'] == 'kernel'
    assert came['scraper', 'send queue scheduled'] == 'guard' and came['scheduler', 'send queue scheduled'] == 'yes'
    conf.write_text(conf.read_text() + '[sandbox]\nlandlock = -1\n')
    done = pregao('access', 'check', 'backup', '--config', conf, env={'TMPDIR': str(place)}, expect=4)
    assert 'yes !' in done.stdout and 'otherwise' in done.stderr
    assert not list(place.iterdir()), 'something stayed behind'
