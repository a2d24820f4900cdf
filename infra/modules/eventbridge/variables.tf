# What is called, and when.
variable "name" {
  description = "What every name of the stack begins with."
  type        = string
}
variable "schedule" {
  description = "Six fields, UTC, one question mark."
  type        = string
}
variable "function" {
  description = "The scraper's name."
  type        = string
}
variable "function_arn" {
  description = "The scraper's ARN."
  type        = string
}
