# A sketch: the network and the nodes on which vLLM (vllm.yaml) would serve the model. README.md says what is missing.

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

  # One NVIDIA T4 with 16 GB, 4 vCPU, 16 GiB; USD 0.526 an hour in us-east-1 (gate/sizing/instance_facts.csv).
  ami_type            = "AL2023_x86_64_NVIDIA"
  node_instance_types = ["g4dn.xlarge"]
  nodes               = { min = 1, desired = var.gpu_nodes, max = var.gpu_nodes + 1 }

  # vLLM's image with CUDA takes about 10 GiB; the weights lie on a volume beside it (vllm.yaml).
  image_gib     = 10
  node_disk_gib = 120
}
