# The function.
variable "function" {
  description = "The function's name."
  type        = string
}
variable "handler" {
  description = "daily-bovespa, glue-activation or bitcoin-backup."
  type        = string
}
variable "image" {
  description = "The image, by digest: REPOSITORY@sha256:..."
  type        = string
}
variable "architecture" {
  description = "x86_64 or arm64, as the image."
  type        = string
}
variable "role_arn" {
  description = "The role it runs under."
  type        = string
}
variable "memory" {
  description = "MiB."
  type        = number
}
variable "timeout" {
  description = "Seconds for one event."
  type        = number
}
variable "concurrency" {
  description = "Instances at the same time; -1: as many as the account allows."
  type        = number
}
variable "environment" {
  description = "Settings, as docs/aws.md lists them. No secrets."
  type        = map(string)
}
variable "log_group" {
  description = "Where it logs."
  type        = string
}
variable "failed_queue_arn" {
  description = "Where an event goes that failed three times, where no queue feeds the function."
  type        = string
  default     = null
}
variable "has_source" {
  description = "Whether a queue feeds it."
  type        = bool
  default     = false
}
variable "source_queue_arn" {
  description = "The queue that feeds it."
  type        = string
  default     = null
}
