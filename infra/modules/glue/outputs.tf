# For the activator, Firehose and Athena.
output "databases" {
  description = "raw and refined by their names in the catalog."
  value       = { for key, database in aws_glue_catalog_database.this : key => database.name }
}
output "tables" {
  description = "Names in the catalog, once the tables are there."
  value       = { for key, table in aws_glue_catalog_table.this : key => table.name }
}
output "jobs" {
  description = "Jobs by name."
  value       = { for key, job in aws_glue_job.this : key => job.name }
}
