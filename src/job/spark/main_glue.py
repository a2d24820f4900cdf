

def register(glue, database, table, place, partitions, gone):
    """Tells the catalog of the partitions: the last step, so that who finds one there finds its rows."""
    about = glue.get_table(DatabaseName=database, Name=table)['Table']['StorageDescriptor']
    inputs = [{'Values': list(values), 'StorageDescriptor': {**about, 'Location': place(values)}} for values in partitions]
    for at in range(0, len(inputs), 100):
        answer = glue.batch_create_partition(DatabaseName=database, TableName=table, PartitionInputList=inputs[at:at + 100])
        failed = [e for e in answer.get('Errors', []) if e['ErrorDetail']['ErrorCode'] != 'AlreadyExistsException']
        if failed:
            raise RuntimeError(f'{database}.{table}: {len(failed)} partitions could not be registered, the first: {failed[0]}')
    for at in range(0, len(gone), 25):
        answer = glue.batch_delete_partition(DatabaseName=database, TableName=table,
                                             PartitionsToDelete=[{'Values': list(values)} for values in gone[at:at + 25]])
        failed = [e for e in answer.get('Errors', []) if e['ErrorDetail']['ErrorCode'] != 'EntityNotFoundException']
        if failed:
            raise RuntimeError(f'{database}.{table}: {len(failed)} partitions could not be removed, the first: {failed[0]}')


def main():
    """--raw, --refined: s3:// prefixes. --as_of: a date. --partitions, when there: scopes with a comma between. --database_prefix:
    what the catalog's databases have before raw and refined, pregao_ where it is not given."""
    optional = [name for name in ('partitions', 'database_prefix') if f'--{name}' in sys.argv]
    given = getResolvedOptions(sys.argv, ['JOB_NAME', 'as_of', *ROOTS, *optional])
    context = GlueContext(SparkContext.getOrCreate())
    spark = context.spark_session
    for name, value in SETTINGS.items():
        if name.startswith('spark.hadoop.'):
            spark._jsc.hadoopConfiguration().set(name[len('spark.hadoop.'):], value)
        else:
            spark.conf.set(name, value)
    job = Job(context)
    job.init(given['JOB_NAME'], given)
    scopes = [scope for scope in given.get('partitions', '').split(',') if scope]
    run = Run(spark, {root: given[root] for root in ROOTS}, date_of(given['as_of']), scopes)
    nodes(run)
    glue = boto3.client('glue')
    for table, there, gone in run.write():
        database, name = table.split('.')
        about = TABLES[table]
        register(glue, given.get('database_prefix', 'pregao_') + database, name,
                 lambda values, about=about: run.folder(about, values), there, gone)
        print(f'{table}: {len(there)} partitions written, {len(gone)} removed')
    job.commit()


main()
