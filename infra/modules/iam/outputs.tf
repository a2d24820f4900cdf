# For the modules whose resources run under the roles.
output "role_arns" {
  description = "By the component's name; complete only when the rights are there, too."
  value       = { for role, it in aws_iam_role.this : role => it.arn }
  depends_on  = [aws_iam_role_policy.this]
}
output "collector_profile" {
  description = "The instance profile of the collector's host."
  value       = aws_iam_instance_profile.collector.name
  depends_on  = [aws_iam_role_policy.this]
}
