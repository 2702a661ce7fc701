output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = aws_eks_cluster.this.name
}

output "cluster_arn" {
  description = "For `cluster.identity.eks_arn` of the gate's target."
  value       = aws_eks_cluster.this.arn
}

output "cluster_endpoint" {
  description = "URL of the API server."
  value       = aws_eks_cluster.this.endpoint
}

output "cluster_security_group_id" {
  description = "Group that EKS puts on the control plane and the nodes."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "node_group_name" {
  description = "Name of the node group, with the suffix that EKS gave it."
  value       = aws_eks_node_group.this.node_group_name
}

output "node_allocatable_disk_gib" {
  description = "What images and pods may use of a node's disk, in GiB: 0.9 of the volume and 1 GiB less (amazon-eks-ami, nodeadm)."
  value       = var.node_disk_gib * 0.9 - 1
}
