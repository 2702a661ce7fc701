terraform {
  required_version = ">= 1.9"

  # Which bucket is an account's business: `python -m infra.tf init` reads backend.hcl.
  backend "s3" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
    kubectl = {
      source  = "gavinbunney/kubectl"
      version = "1.19.0"
    }
  }
}

provider "aws" {
  region = var.region
  # Credentials of another account are refused before anything is read.
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      Environment = "demo"
      Project     = "carepath"
    }
  }
}

provider "kubectl" {
  config_path      = var.kubeconfig_path
  load_config_file = true
}
