# What the roles' rights are about.
variable "name" {
  description = "What every name of the stack begins with."
  type        = string
}
variable "lake_bucket" {
  description = "The lake's bucket."
  type        = string
}
variable "backup_bucket" {
  description = "The bucket of the backup."
  type        = string
}
variable "program_bucket" {
  description = "The bucket of scripts and of the collector's program."
  type        = string
}
variable "glue_job" {
  description = "The job that the activator starts."
  type        = string
}
variable "database_prefix" {
  description = "What the catalog's databases have before raw and refined."
  type        = string
}
variable "queue_between" {
  description = "Whether a queue stands between S3 and the activator."
  type        = bool
}
