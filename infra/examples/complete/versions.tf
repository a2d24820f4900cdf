# The whole stack: what it needs, and where its state lies.
terraform {
  required_version = ">= 1.10"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
  # A bucket that exists before the stack, versioned and private: terraform init -backend-config=backend.hcl
  backend "s3" {
    key          = "pregao/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { Project = var.name }
  }
}
