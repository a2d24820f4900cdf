# One function from an image, pinned by its digest: `pregao lambda HANDLER`. What fails is tried again twice, then kept in a queue.
resource "aws_lambda_function" "this" {
  function_name                  = var.function
  role                           = var.role_arn
  package_type                   = "Image"
  image_uri                      = var.image
  architectures                  = [var.architecture]
  memory_size                    = var.memory
  timeout                        = var.timeout
  reserved_concurrent_executions = var.concurrency
  image_config {
    command = ["lambda", var.handler]
  }
  environment {
    variables = var.environment
  }
  tracing_config {
    mode = "PassThrough"
  }
  logging_config {
    log_format = "Text"
    log_group  = var.log_group
  }

  lifecycle {
    precondition {
      condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
      error_message = "The image has to be named by its digest: REPOSITORY@sha256:..."
    }
  }
}

resource "aws_lambda_function_event_invoke_config" "this" {
  count                        = var.has_source ? 0 : 1
  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 21600
  destination_config {
    on_failure {
      destination = var.failed_queue_arn
    }
  }
}

resource "aws_lambda_event_source_mapping" "this" {
  count                              = var.has_source ? 1 : 0
  event_source_arn                   = var.source_queue_arn
  function_name                      = aws_lambda_function.this.arn
  batch_size                         = 10
  maximum_batching_window_in_seconds = 5
  function_response_types            = ["ReportBatchItemFailures"]
}
