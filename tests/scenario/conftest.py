"""What every scenario starts from: the program, in a home of its own, and the recorded data when it is there.

One scenario alone: build/venv/bin/pytest tests/scenario/test_x.py -k name
"""
import os
import pathlib
import signal
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
# What a sanitizer exits with: no code of ours, so that a report is never taken for a failure that a test expects.
SANITIZER_EXIT = 99


def heed_signals():
    """Whoever runs the tests in the background may ignore these, and a process inherits that."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Program:
    """pregao('run', '--index', 'IBOV') runs it to its end; pregao.start(...) leaves it running until the test is over."""

    def __init__(self, path, home):
        self.path = path
        self.home = home
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(('PREGAO_', 'XDG_', 'AWS_', 'LC_'))}
        self.env.update(HOME=str(home), XDG_DATA_HOME=str(home / 'data'), LANG='C.UTF-8', TZ='UTC', NO_COLOR='1',
                        # many run at once
                        PREGAO_LISTEN='127.0.0.1:0')
        self.started = []

    def __call__(self, *args, expect=0, input=None, env=None, cwd=None, timeout=120, text=True):
        """The finished process. expect: the exit code that it must have, None for any."""
        done = subprocess.run([self.path, *map(str, args)], input=input, text=text, capture_output=True,
                              env={**self.env, **(env or {})}, cwd=cwd or self.home, timeout=timeout)
        wrong = done.returncode < 0 or done.returncode == SANITIZER_EXIT or expect not in (None, done.returncode)
        if wrong:
            pytest.fail(f'{" ".join(map(str, done.args))}\nexit {done.returncode}, expected {expect}\n'
                        f'--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}', pytrace=False)
        return done

    def start(self, *args, env=None, cwd=None, **popen):
        """The running process, ended with SIGTERM after the test if it has not ended before."""
        popen.setdefault('text', True)
        popen.setdefault('preexec_fn', heed_signals)
        process = subprocess.Popen([self.path, *map(str, args)], env={**self.env, **(env or {})},
                                   cwd=cwd or self.home, **popen)
        self.started.append(process)
        return process

    def stop_all(self):
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.communicate(timeout=30)
            except (subprocess.TimeoutExpired, ValueError):
                process.kill()
                process.wait()


@pytest.fixture
def pregao(tmp_path):
    """The program under test: PREGAO, else build/pregao. Each test has its own HOME, so that no lake of the user's is touched."""
    path = os.path.abspath(os.environ.get('PREGAO', TOP / 'build/pregao'))
    home = tmp_path / 'home'
    home.mkdir()
    program = Program(path, home)
    yield program
    program.stop_all()


@pytest.fixture(scope='session')
def shared_data():
    """The folder of recorded data: PREGAO_SHARED_DATA, else ../shared/data. Not a part of the project, so it may be absent."""
    path = pathlib.Path(os.environ.get('PREGAO_SHARED_DATA', TOP.parent / 'shared/data'))
    if not path.is_dir():
        pytest.skip('no recorded data: set PREGAO_SHARED_DATA to their folder')
    return path


@pytest.fixture(scope='session')
def preload(tmp_path_factory):
    """preload('fastclock'): the library made of fastclock.c here, for LD_PRELOAD."""
    def make(name):
        library = tmp_path_factory.getbasetemp() / f'{name}.so'
        if not library.exists():
            subprocess.run(['cc', '-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-o', library,
                            TOP / f'tests/scenario/{name}.c', '-ldl'], check=True)
        return library
    return make
