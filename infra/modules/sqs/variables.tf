# The queues.
variable "name" {
  description = "What every name of the stack begins with."
  type        = string
}
variable "queues" {
  description = "By name: visibility in seconds (six times its function's timeout), tries before a message is a dead letter (0: it never is), and whether S3 sends to it."
  type        = map(object({ visibility = number, tries = number, from_s3 = bool }))
}
variable "lake_arn" {
  description = "The bucket that may send."
  type        = string
}
variable "account" {
  description = "Whose bucket it is."
  type        = string
}
