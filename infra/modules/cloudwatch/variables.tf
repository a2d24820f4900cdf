# What is watched.
variable "name" {
  description = "What every name of the stack begins with."
  type        = string
}
variable "region" {
  description = "The dashboard's region."
  type        = string
}
variable "log_groups" {
  description = "Names of the log groups."
  type        = list(string)
}
variable "retention_days" {
  description = "Days until a log line is forgotten."
  type        = number
}
variable "functions" {
  description = "Names of the functions."
  type        = list(string)
}
variable "dead_queues" {
  description = "Names of the queues in which nothing should be."
  type        = list(string)
}
variable "streams" {
  description = "Names of the Firehose streams."
  type        = list(string)
}
variable "collector" {
  description = "Whether there is a collector."
  type        = bool
}
variable "instance_id" {
  description = "The collector's host."
  type        = string
}
variable "mail" {
  description = "Who hears of alarms; null: nobody, they are in the topic only."
  type        = string
}
