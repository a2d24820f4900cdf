# A role for each component; its rights are the policies that `pregao access export ROLE --to iam` prints,
# with this installation's names put in.
data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  services = {
    scraper   = "lambda.amazonaws.com"
    activator = "lambda.amazonaws.com"
    backup    = "lambda.amazonaws.com"
    job       = "glue.amazonaws.com"
    collector = "ec2.amazonaws.com"
    delivery  = "firehose.amazonaws.com"
  }
  # EC2 assumes a role in no account's name.
  guarded = toset(["activator", "backup", "delivery", "job", "scraper"])
  # Of both ways from S3 to the activator, the rights of the other one.
  surplus = var.queue_between ? ["KeepGivenUp"] : ["ReceiveRawCreated"]
  policies = { for role in keys(local.services) : role => jsondecode(templatefile("${path.module}/policies/${role}.json", {
    partition       = data.aws_partition.current.partition
    region          = data.aws_region.current.name
    account         = local.account
    name            = var.name
    glue_job        = var.glue_job
    database_prefix = var.database_prefix
    lake_bucket     = var.lake_bucket
    backup_bucket   = var.backup_bucket
    program_bucket  = var.program_bucket
  })) }
}

resource "aws_iam_role" "this" {
  for_each = local.services
  name     = "${var.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [merge({
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = each.value }
      }, contains(local.guarded, each.key) ? {
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    } : {})]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.services
  name     = "role-table"
  role     = aws_iam_role.this[each.key].id
  policy = jsonencode({
    Version = local.policies[each.key].Version
    Statement = [for statement in local.policies[each.key].Statement : statement
    if each.key != "activator" || !contains(local.surplus, statement.Sid)]
  })
}

resource "aws_iam_instance_profile" "collector" {
  name = "${var.name}-collector"
  role = aws_iam_role.this["collector"].name
}
