"""What is installed works: from a folder of its own, with an empty home, and with nothing of the build."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
# what the package of the tested program is made with: no compression, which takes longest; a commit may come in between
MAKE = {'COMPRESSION': 'none', 'SOURCE_DATE_EPOCH': '1700000000'}


def commands(pregao):
    """Every command, as the overview has it."""
    return re.findall(r'^  ((?:[a-z]+ )?[a-z]+)  ', pregao('--help').stdout, re.M)


@pytest.fixture
def installed(pregao, tmp_path):
    """The program as installed below a DESTDIR; its folder in `.root`."""
    root = tmp_path / 'root'
    subprocess.run([TOP / 'packaging/install'], check=True, capture_output=True,
                   env={**pregao.env, 'PROGRAM': pregao.path, 'PREFIX': '/usr', 'DESTDIR': str(root)})
    pregao.path = str(root / 'usr/bin/pregao')
    pregao.root = root / 'usr'
    return pregao


def test_installed_program_runs_with_its_own_library(installed):
    done = installed('run', '--input', 'sample', env={'LD_DEBUG': 'files'})
    assert 'PETR4' in done.stdout
    library = str((installed.root / 'lib/pregao/libduckdb.so').resolve())
    loaded = {os.path.realpath(path) for path in re.findall(r'calling init: (\S+libduckdb\.so)', done.stderr)}
    assert loaded == {library}
    there = {str(p.relative_to(installed.root)) for p in installed.root.rglob('*') if p.is_file()}
    assert {'share/man/man1/pregao.1', 'share/man/pt_BR/man1/pregao.1', 'share/doc/pregao/LICENSE', 'share/doc/pregao/install.md',
            'share/bash-completion/completions/pregao', 'share/zsh/site-functions/_pregao',
            'share/fish/vendor_completions.d/pregao.fish', 'lib/systemd/system/pregao.service', 'lib/sysusers.d/pregao.conf'} <= there
    for path in installed.root.rglob('*'):
        if path.is_file() and path.suffix != '.so' and path.name != 'pregao':
            assert str(installed.root.parent).encode() not in path.read_bytes()  # DESTDIR is for packagers only


def test_manual_has_every_command_and_reads_well(pregao):
    english, portuguese = pregao('man').stdout, pregao('man', env={'LC_ALL': 'pt_BR.UTF-8'}).stdout
    names = commands(pregao)
    assert len(names) > 30
    for name in names:
        assert f'\n\\fBpregao {name}\\fR' in english
    assert '.SH "COMANDOS"' in portuguese and '.SH "COMMANDS"' in english
    for option in set(re.findall(r'--[a-z-]+', ''.join(pregao(*n.split(), '--help').stdout.split('\n\n')[-1] for n in names[:8]))):
        assert option.replace('-', '\\-') in english
    if shutil.which('groff'):
        done = subprocess.run(['groff', '-k', '-man', '-ww', '-Tutf8'], input=english, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr


ANSWERS = [
    (['pregao', 'ba'], {'backup'}),
    (['pregao', 'backup', ''], {'status', 'run', 'verify', 'restore'}),
    (['pregao', '--lake', 'run', 'job', 'ex'], {'export'}),
    (['pregao', 'fetch', ''], {'portfolio', 'bitcoin'}),
    (['pregao', 'run', '--format', ''], {'table', 'json', 'csv', 'csv-br'}),
    (['pregao', 'sql', '--format', '=', 'p'], {'parquet'}),
    (['pregao', 'run', '--in'], {'--index', '--input'}),
    (['pregao', 'run', '--input', 's'], {'sample', 'some file.csv'}),
    (['pregao', 'job', 'export', 'portfolio', '--to', ''], {'sql', 'spark', 'glue-script', 'glue-nodes'}),
    (['pregao', 'backup', 'run', '--to', ''], {'a folder'}),
    (['pregao', 'import', ''], {'portfolio'}),
    (['pregao', 'import', 'portfolio', ''], {'a folder', 'some file.csv'}),
    (['pregao', 'fetch', 'bitcoin', '--source', 'binance', '=', 'http', ':', '//x', '--source', 'coin'], {'cointradermonitor', 'coinbase'}),
    (['pregao', 'completion', ''], {'bash', 'zsh', 'fish'}),
    (['pregao', 'tables', 'x'], set()),
]


@pytest.mark.skipif(not shutil.which('bash'), reason='no bash')
def test_bash_completes(pregao, tmp_path):
    folder = tmp_path / 'here'
    (folder / 'a folder').mkdir(parents=True)
    (folder / 'some file.csv').touch()
    script = tmp_path / 'pregao.bash'
    script.write_text(pregao('completion', 'bash').stdout)
    ask = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pregao; printf "%s\\n" "${COMPREPLY[@]}"'
    for words, wanted in ANSWERS:
        done = subprocess.run(['bash', '-uc', ask, 'bash', script, *words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, (words, done.stderr)
        assert set(done.stdout.split('\n')) - {''} == wanted, words
    # every command
    for name in commands(pregao):
        *before, last = ['pregao', *name.split()]
        done = subprocess.run(['bash', '-uc', ask, 'bash', script, *before, last], capture_output=True, text=True, check=True)
        assert last in done.stdout.split('\n')


@pytest.mark.parametrize('shell', ['bash', 'zsh', 'fish'])
def test_shells_read_their_completion(pregao, shell):
    script = pregao('completion', shell, env={'LC_ALL': 'pt_BR.UTF-8'}).stdout
    assert '@TABLES@' not in script and 'sessions' in script
    if not shutil.which(shell):
        pytest.skip(f'no {shell}')
    subprocess.run([shell, '-n', '/dev/stdin'], input=script, text=True, check=True)


def test_no_completion_for_another_shell(pregao):
    assert 'expected bash, zsh or fish' in pregao('completion', 'tcsh', expect=2).stderr


@pytest.mark.skipif(not shutil.which('systemd-analyze'), reason='no systemd-analyze')
def test_unit_is_right(installed, tmp_path):
    unit = tmp_path / 'pregao.service'
    text = (installed.root / 'lib/systemd/system/pregao.service').read_text()
    assert 'ExecStart=/usr/bin/pregao up --lake /var/lib/pregao/lake\n' in text
    # what it starts need not be installed on this machine
    unit.write_text(text.replace('/usr/bin/pregao', installed.path))
    done = subprocess.run(['systemd-analyze', 'verify', '--man=no', unit], capture_output=True, text=True)
    assert done.returncode == 0 and 'pregao.service' not in done.stderr, done.stderr


@pytest.mark.skipif(not shutil.which('dpkg-deb'), reason='no dpkg-deb')
@pytest.mark.slow
def test_debian_package(pregao, tmp_path):
    def make(folder):
        folder.mkdir()
        subprocess.run([TOP / 'packaging/deb'], check=True, capture_output=True,
                       env={**pregao.env, **MAKE, 'PROGRAM': pregao.path, 'OUTPUT': str(folder)})
        return next(folder.glob('pregao_*.deb'))
    package = make(tmp_path / 'once')
    assert package.read_bytes() == make(tmp_path / 'twice').read_bytes()
    listed = subprocess.run(['dpkg-deb', '-c', package], check=True, capture_output=True, text=True).stdout
    assert ' root/root ' in listed
    for path in ('usr/bin/pregao', 'usr/lib/pregao/libduckdb.so', 'usr/share/man/man1/pregao.1.gz', 'usr/share/doc/pregao/copyright',
                 'usr/lib/systemd/system/pregao.service', 'usr/share/zsh/vendor-completions/_pregao'):
        assert f' ./{path}\n' in listed
    control = subprocess.run(['dpkg-deb', '-f', package], check=True, capture_output=True, text=True).stdout
    for wanted in ('libcurl', 'libsqlite3', 'libjansson', 'libseccomp', 'libc6'):
        assert wanted in re.search(r'^Depends: (.*)', control, re.M)[1]
    unpacked = tmp_path / 'unpacked'
    subprocess.run(['dpkg-deb', '-x', package, unpacked], check=True)
    pregao.path = str(unpacked / 'usr/bin/pregao')
    assert 'PETR4' in pregao('run', '--input', 'sample').stdout
