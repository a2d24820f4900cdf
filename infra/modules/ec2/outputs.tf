# For alarms.
output "instance_id" {
  description = "The host."
  value       = aws_instance.this.id
}
