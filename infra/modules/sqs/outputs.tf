# For sources of events, and for alarms.
output "arns" {
  description = "By the queue's name, once S3 may send."
  value       = { for key, queue in aws_sqs_queue.this : key => queue.arn }
  depends_on  = [aws_sqs_queue_policy.this]
}
output "dead" {
  description = "Names of the queues of dead letters, and of those that have none."
  value       = concat([for queue in aws_sqs_queue.dead : queue.name], [for key, queue in aws_sqs_queue.this : queue.name if var.queues[key].tries == 0])
}
