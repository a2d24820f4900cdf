# The catalog's databases and tables, as the program has them (tables.json), and the Spark jobs that it exports.
locals {
  tables = jsondecode(file("${path.module}/tables.json"))
  # Firehose writes folders by hour and tells no catalog: their partitions are computed.
  projected = { for table, it in local.tables : table => startswith(table, "raw.bitcoin_") }
}

resource "aws_glue_catalog_database" "this" {
  for_each = toset(["raw", "refined"])
  name     = "${var.database_prefix}${each.key}"
}

resource "aws_glue_catalog_table" "this" {
  for_each      = local.tables
  database_name = aws_glue_catalog_database.this[split(".", each.key)[0]].name
  name          = split(".", each.key)[1]
  table_type    = "EXTERNAL_TABLE"
  parameters = merge({ EXTERNAL = "TRUE", classification = "parquet" }, local.projected[each.key] ? {
    "projection.enabled"        = "true"
    "projection.date.type"      = "date"
    "projection.date.format"    = "yyyy-MM-dd"
    "projection.date.range"     = "${var.stream_since},NOW+1DAYS"
    "projection.hour.type"      = "integer"
    "projection.hour.range"     = "0,23"
    "projection.hour.digits"    = "2"
    "storage.location.template" = "s3://${var.lake_bucket}/${each.value.location}/date=$${date}/hour=$${hour}"
  } : {})
  storage_descriptor {
    location      = "s3://${var.lake_bucket}/${each.value.location}"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }
    dynamic "columns" {
      for_each = each.value.columns
      content {
        name = columns.value.name
        type = columns.value.type
      }
    }
  }
  dynamic "partition_keys" {
    for_each = each.value.partition
    content {
      name = partition_keys.value.name
      type = partition_keys.value.type
    }
  }
}

resource "aws_s3_object" "script" {
  for_each    = var.scripts
  bucket      = var.program_bucket
  key         = "jobs/${each.key}.py"
  source      = each.value
  source_hash = filesha256(each.value)
}

resource "aws_glue_job" "this" {
  for_each          = var.scripts
  name              = "${var.name}-${each.key}"
  role_arn          = var.role_arn
  glue_version      = "5.0"
  worker_type       = "G.1X"
  number_of_workers = 2
  timeout           = 30
  max_retries       = 1
  execution_property {
    max_concurrent_runs = 3
  }
  command {
    script_location = "s3://${var.program_bucket}/${aws_s3_object.script[each.key].key}"
    python_version  = "3"
  }
  # --as_of and --partitions come with each run.
  default_arguments = {
    "--raw"                              = "s3://${var.lake_bucket}/raw"
    "--refined"                          = "s3://${var.lake_bucket}/refined"
    "--database_prefix"                  = var.database_prefix
    "--job-bookmark-option"              = "job-bookmark-disable"
    "--enable-continuous-cloudwatch-log" = "true"
    "--custom-logGroup-prefix"           = "/${var.name}/glue"
  }
}
