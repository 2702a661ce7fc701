terraform {
  required_version = ">= 1.9"

  # The path is given by `python -m infra.tf`: an embedded cluster keeps its state beside itself, and takes it along.
  backend "local" {}

  required_providers {
    kubectl = {
      source  = "gavinbunney/kubectl"
      version = "1.19.0"
    }
  }
}

provider "kubectl" {
  config_path      = var.kubeconfig_path
  load_config_file = true
}
