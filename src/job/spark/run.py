

# ---- how it runs: the same for every job ------------------------------------------------------------------------------

SETTINGS = {
    # Timestamps are UTC, whatever the machine's clock says.
    'spark.sql.session.timeZone': 'UTC',
    # What does not fit fails the run; nothing becomes null or a rounded number unseen.
    'spark.sql.ansi.enabled': 'true',
    'spark.sql.decimalOperations.allowPrecisionLoss': 'false',
    # A run replaces the partitions that it computes and no others, so running it again changes nothing.
    'spark.sql.sources.partitionOverwriteMode': 'dynamic',
    'spark.sql.parquet.outputTimestampType': 'TIMESTAMP_MICROS',
    'spark.sql.parquet.compression.codec': 'snappy',
    'spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs': 'false',
}


def date_of(text):
    return datetime.date.fromisoformat(text)


class CheckFailed(Exception):
    """A quality node found rows that may not be; nothing has been written."""


class Run:
    """One run of the job. Nodes become views by their names; targets are written at the end, when every check held."""

    def __init__(self, spark, roots, as_of, scopes=()):
        self.spark, self.roots, self.as_of = spark, roots, as_of
        self.scopes = [{name: urllib.parse.unquote(value) for name, _, value in (part.partition('=') for part in scope.split('/'))}
                       for scope in scopes]
        for scope in self.scopes:
            missing = [name for name, _ in SCOPES if name not in scope]
            if missing:
                raise SystemExit(f'{JOB}: the partition does not say {missing[0]}: found {scope}')
        self.results = []

    def place(self, table):
        return self.roots[table['root']].rstrip('/') + '/' + table['folder']

    def files(self, path):
        """The file system of a path, and the path as it knows it."""
        path = self.spark._jvm.org.apache.hadoop.fs.Path(path)
        return path.getFileSystem(self.spark._jsc.hadoopConfiguration()), path

    def sql(self, text):
        return self.spark.sql(text, args={'as_of': self.as_of})

    def source(self, node, table):
        about = TABLES[table]
        schema = ', '.join(f'`{name}` {kind}' for name, kind in about['columns'] + about['partition'])
        filesystem, path = self.files(self.place(about))
        if filesystem.exists(path):
            rows = self.spark.read.schema(schema).parquet(self.place(about))
        else:
            rows = self.spark.createDataFrame([], schema)
        if self.scopes and SCOPES and table in TRIGGERS:
            kinds = dict(about['partition'])
            rows = rows.where(functools.reduce(operator.or_, (
                functools.reduce(operator.and_, (F.col(name) == F.lit(scope[name]).cast(kinds[name]) for name, _ in SCOPES))
                for scope in self.scopes)))
        rows.createOrReplaceTempView(f'`{node}`')

    def node(self, node, text):
        self.sql(text).createOrReplaceTempView(f'`{node}`')

    def check(self, name, message, text):
        offending, example = self.sql(text).first()
        if offending:
            raise CheckFailed(f'{name}: {message}: {offending}, for example {example}')

    def target(self, table, text):
        self.results.append((table, self.sql(text).cache()))

    def write(self):
        """Writes all targets. Gives for each of them its partitions, and those that are gone."""
        done = []
        for table, rows in self.results:
            about = TABLES[table]
            keys = [name for name, _ in about['partition']]
            there = {tuple(str(value) for value in row) for row in rows.select(*keys).distinct().collect()}
            # The rows of a partition in one file.
            rows.repartition(*keys).write.mode('overwrite').partitionBy(*keys).parquet(self.place(about))
            # What the computed scopes had before and have no longer.
            scopes = {values[:about['scope']] for values in there}
            if SCOPES:
                scopes |= {tuple(scope[name] for name, _ in SCOPES) for scope in self.scopes}
            gone = self.leaves(about) - there
            gone = {values for values in gone if values[:about['scope']] in scopes}
            self.remove(about, gone)
            done.append((table, sorted(there), sorted(gone)))
        return done

    def leaves(self, about):
        """The values of all partitions that a table has as folders."""
        filesystem, path = self.files(self.place(about))
        found = [((), path)] if filesystem.exists(path) else []
        for name, _ in about['partition']:
            below = []
            for values, folder in found:
                for status in filesystem.listStatus(folder):
                    key, _, value = status.getPath().getName().partition('=')
                    if status.isDirectory() and key == name:
                        below.append((values + (urllib.parse.unquote(value),), status.getPath()))
            found = below
        return {values for values, _ in found}

    def folder(self, about, values):
        escape = self.spark._jvm.org.apache.spark.sql.catalyst.catalog.ExternalCatalogUtils.escapePathName
        return self.place(about) + ''.join(f'/{name}={escape(value)}' for (name, _), value in zip(about['partition'], values))

    def remove(self, about, partitions):
        for values in partitions:
            filesystem, path = self.files(self.folder(about, values))
            filesystem.delete(path, True)
