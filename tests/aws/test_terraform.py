"""infra/: its form, what a plan says, and the whole stack put up and taken down on the emulator.

Terraform and its aws provider have to be there (PATH; TF_PLUGINS names a filesystem mirror, else /opt/tf-plugins or none):
what cannot be had is said in the reason of each skip.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import boto3
import pytest

from conftest import free_port, started

TOP = pathlib.Path(__file__).resolve().parents[2]
PREGAO = pathlib.Path(os.environ.get('PREGAO', TOP / 'build/pregao'))
ROLES = ['activator', 'backup', 'collector', 'delivery', 'job', 'scraper']
REGION, ACCOUNT = 'sa-east-1', '123456789012'
DIGEST = '@sha256:' + '0' * 64
# Neither the bucket policy's condition nor a backend of AWS is something that the emulator has.
OVERRIDES = {
    'modules/s3/test_override.tf': '''
resource "aws_s3_bucket_policy" "this" {
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Deny", Principal = "*", Action = "s3:PutBucketLogging", Resource = [aws_s3_bucket.this.arn] }]
  })
}
''',
    'examples/complete/test_override.tf': '''
terraform {
  backend "local" {}
}
provider "aws" {
  region                      = "sa-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}
'''}


def pregao(*words, lake):
    return subprocess.run([PREGAO, *words, '--lake', lake], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


@pytest.mark.parametrize('role', ROLES)
def test_policies_are_what_the_program_writes(role, tmp_path):
    committed = (TOP / f'infra/modules/iam/policies/{role}.json').read_text()
    assert committed == pregao('access', 'export', role, '--to', 'iam', lake=tmp_path)


def test_there_are_no_other_policies(tmp_path):
    assert sorted(json.loads(pregao('access', 'export', '--to', 'iam', lake=tmp_path))) == ROLES
    assert sorted(p.stem for p in (TOP / 'infra/modules/iam/policies').glob('*')) == ROLES


def test_tables_are_what_the_program_has(tmp_path):
    written = subprocess.run([TOP / 'scripts/export-tables', PREGAO], check=True, stdout=subprocess.PIPE, text=True,
                             env={**os.environ, 'PREGAO_LAKE': str(tmp_path / 'none')}).stdout
    assert (TOP / 'infra/modules/glue/tables.json').read_text() == written


@pytest.fixture(scope='module')
def terraform(tmp_path_factory):
    """terraform(WORD...) in a copy of infra/examples/complete."""
    program = shutil.which('terraform')
    if not program:
        pytest.skip('terraform is not there: put it into PATH')
    folder = tmp_path_factory.mktemp('terraform')
    shutil.copytree(TOP / 'infra', folder / 'infra')
    settings = {'TF_IN_AUTOMATION': '1', 'CHECKPOINT_DISABLE': '1', 'TF_CLI_CONFIG_FILE': str(folder / 'rc')}
    mirror = pathlib.Path(os.environ.get('TF_PLUGINS', '/opt/tf-plugins'))
    (folder / 'rc').write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n' if mirror.exists() else '')
    for name, text in OVERRIDES.items():
        (folder / 'infra' / name).write_text(text)

    def run(*words, **env):
        return subprocess.run([program, *words], cwd=folder / 'infra/examples/complete', text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=500, env={**os.environ, **settings, **env})

    made = run('init', '-no-color')
    if made.returncode:
        pytest.skip(f'the provider hashicorp/aws cannot be had: {made.stdout[-300:]}')
    return run


def done(result):
    assert result.returncode == 0, result.stdout[-4000:]
    return result.stdout


def test_form():
    if not shutil.which('terraform'):
        pytest.skip('terraform is not there: put it into PATH')
    done(subprocess.run(['terraform', 'fmt', '-check', '-diff', '-recursive', TOP / 'infra'], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                        env={**os.environ, 'TF_CLI_CONFIG_FILE': os.devnull}))


def test_it_is_valid_and_plans_what_it_should(terraform):
    done(terraform('validate', '-no-color'))
    assert '3 passed, 0 failed' in done(terraform('test', '-no-color'))


@pytest.fixture
def moto(tmp_path):
    """An account of this test's own: it counts what is there."""
    port = free_port()
    process = started([pathlib.Path(sys.executable).parent / 'moto_server', '-H', '127.0.0.1', '-p', str(port)], port, tmp_path / 'moto.log')
    yield f'http://127.0.0.1:{port}'
    process.terminate()
    process.wait()


@pytest.fixture
def client(moto):
    return lambda service: boto3.client(service, endpoint_url=moto, region_name=REGION, aws_access_key_id='test', aws_secret_access_key='test')


def test_up_and_down(terraform, moto, client, tmp_path):
    script = tmp_path / 'portfolio.py'
    script.write_text(pregao('job', 'export', 'portfolio', '--to', 'glue-script', lake=tmp_path / 'lake'))
    given = {'AWS_ENDPOINT_URL': moto, 'TF_VAR_force_destroy': 'true', 'TF_VAR_glue_scripts': json.dumps({'portfolio': str(script)}),
             'TF_VAR_images': json.dumps({'libs': 'x/lambda-libs' + DIGEST, 'bitcoin': 'x/lambda-bitcoin-libs' + DIGEST})}
    assert 'Apply complete!' in done(terraform('apply', '-auto-approve', '-no-color', **given))

    buckets = {b['Name'] for b in client('s3').list_buckets()['Buckets']}
    assert buckets == {f'pregao-{name}-{ACCOUNT}' for name in ('lake', 'backup', 'program', 'results')}
    told = client('s3').get_bucket_notification_configuration(Bucket=f'pregao-lake-{ACCOUNT}')
    assert [f['LambdaFunctionArn'].rsplit(':', 1)[1] for f in told['LambdaFunctionConfigurations']] == ['pregao-glue-activation']
    assert [q['QueueArn'].rsplit(':', 1)[1] for q in told['QueueConfigurations']] == ['pregao-backup']
    functions = {f['FunctionName'] for f in client('lambda').list_functions()['Functions']}
    assert functions == {'pregao-daily-bovespa', 'pregao-glue-activation', 'pregao-bitcoin-backup'}
    assert {q.rsplit('/', 1)[1] for q in client('sqs').list_queues()['QueueUrls']} == {'pregao-failed', 'pregao-backup', 'pregao-backup-dead'}
    assert set(client('firehose').list_delivery_streams()['DeliveryStreamNames']) == {'pregao-bitcoin_ticks', 'pregao-bitcoin_gaps', 'pregao-bitcoin_trades'}
    job = client('glue').get_job(JobName='pregao-portfolio')['Job']
    there = client('s3').get_object(Bucket=f'pregao-program-{ACCOUNT}', Key=job['Command']['ScriptLocation'].split('/', 3)[3])
    assert there['Body'].read() == script.read_bytes()
    roles = {r['RoleName'] for r in client('iam').list_roles()['Roles']}
    assert roles == {'pregao-' + role for role in ROLES}
    for role in ROLES:
        policy = client('iam').get_role_policy(RoleName='pregao-' + role, PolicyName='role-table')['PolicyDocument']
        for statement in policy['Statement']:
            assert '*' not in statement['Resource'] and not [r for r in statement['Resource'] if '${' in r]
    assert all(g['retentionInDays'] == 30 for g in client('logs').describe_log_groups()['logGroups'])

    # The emulator cannot delete a saved query.
    done(terraform('state', 'rm', 'module.athena.aws_athena_named_query.this', **given))
    assert 'Destroy complete!' in done(terraform('destroy', '-auto-approve', '-no-color', **given))
    assert client('s3').list_buckets()['Buckets'] == []
    assert client('lambda').list_functions()['Functions'] == []
    assert client('iam').list_roles()['Roles'] == []
