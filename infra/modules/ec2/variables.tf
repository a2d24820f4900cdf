# The host.
variable "name" {
  description = "What every name of the stack begins with."
  type        = string
}
variable "ami" {
  description = "A Debian 12 image of the instance type's architecture."
  type        = string
}
variable "instance_type" {
  description = "t4g.micro (arm64) or t3.micro (x86-64) is enough."
  type        = string
}
variable "vpc_id" {
  description = "The network."
  type        = string
}
variable "subnet_id" {
  description = "A subnet with a way out to port 443."
  type        = string
}
variable "profile" {
  description = "The instance profile."
  type        = string
}
variable "program_bucket" {
  description = "Where program/pregao.deb is."
  type        = string
}
variable "region" {
  description = "The region of the streams."
  type        = string
}
variable "log_group" {
  description = "Where it logs."
  type        = string
}
