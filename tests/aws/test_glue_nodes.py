"""`job export --to glue-nodes`: botocore, which knows what Glue's CreateJob takes, accepts the nodes of every job; and what they say."""
import ast
import json

import botocore.session
import botocore.validate
import pytest

from test_spark import pregao  # noqa: F401 (a fixture)

JOBS = ('portfolio', 'bitcoin_candles')


@pytest.fixture(scope='module')
def create_job():
    return botocore.session.get_session().get_service_model('glue').operation_model('CreateJob').input_shape


@pytest.mark.parametrize('job', JOBS)
def test_accepted(pregao, create_job, job):  # noqa: F811
    nodes = json.loads(pregao('job', 'export', job, '--to', 'glue-nodes').stdout)
    asked = {'Name': job, 'Role': 'role', 'Command': {'Name': 'glueetl'}, 'CodeGenConfigurationNodes': nodes}
    report = botocore.validate.ParamValidator().validate(asked, create_job)
    assert not report.has_errors(), report.generate_report()
    broken = {**nodes, 'extra': {'ApplyMapping': {'Name': 'extra'}}}
    assert botocore.validate.ParamValidator().validate({**asked, 'CodeGenConfigurationNodes': broken}, create_job).has_errors()
    for name, node in nodes.items():
        (kind, about), = node.items()
        assert all(source in nodes for source in about.get('Inputs', [])), name
        if kind == 'CustomCode':
            ast.parse(about['Code'])


def test_what_they_say(pregao):  # noqa: F811
    nodes = json.loads(pregao('job', 'export', 'portfolio', '--to', 'glue-nodes').stdout)
    assert nodes['portfolio'] == {'S3CatalogSource': {'Name': 'portfolio', 'Database': 'pregao_raw', 'Table': 'portfolio'}}
    quantity = next(m for m in nodes['named']['ApplyMapping']['Mapping'] if m['ToKey'] == 'theoretical_quantity')
    assert (quantity['FromType'], quantity['ToType']) == ('decimal(38,0)', 'bigint')
    assert 'as_of' in nodes['dated-collection']['CustomCode']['Code']
    assert nodes['refined']['S3CatalogTarget']['PartitionKeys'] == [['index_code'], ['pregao_date'], ['action']]
