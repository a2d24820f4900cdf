# A Firehose stream for each table of the stream: partitioned by the record's own time, written as Parquet by the table's schema.
resource "aws_kinesis_firehose_delivery_stream" "this" {
  for_each    = var.tables
  name        = "${var.name}-${each.key}"
  destination = "extended_s3"
  server_side_encryption {
    enabled  = true
    key_type = "AWS_OWNED_CMK"
  }
  extended_s3_configuration {
    role_arn            = var.role_arn
    bucket_arn          = var.lake_arn
    prefix              = "raw/${each.key}/date=!{partitionKeyFromQuery:date}/hour=!{partitionKeyFromQuery:hour}/"
    error_output_prefix = "quarantine/bitcoin/!{firehose:error-output-type}/!{timestamp:yyyy-MM-dd}/"
    # The conversion wants 64 MiB or more, and compresses by itself.
    buffering_size     = 64
    buffering_interval = var.interval
    compression_format = "UNCOMPRESSED"
    dynamic_partitioning_configuration {
      enabled        = true
      retry_duration = 300
    }
    processing_configuration {
      enabled = true
      processors {
        type = "MetadataExtraction"
        parameters {
          parameter_name  = "JsonParsingEngine"
          parameter_value = "JQ-1.6"
        }
        # "2024-08-08T13:00:01.5Z": the hour of the time that decides the partition.
        parameters {
          parameter_name  = "MetadataExtractionQuery"
          parameter_value = "{date:.${each.value}[0:10],hour:.${each.value}[11:13]}"
        }
      }
    }
    data_format_conversion_configuration {
      input_format_configuration {
        deserializer {
          open_x_json_ser_de {}
        }
      }
      output_format_configuration {
        serializer {
          parquet_ser_de {
            compression = "SNAPPY"
          }
        }
      }
      schema_configuration {
        database_name = var.database
        role_arn      = var.role_arn
        table_name    = each.key
      }
    }
    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = var.log_group
      log_stream_name = each.key
    }
  }
}

resource "aws_cloudwatch_log_stream" "this" {
  for_each       = var.tables
  name           = each.key
  log_group_name = var.log_group
}
