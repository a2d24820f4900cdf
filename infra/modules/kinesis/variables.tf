# The streams.
variable "name" {
  description = "What every name of the stack begins with."
  type        = string
}
variable "tables" {
  description = "By the raw table's name: the field of a record whose time decides its partition."
  type        = map(string)
}
variable "database" {
  description = "The catalog's database of the raw tables."
  type        = string
}
variable "lake_arn" {
  description = "The lake's bucket."
  type        = string
}
variable "role_arn" {
  description = "The role of the delivery."
  type        = string
}
variable "interval" {
  description = "Seconds until records are written; a small one makes many small objects."
  type        = number
}
variable "log_group" {
  description = "Where errors are told."
  type        = string
}
