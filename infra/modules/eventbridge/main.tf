# Calls the scraper at fixed times (UTC): often enough to try again until B3 has published. Which days are sessions, the
# function knows.
resource "aws_cloudwatch_event_rule" "this" {
  name                = "${var.name}-daily-bovespa"
  description         = "The scraper, on weekdays until B3 has published"
  schedule_expression = var.schedule
}

resource "aws_cloudwatch_event_target" "this" {
  rule = aws_cloudwatch_event_rule.this.name
  arn  = var.function_arn
}

resource "aws_lambda_permission" "this" {
  statement_id  = "rule"
  action        = "lambda:InvokeFunction"
  function_name = var.function
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this.arn
}
