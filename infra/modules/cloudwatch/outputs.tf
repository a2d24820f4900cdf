# For those who log and those who listen.
output "log_groups" {
  description = "Names, once the groups are there."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}
output "topic_arn" {
  description = "Where alarms are told."
  value       = aws_sns_topic.alarms.arn
}
