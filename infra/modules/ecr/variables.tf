# The repository.
variable "repository" {
  description = "The repository's name."
  type        = string
}
variable "keep" {
  description = "Images that are kept."
  type        = number
  default     = 20
}
variable "force_destroy" {
  description = "Whether `terraform destroy` takes the repository with its images."
  type        = bool
  default     = false
}
