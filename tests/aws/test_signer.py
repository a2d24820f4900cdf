"""Our signer against botocore's, on thousands of generated requests: the same bytes on the wire, the same signature.

botocore is given what our program says it would send, and an independent encoding of the same request says whether that is
right.
"""
import datetime
import json
import random
import subprocess
from unittest import mock
from urllib.parse import quote

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

COUNT = 4000
SEGMENTS = ['data_pregao=2024-07-15', 'index_code=IBOV', 'action=AMBEV%20S%2FA', 'a b', '+', 'x+y', '%', '%25', '~', "quote'\"",
            'ação', 'ÇÚ', '日本', '🙂', 'a*b?c[d]', 'a:b\\c', '&;=@$,!()', '#frag', '...', '.hidden', 'x.parquet', '<>{}|^`']
TEXTS = ['', '*', 'a b', 'a+b', 'a=b', 'ção', 'x/y', '%2F', '~', '2', '1000', 'raw/p/d=2024-07-1', 'true', '日', '&', 'Z', 'z', '-']
NAMES = ['prefix', 'list-type', 'continuation-token', 'delete', 'uploads', 'partNumber', 'uploadId', 'a', 'A', 'a-b', 'a=b', 'x-id',
         'é', 'start-after', 'versioning', 'a b']
HEADERS = [('If-None-Match', '*'), ('Range', 'bytes=0-9'), ('Content-Type', 'application/x-amz-json-1.1'), ('x-amz-meta-a', ' two  blanks '),
           ('X-Amz-Target', 'AmazonSQS.SendMessage'), ('x-amz-copy-source', '/b/a%3D1/x%20y'), ('X-Amz-Acl', 'private')]
SECRET = 'ABCabc019+/'


def letters(r, alphabet, n):
    return ''.join(r.choice(alphabet) for _ in range(n))


def generated(seed):
    r = random.Random(seed)
    for i in range(COUNT):
        service = r.choice(['s3', 's3', 's3', 'sqs', 'firehose', 'glue', 'athena', 'scheduler', 'logs'])
        segments = [r.choice(SEGMENTS) for _ in range(r.randrange(0, 6))]
        if service != 's3':  # elsewhere botocore takes "." and ".." and empty segments away
            segments = [s for s in segments if s.strip('.')]
        query = [[r.choice(NAMES), r.choice(TEXTS)] for _ in range(r.choice([0, 0, 1, 2, 3, 6]))]
        if query and r.random() < 0.3:  # a parameter that is repeated, and one that is there twice
            query += [[query[0][0], r.choice(TEXTS)], query[-1]]
        yield {
            'method': r.choice(['GET', 'PUT', 'POST', 'HEAD', 'DELETE']),
            'host': r.choice(['examplebucket.s3.sa-east-1.amazonaws.com', '127.0.0.1:7070', 'sqs.us-east-1.amazonaws.com']),
            'path': '/' + '/'.join(segments) + ('/' if service == 's3' and segments and r.random() < 0.1 else ''),
            'query': query,
            'headers': [list(h) for h in r.sample(HEADERS, r.randrange(0, 4))],
            'body': r.choice(['', '{}', 'x' * 1000, 'ação', '<Delete/>']),
            'service': service,
            'region': r.choice(['us-east-1', 'sa-east-1', 'eu-central-1']),
            'now_us': r.randrange(0, 4_000_000_000) * 1_000_000 + r.randrange(1_000_000),
            'access': 'AKIA' + letters(r, 'ABCDEFGHIJ234567', 16),
            'secret': letters(r, SECRET, 40),
            'token': letters(r, SECRET + '==', r.choice([100, 700])) if r.random() < 0.4 else '',
        }


def target_of(request):
    """Path and query, encoded once, as RFC 3986 has it; the query in the order that AWS wants."""
    pairs = sorted((quote(k, safe='-_.~'), quote(v, safe='-_.~')) for k, v in request['query'])
    query = '&'.join(f'{k}={v}' for k, v in pairs)
    return quote(request['path'], safe='/-_.~') + ('?' + query if query else '')


def botocores(request):
    """The Authorization header that botocore makes."""
    key = botocore.credentials.Credentials(request['access'], request['secret'], request['token'] or None)
    kind = botocore.auth.S3SigV4Auth if request['service'] == 's3' else botocore.auth.SigV4Auth
    aws = botocore.awsrequest.AWSRequest(method=request['method'], url=f'http://{request["host"]}{target_of(request)}',
                                         data=request['body'].encode())
    for name, value in request['headers']:
        aws.headers[name] = value
    aws.headers['Host'] = request['host']
    now = datetime.datetime.fromtimestamp(request['now_us'] // 1_000_000, datetime.timezone.utc).replace(tzinfo=None)
    with mock.patch('botocore.auth.get_current_datetime', lambda: now):
        kind(key, request['service'], request['region']).add_auth(aws)
    return aws.headers['Authorization']


@pytest.mark.parametrize('seed', [1, 2])
def test_the_signer_agrees_with_botocore(built, seed):
    requests = list(generated(seed))
    lines = ''.join(json.dumps(r) + '\n' for r in requests)
    done = subprocess.run([built('aws_sign_lines')], input=lines, text=True, capture_output=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(requests) == COUNT
    for request, answer in zip(requests, answers):
        assert answer['target'] == target_of(request), request
        assert answer['authorization'] == botocores(request), f'{request}\n{answer["canonical"]}'


def test_the_comparison_would_see_a_difference(built):
    """A request that is signed as another one does not agree."""
    request = next(r for r in generated(1) if r['query'] and r['token'])
    done = subprocess.run([built('aws_sign_lines')], input=json.dumps(request), text=True, capture_output=True, check=True)
    ours = json.loads(done.stdout)['authorization']
    assert ours == botocores(request)
    for field in ('method', 'host', 'path', 'body', 'region', 'secret', 'token'):
        assert ours != botocores({**request, field: request[field] + 'x'})
    assert ours != botocores({**request, 'now_us': request['now_us'] + 1_000_000})
    assert ours != botocores({**request, 'query': request['query'] + [['a', '']]})
