# Queues by name, encrypted; one with dead letters has a queue for them, which keeps them two weeks.
resource "aws_sqs_queue" "this" {
  for_each                   = var.queues
  name                       = "${var.name}-${each.key}"
  visibility_timeout_seconds = each.value.visibility
  message_retention_seconds  = 1209600
  sqs_managed_sse_enabled    = true
  redrive_policy = each.value.tries == 0 ? null : jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[each.key].arn
    maxReceiveCount     = each.value.tries
  })
}

resource "aws_sqs_queue" "dead" {
  for_each                  = { for key, queue in var.queues : key => queue if queue.tries > 0 }
  name                      = "${var.name}-${each.key}-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# S3 may send, for this bucket only.
resource "aws_sqs_queue_policy" "this" {
  for_each  = { for key, queue in var.queues : key => queue if queue.from_s3 }
  queue_url = aws_sqs_queue.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "FromTheLake"
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.this[each.key].arn
      Condition = {
        ArnEquals    = { "aws:SourceArn" = var.lake_arn }
        StringEquals = { "aws:SourceAccount" = var.account }
      }
    }]
  })
}
