# The workgroup.
variable "name" {
  description = "The workgroup's name."
  type        = string
}
variable "results_bucket" {
  description = "Where answers are put."
  type        = string
}
variable "databases" {
  description = "raw and refined by their names in the catalog."
  type        = map(string)
}
variable "scan_limit_bytes" {
  description = "A query that would read more is ended."
  type        = number
}
variable "force_destroy" {
  description = "Whether `terraform destroy` takes the workgroup with its history."
  type        = bool
}
