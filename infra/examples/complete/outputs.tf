# What one needs to go on.
output "lake" {
  description = "For --lake."
  value       = "s3://${module.lake.bucket}"
}
output "repositories" {
  description = "Where to push the images."
  value       = { for name, it in module.images : name => it.url }
}
output "program_bucket" {
  description = "Where program/pregao.deb belongs."
  value       = module.program.bucket
}
output "role_arns" {
  description = "The six roles."
  value       = module.iam.role_arns
}
