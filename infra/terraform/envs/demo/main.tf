################################################################################
# What the application runs on
################################################################################

module "network" {
  source = "../../modules/network"

  name  = var.cluster_name
  zones = [for letter in ["a", "b"] : "${var.region}${letter}"]
}

module "eks" {
  source = "../../modules/eks"

  name       = var.cluster_name
  subnet_ids = module.network.private_subnet_ids
  api_cidrs  = var.api_cidrs
  access     = var.access

  # What the checklist starts from, and too small: `python -m gate size --target demo` compares types.
  # targets/demo.toml names type, count and disk again for a preflight without a cluster; change them there too.
  node_instance_types = ["t3.medium"]
  nodes               = { min = 2, desired = 2, max = 4 }
}

module "chat_api_repository" {
  source = "../../modules/ecr"

  name = "carepath-chat-api"
}

################################################################################
# The application
################################################################################

locals {
  kubeconfig      = yamldecode(file(var.kubeconfig_path))
  context_cluster = one([for each in local.kubeconfig.contexts : each.context.cluster if each.name == local.kubeconfig["current-context"]])
  server          = one([for each in local.kubeconfig.clusters : each.cluster.server if each.name == local.context_cluster])
}

# The provider goes where the kubeconfig points, and that may be another cluster.
resource "terraform_data" "kubeconfig" {
  input = local.server

  lifecycle {
    precondition {
      condition     = local.server == module.eks.cluster_endpoint
      error_message = "kubeconfig_path is ${var.kubeconfig_path} and its current context points at ${coalesce(local.server, "no server")}, not at the cluster made here. Run: aws eks update-kubeconfig --name ${var.cluster_name} --region ${var.region}"
    }
  }
}

module "app" {
  source = "../../modules/app"

  documents = module.manifests.documents

  # The cluster with its add-ons and access entries: without them there is nothing to apply to, and no right to do it.
  depends_on = [module.eks, terraform_data.kubeconfig]
}
