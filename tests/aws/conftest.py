"""What every AWS test starts from: the programs that meson builds for it, and servers on this machine.

Nothing here leaves the machine. One test alone: build/venv-aws/bin/pytest tests/aws/test_x.py -k name
"""
import os
import pathlib

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
