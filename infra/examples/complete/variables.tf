# What an installation decides.
variable "name" {
  description = "What every name of the stack begins with; short, small letters."
  type        = string
  default     = "pregao"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "Expected 2 to 20 small letters, digits and hyphens, a letter first."
  }
}
variable "region" {
  description = "Where everything is."
  type        = string
  default     = "sa-east-1"
}
variable "database_prefix" {
  description = "What the catalog's databases have before raw and refined."
  type        = string
  default     = "pregao_"
}
variable "images" {
  description = "The functions' images by digest (REPOSITORY@sha256:...); null at the first apply, which makes the repositories to push to."
  type        = object({ libs = string, bitcoin = string })
  default     = null
  validation {
    condition     = var.images == null || alltrue([for image in values(coalesce(var.images, { libs = "", bitcoin = "" })) : can(regex("@sha256:[0-9a-f]{64}$", image))])
    error_message = "Images have to be named by their digests: REPOSITORY@sha256:..."
  }
}
variable "architecture" {
  description = "Of the images: x86_64 or arm64."
  type        = string
  default     = "x86_64"
}
variable "glue_scripts" {
  description = "Files that `pregao job export NAME --to glue-script` wrote, by the job's name; portfolio has to be there."
  type        = map(string)
}
variable "queue_between" {
  description = "Puts a queue between S3 and the activator: for many indices."
  type        = bool
  default     = false
}
variable "schedule" {
  description = "When the scraper is called: UTC, six fields."
  type        = string
  default     = "cron(0/20 11-15 ? * MON-FRI *)"
}
variable "collector" {
  description = "The Bitcoin collector's host; null: none."
  type        = object({ ami = string, instance_type = string, vpc_id = string, subnet_id = string })
  default     = null
}
variable "stream_since" {
  description = "The first day of the Bitcoin tables."
  type        = string
  default     = "2024-01-01"
}
variable "scan_limit_bytes" {
  description = "What a query of Athena may read at most."
  type        = number
  default     = 10737418240
}
variable "retention_days" {
  description = "Days until a log line is forgotten."
  type        = number
  default     = 30
}
variable "alarm_mail" {
  description = "Who hears of alarms."
  type        = string
  default     = null
}
variable "force_destroy" {
  description = "Whether `terraform destroy` takes the data, too."
  type        = bool
  default     = false
}
