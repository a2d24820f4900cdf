"""The queue's contract on SQS: the very cases that the embedded driver passes."""
import os
import subprocess


def test_contract(built, moto):
    env = {k: v for k, v in os.environ.items() if not k.startswith('AWS_')}
    env.update(PREGAO_TEST_SQS='1', AWS_ENDPOINT_URL_SQS=moto, AWS_REGION='us-east-1', AWS_ACCESS_KEY_ID='testkey', AWS_SECRET_ACCESS_KEY='testsecret',
               AWS_EC2_METADATA_DISABLED='true', CMOCKA_MESSAGE_OUTPUT='TAP', TZ='UTC')
    done = subprocess.run([built('contract_queue')], env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '# ok - queue_sqs' in done.stdout, done.stdout
