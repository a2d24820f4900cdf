# For those who read, write and are told.
output "bucket" {
  description = "The bucket's name, once it is private and encrypted."
  value       = aws_s3_bucket.this.id
  depends_on  = [aws_s3_bucket_policy.this, aws_s3_bucket_server_side_encryption_configuration.this]
}
output "arn" {
  description = "The bucket's ARN."
  value       = aws_s3_bucket.this.arn
}
