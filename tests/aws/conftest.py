"""What every AWS test starts from: the programs that meson builds for it, and servers on this machine.

Nothing here leaves the machine. One test alone: build/venv-aws/bin/pytest tests/aws/test_x.py -k name
"""
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


SANITIZERS = {'ASAN_OPTIONS': 'detect_leaks=1:strict_string_checks=1:exitcode=99',
              'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1:exitcode=99'}
BUILDS = os.environ.get('PREGAO_BUILDS', str(TOP / 'build')).split()


@pytest.fixture(scope='session', params=BUILDS, ids=[pathlib.Path(b).name for b in BUILDS])
def built(request):
    """built('aws_sign_lines') is the path of a test program, in each of the build folders that PREGAO_BUILDS names."""
    os.environ.update(SANITIZERS)

    def path(name):
        program = pathlib.Path(request.param) / 'tests' / name
        assert program.exists(), f'{program} has not been built: ninja -C {request.param} aws-tests'
        return program
    return path


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def started(command, port, log, **env):
    """The process, once it takes connections."""
    process = subprocess.Popen(command, stdout=log.open('w'), stderr=subprocess.STDOUT, env={**os.environ, **env})
    for _ in range(600):
        assert process.poll() is None, f'{command[0]} ended: {log.read_text()}'
        with socket.socket() as s:
            if s.connect_ex(('127.0.0.1', port)) == 0:
                return process
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f'{command[0]} does not listen: {log.read_text()}')


@pytest.fixture(scope='session')
def versitygw(tmp_path_factory):
    """The URL of an S3 server over a folder, which checks signatures."""
    program = TOP / 'build/deps/aws/versitygw'
    if not program.exists():
        pytest.skip('versitygw is not there: scripts/setup test-aws builds it where there is Go')
    folder, port = tmp_path_factory.mktemp('versitygw'), free_port()
    (folder / 'data').mkdir()
    process = started([program, '--port', f'127.0.0.1:{port}', 'posix', folder / 'data'], port, folder / 'log',
                      ROOT_ACCESS_KEY='testkey', ROOT_SECRET_KEY='testsecret')
    yield f'http://127.0.0.1:{port}'
    process.terminate()
    process.wait()


@pytest.fixture(scope='session')
def moto(tmp_path_factory):
    """The URL of the emulator."""
    folder, port = tmp_path_factory.mktemp('moto'), free_port()
    process = started([pathlib.Path(sys.executable).parent / 'moto_server', '-H', '127.0.0.1', '-p', str(port)], port, folder / 'log')
    yield f'http://127.0.0.1:{port}'
    process.terminate()
    process.wait()
