# tflint-ignore-file: terraform_standard_module_structure
# Apart from outputs.tf, which is all that `python -m infra.tf render` evaluates.
output "chat_api_repo_url" {
  description = "Where images of the chat API are pushed to; the checklist's ECR_URL."
  value       = module.chat_api_repository.repository_url
}

output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = module.eks.cluster_name
}

output "cluster_arn" {
  description = "For cluster.identity.eks_arn of targets/demo.toml: the gate refuses every other cluster."
  value       = module.eks.cluster_arn
}

output "node_allocatable_disk_gib" {
  description = "What images and pods may use of a node's disk."
  value       = module.eks.node_allocatable_disk_gib
}
