# The catalog's names, and the jobs.
variable "name" {
  description = "What every name of the stack begins with."
  type        = string
}
variable "database_prefix" {
  description = "What the databases have before raw and refined."
  type        = string
}
variable "lake_bucket" {
  description = "The lake's bucket."
  type        = string
}
variable "program_bucket" {
  description = "Where the scripts are put."
  type        = string
}
variable "scripts" {
  description = "Files that `pregao job export NAME --to glue-script` wrote, by the job's name."
  type        = map(string)
}
variable "role_arn" {
  description = "The role that the jobs run under."
  type        = string
}
variable "stream_since" {
  description = "The first day of the Bitcoin tables."
  type        = string
}
