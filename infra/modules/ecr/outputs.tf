# Where to push.
output "url" {
  description = "The repository's URL."
  value       = aws_ecr_repository.this.repository_url
}
