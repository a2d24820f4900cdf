# A workgroup that enforces its limits, and saved queries; those that create the views are run once after the first session.
resource "aws_athena_workgroup" "this" {
  name          = var.name
  force_destroy = var.force_destroy
  tags          = { Name = var.name }
  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.scan_limit_bytes
    result_configuration {
      output_location = "s3://${var.results_bucket}/"
      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }
}

resource "aws_athena_named_query" "this" {
  for_each = {
    latest-portfolio = "SELECT action, ticker, participation FROM ${var.databases.refined}.portfolio WHERE index_code = 'IBOV' AND pregao_date = (SELECT max(pregao_date) FROM ${var.databases.refined}.portfolio WHERE index_code = 'IBOV') ORDER BY participation DESC"
    stock-history    = "SELECT pregao_date, participation FROM ${var.databases.refined}.portfolio WHERE index_code = 'IBOV' AND action = 'PETROBRAS' ORDER BY pregao_date"
    # Firehose may deliver a record twice: a tick's key is its source, pair and number.
    ticks-today          = "SELECT DISTINCT * FROM ${var.databases.raw}.bitcoin_ticks WHERE date = current_date ORDER BY received_at"
    gaps-today           = "SELECT source, pair, count(*) AS gaps FROM ${var.databases.raw}.bitcoin_gaps WHERE date = current_date GROUP BY source, pair"
    create-view-daily    = "CREATE OR REPLACE VIEW ${var.databases.refined}.portfolio_daily AS SELECT index_code, pregao_date, count(*) AS actions, sum(participation) AS participation FROM ${var.databases.refined}.portfolio GROUP BY index_code, pregao_date"
    create-view-currency = "CREATE OR REPLACE VIEW ${var.databases.raw}.bitcoin_latest AS SELECT source, pair, max(received_at) AS received_at, max_by(last, received_at) AS last FROM ${var.databases.raw}.bitcoin_ticks WHERE date >= current_date - INTERVAL '1' DAY GROUP BY source, pair"
  }
  name      = "${var.name}-${each.key}"
  workgroup = aws_athena_workgroup.this.name
  database  = var.databases.refined
  query     = each.value
}
