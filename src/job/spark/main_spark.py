

def main():
    options = argparse.ArgumentParser(description=__doc__)
    for root in ROOTS:
        options.add_argument('--' + root, required=True, metavar='ROOT', help=f'the folder or s3a:// prefix of the {root} tables')
    options.add_argument('--as-of', required=True, type=date_of, metavar='DATE', help='the date that the job counts to, as 2024-07-15')
    options.add_argument('--partition', action='append', default=[], metavar='SCOPE',
                         help='compute only this partition of what starts the job, as ' +
                              '/'.join(f'{name}=...' for name, _ in SCOPES) + '; may be repeated' if SCOPES else
                              'this job is always computed as a whole')
    given = options.parse_args()
    session = SparkSession.builder.appName(JOB)
    for name, value in SETTINGS.items():
        session = session.config(name, value)
    spark = session.getOrCreate()
    try:
        run = Run(spark, {root: vars(given)[root.replace('-', '_')] for root in ROOTS}, given.as_of, given.partition)
        nodes(run)
        for table, there, gone in run.write():
            print(f'{table}: {len(there)} partitions written, {len(gone)} removed')
    except CheckFailed as why:
        sys.exit(f'{JOB}: {why}')
    finally:
        spark.stop()


if __name__ == '__main__':
    main()
