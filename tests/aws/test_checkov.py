"""checkov over infra/: what it finds is what docs/aws.md gives reasons for, no more and no less."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


def test_every_finding_has_its_reason():
    # beside this Python, in an environment of its own (it pins boto3), or in PATH
    program = os.environ.get('CHECKOV') or next((p for p in [pathlib.Path(sys.executable).parent / 'checkov', TOP / 'build/venv-checkov/bin/checkov']
                                                 if p.exists()), None) or shutil.which('checkov')
    if not program:
        pytest.skip('checkov is not there: scripts/setup test-aws installs it into build/venv-checkov')
    said = subprocess.run([program, '-d', TOP / 'infra', '--framework', 'terraform', '--quiet', '--compact', '-o', 'json'], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    report = json.loads(said.stdout)
    assert report['summary']['parsing_errors'] == 0 and report['summary']['passed'] > 100
    found = {check['check_id'] for check in report['results']['failed_checks']}
    excused = set(re.findall(r'^\| (CKV\w+) \|', (TOP / 'docs/aws.md').read_text(), re.M))
    assert found == excused
