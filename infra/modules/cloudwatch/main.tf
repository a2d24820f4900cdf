# Log groups that forget, alarms that somebody hears of, and one dashboard. Groups come first: nobody has the right to make one.
resource "aws_cloudwatch_log_group" "this" {
  for_each          = toset(var.log_groups)
  name              = each.key
  retention_in_days = var.retention_days
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = "alias/aws/sns"
}

resource "aws_sns_topic_subscription" "mail" {
  count     = var.mail == null ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.mail
}

locals {
  alarms = merge(
    { for it in var.functions : "errors-${it}" => { namespace = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = it }, over = 0, missing = "notBreaching" } },
    { for it in var.dead_queues : "dead-letters-${it}" => { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = it }, over = 0, missing = "notBreaching" } },
    { for it in var.streams : "late-${it}" => { namespace = "AWS/Firehose", metric = "DeliveryToS3.DataFreshness", dimensions = { DeliveryStreamName = it }, over = 1800, missing = "notBreaching" } },
    var.collector ? { collector-down = { namespace = "AWS/EC2", metric = "StatusCheckFailed", dimensions = { InstanceId = var.instance_id }, over = 0, missing = "breaching" } } : {},
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.over
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = [
    { type = "metric", x = 0, y = 0, width = 12, height = 6, properties = { title = "Functions: errors", region = var.region, stat = "Sum", period = 300,
    metrics = [for it in var.functions : ["AWS/Lambda", "Errors", "FunctionName", it]] } },
    { type = "metric", x = 12, y = 0, width = 12, height = 6, properties = { title = "Dead letters", region = var.region, stat = "Maximum", period = 300,
    metrics = [for it in var.dead_queues : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", it]] } },
    { type = "metric", x = 0, y = 6, width = 12, height = 6, properties = { title = "Streams: age of the oldest record, s", region = var.region, stat = "Maximum", period = 300,
    metrics = [for it in var.streams : ["AWS/Firehose", "DeliveryToS3.DataFreshness", "DeliveryStreamName", it]] } },
    { type = "metric", x = 12, y = 6, width = 12, height = 6, properties = { title = "Functions: duration, ms", region = var.region, stat = "Maximum", period = 300,
    metrics = [for it in var.functions : ["AWS/Lambda", "Duration", "FunctionName", it]] } },
  ] })
}
