# What a plan has to say, whatever AWS answers.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "sa-east-1" }
  }
}

variables {
  glue_scripts = { portfolio = "main.tf" }
  images = {
    libs    = "r@sha256:0000000000000000000000000000000000000000000000000000000000000000"
    bitcoin = "r@sha256:1111111111111111111111111111111111111111111111111111111111111111"
  }
}

run "s3_calls_the_activator" {
  command = plan
  assert {
    condition     = length(aws_lambda_permission.lake) == 1 && length(aws_s3_bucket_notification.lake[0].lambda_function) == 1
    error_message = "S3 has to call the activator directly"
  }
}

run "a_queue_between" {
  command = plan
  variables {
    queue_between = true
  }
  assert {
    condition     = length(aws_lambda_permission.lake) == 0 && length(aws_s3_bucket_notification.lake[0].queue) == 2
    error_message = "the queue has to stand between"
  }
}

run "no_tag_in_the_digests_place" {
  command = plan
  variables {
    images = { libs = "r:latest", bitcoin = "r:latest" }
  }
  expect_failures = [var.images]
}
