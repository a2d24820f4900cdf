# B3's portfolios and Bitcoin's prices on AWS: scraper -> S3 -> activator -> Glue -> Athena; collector -> Firehose -> S3 -> backup.
data "aws_caller_identity" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  lake    = "${var.name}-lake-${local.account}"
  functions = {
    scraper   = "daily-bovespa"
    activator = "glue-activation"
    backup    = "bitcoin-backup"
  }
  groups = {
    scraper   = "/aws/lambda/${var.name}-daily-bovespa"
    activator = "/aws/lambda/${var.name}-glue-activation"
    backup    = "/aws/lambda/${var.name}-bitcoin-backup"
    output    = "/${var.name}/glue/output"
    error     = "/${var.name}/glue/error"
    delivery  = "/${var.name}/firehose"
    collector = "/${var.name}/collector"
  }
  timeout = 300
  queues = merge(
    { failed = { visibility = 30, tries = 0, from_s3 = false }, backup = { visibility = 6 * local.timeout, tries = 5, from_s3 = true } },
    var.queue_between ? { raw-created = { visibility = 6 * local.timeout, tries = 5, from_s3 = true } } : {},
  )
}

module "lake" {
  source        = "../../modules/s3"
  bucket        = local.lake
  force_destroy = var.force_destroy
}

module "backup" {
  source        = "../../modules/s3"
  bucket        = "${var.name}-backup-${local.account}"
  force_destroy = var.force_destroy
}

module "program" {
  source        = "../../modules/s3"
  bucket        = "${var.name}-program-${local.account}"
  force_destroy = var.force_destroy
}

module "results" {
  source          = "../../modules/s3"
  bucket          = "${var.name}-results-${local.account}"
  expire_days     = 14
  noncurrent_days = 1
  force_destroy   = var.force_destroy
}

module "images" {
  source        = "../../modules/ecr"
  for_each      = toset(["lambda-libs", "lambda-bitcoin-libs"])
  repository    = "${var.name}/${each.key}"
  force_destroy = var.force_destroy
}

module "iam" {
  source          = "../../modules/iam"
  name            = var.name
  lake_bucket     = local.lake
  backup_bucket   = module.backup.bucket
  program_bucket  = module.program.bucket
  glue_job        = "${var.name}-portfolio"
  database_prefix = var.database_prefix
  queue_between   = var.queue_between
}

module "sqs" {
  source   = "../../modules/sqs"
  name     = var.name
  queues   = local.queues
  lake_arn = module.lake.arn
  account  = local.account
}

module "glue" {
  source          = "../../modules/glue"
  name            = var.name
  database_prefix = var.database_prefix
  lake_bucket     = module.lake.bucket
  program_bucket  = module.program.bucket
  scripts         = var.glue_scripts
  role_arn        = module.iam.role_arns["job"]
  stream_since    = var.stream_since
}

module "athena" {
  source           = "../../modules/athena"
  name             = var.name
  results_bucket   = module.results.bucket
  databases        = module.glue.databases
  scan_limit_bytes = var.scan_limit_bytes
  force_destroy    = var.force_destroy
}

module "kinesis" {
  source    = "../../modules/kinesis"
  name      = var.name
  tables    = { bitcoin_ticks = "received_at", bitcoin_gaps = "slot", bitcoin_trades = "event_time" }
  database  = module.glue.databases["raw"]
  lake_arn  = module.lake.arn
  role_arn  = module.iam.role_arns["delivery"]
  interval  = 300
  log_group = module.cloudwatch.log_groups[local.groups.delivery]
  # A stream reads its table's schema when it is made.
  depends_on = [module.glue]
}

module "functions" {
  source       = "../../modules/lambda"
  for_each     = var.images == null ? {} : local.functions
  function     = "${var.name}-${each.value}"
  handler      = each.value
  image        = each.key == "backup" ? var.images.bitcoin : var.images.libs
  architecture = var.architecture
  role_arn     = module.iam.role_arns[each.key]
  memory       = each.key == "scraper" ? 1024 : 256
  timeout      = local.timeout
  # One scraper at a time: two would write the same session.
  concurrency = each.key == "scraper" ? 1 : -1
  log_group   = module.cloudwatch.log_groups[local.groups[each.key]]
  environment = merge(
    { PREGAO_LAKE = "s3://${module.lake.bucket}" },
    each.key == "activator" ? { PREGAO_GLUE_JOB = "${var.name}-portfolio" } : {},
    each.key == "backup" ? { PREGAO_BACKUP_TO = "s3://${module.backup.bucket}" } : {},
    each.key == "scraper" ? { PREGAO_GLUE_DATABASE_PREFIX = var.database_prefix } : {},
  )
  failed_queue_arn = module.sqs.arns["failed"]
  has_source       = each.key == "backup" || (each.key == "activator" && var.queue_between)
  source_queue_arn = each.key == "backup" ? module.sqs.arns["backup"] : try(module.sqs.arns["raw-created"], null)
}

module "eventbridge" {
  source       = "../../modules/eventbridge"
  count        = var.images == null ? 0 : 1
  name         = var.name
  schedule     = var.schedule
  function     = module.functions["scraper"].function
  function_arn = module.functions["scraper"].arn
}

resource "aws_lambda_permission" "lake" {
  count          = var.images == null || var.queue_between ? 0 : 1
  statement_id   = "lake"
  action         = "lambda:InvokeFunction"
  function_name  = module.functions["activator"].function
  principal      = "s3.amazonaws.com"
  source_arn     = module.lake.arn
  source_account = local.account
}

# S3 calls the activator itself; the totals lie beside the portfolios and start nothing.
resource "aws_s3_bucket_notification" "lake" {
  count  = var.images == null ? 0 : 1
  bucket = module.lake.bucket
  dynamic "lambda_function" {
    for_each = var.queue_between ? [] : [module.functions["activator"].arn]
    content {
      id                  = "raw-created"
      lambda_function_arn = lambda_function.value
      events              = ["s3:ObjectCreated:*"]
      filter_prefix       = "raw/portfolio/"
      filter_suffix       = ".parquet"
    }
  }
  dynamic "queue" {
    for_each = merge({ backup = "raw/bitcoin_" }, var.queue_between ? { raw-created = "raw/portfolio/" } : {})
    content {
      id            = queue.key
      queue_arn     = module.sqs.arns[queue.key]
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = queue.value
    }
  }
  depends_on = [aws_lambda_permission.lake]
}

module "collector" {
  source         = "../../modules/ec2"
  count          = var.collector == null ? 0 : 1
  name           = var.name
  region         = var.region
  ami            = var.collector.ami
  instance_type  = var.collector.instance_type
  vpc_id         = var.collector.vpc_id
  subnet_id      = var.collector.subnet_id
  profile        = module.iam.collector_profile
  program_bucket = module.program.bucket
  log_group      = module.cloudwatch.log_groups[local.groups.collector]
}

module "cloudwatch" {
  source         = "../../modules/cloudwatch"
  name           = var.name
  region         = var.region
  log_groups     = values(local.groups)
  retention_days = var.retention_days
  functions      = [for handler in values(local.functions) : "${var.name}-${handler}"]
  dead_queues    = concat(["${var.name}-failed", "${var.name}-backup-dead"], var.queue_between ? ["${var.name}-raw-created-dead"] : [])
  streams        = [for table in ["bitcoin_ticks", "bitcoin_gaps", "bitcoin_trades"] : "${var.name}-${table}"]
  collector      = var.collector != null
  instance_id    = try(module.collector[0].instance_id, "")
  mail           = var.alarm_mail
}
