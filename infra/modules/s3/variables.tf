# What differs from bucket to bucket.
variable "bucket" {
  description = "The bucket's name, unique in all of AWS."
  type        = string
}
variable "noncurrent_days" {
  description = "Days that what was replaced or deleted can be had back."
  type        = number
  default     = 30
}
variable "expire_days" {
  description = "Days after which objects go; 0: never."
  type        = number
  default     = 0
}
variable "force_destroy" {
  description = "Whether `terraform destroy` takes the bucket with all that is in it."
  type        = bool
  default     = false
}
