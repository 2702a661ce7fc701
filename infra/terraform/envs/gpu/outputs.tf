output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = module.eks.cluster_name
}

output "node_group_name" {
  description = "Node group with the GPUs."
  value       = module.eks.node_group_name
}
