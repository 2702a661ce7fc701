################################################################################
# Encryption and logs
################################################################################

resource "aws_kms_key" "secrets" {
  # checkov:skip=CKV2_AWS_64:the default policy leaves the key to IAM of this account, which is all that one of ours would say
  description             = "Secrets of the EKS cluster ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

# Made before the cluster, which would make one that keeps its logs for ever.
resource "aws_cloudwatch_log_group" "cluster" {
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key; the control plane logs no patient data and no Secret's content
  # checkov:skip=CKV_AWS_338:the default of log_days outlasts an incident's review; whoever must keep a year sets 365 or more
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = var.log_days
}

################################################################################
# Roles
################################################################################

data "aws_partition" "this" {}

locals {
  policies = "arn:${data.aws_partition.this.partition}:iam::aws:policy"

  roles = {
    cluster = {
      service  = "eks.amazonaws.com"
      actions  = ["sts:AssumeRole"]
      policies = ["AmazonEKSClusterPolicy"]
    }
    node = {
      service = "ec2.amazonaws.com"
      actions = ["sts:AssumeRole"]
      # The network plugin's policy stands here and not on a role of its own: without it no node becomes Ready, and
      # credentials that come from a pod would first have to be handed out on a node that is.
      policies = ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy"]
    }
    ebs-csi = {
      service  = "pods.eks.amazonaws.com"
      actions  = ["sts:AssumeRole", "sts:TagSession"]
      policies = ["service-role/AmazonEBSCSIDriverPolicy"]
    }
  }

  role_policies = merge([
    for role, each in local.roles : { for policy in each.policies : "${role}/${policy}" => { role = role, policy = policy } }
  ]...)
}

data "aws_iam_policy_document" "trust" {
  for_each = local.roles

  statement {
    actions = each.value.actions

    principals {
      type        = "Service"
      identifiers = [each.value.service]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = local.role_policies

  role       = aws_iam_role.this[each.value.role].name
  policy_arn = "${local.policies}/${each.value.policy}"
}

################################################################################
# Cluster
################################################################################

resource "aws_eks_cluster" "this" {
  name     = var.name
  version  = var.kubernetes_version
  role_arn = aws_iam_role.this["cluster"].arn

  # Add-ons are named below, with versions that EKS keeps to the cluster's; the unmanaged ones would be in their way.
  bootstrap_self_managed_addons = false
  enabled_cluster_log_types     = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = aws_kms_key.secrets.arn
    }
  }

  vpc_config {
    subnet_ids              = var.subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = length(var.api_cidrs) > 0
    public_access_cidrs     = length(var.api_cidrs) > 0 ? var.api_cidrs : null
  }

  depends_on = [aws_cloudwatch_log_group.cluster, aws_iam_role_policy_attachment.this]
}

resource "aws_eks_access_entry" "this" {
  for_each = var.access

  cluster_name      = aws_eks_cluster.this.name
  principal_arn     = each.value.principal_arn
  kubernetes_groups = each.value.groups
}

resource "aws_eks_access_policy_association" "this" {
  for_each = { for name, each in var.access : name => each if each.policy != null }

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.this[each.key].principal_arn
  policy_arn    = "arn:${data.aws_partition.this.partition}:eks::aws:cluster-access-policy/${each.value.policy}"

  access_scope {
    type       = length(each.value.namespaces) > 0 ? "namespace" : "cluster"
    namespaces = length(each.value.namespaces) > 0 ? each.value.namespaces : null
  }
}

################################################################################
# Nodes
################################################################################

resource "aws_launch_template" "node" {
  name_prefix            = "${var.name}-"
  update_default_version = true

  block_device_mappings {
    device_name = "/dev/xvda" # the root volume of Amazon Linux 2023

    ebs {
      volume_size           = var.node_disk_gib
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  # One hop: pods without host networking do not reach the node's credentials.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${var.name}-node" }
  }
}

resource "aws_eks_node_group" "this" {
  cluster_name           = aws_eks_cluster.this.name
  node_group_name_prefix = "${var.name}-"
  node_role_arn          = aws_iam_role.this["node"].arn
  subnet_ids             = var.subnet_ids
  instance_types         = var.node_instance_types
  ami_type               = var.ami_type
  version                = var.kubernetes_version

  launch_template {
    id      = aws_launch_template.node.id
    version = aws_launch_template.node.latest_version
  }

  scaling_config {
    min_size     = var.nodes.min
    desired_size = var.nodes.desired
    max_size     = var.nodes.max
  }

  # One node at a time, drained under the disruption budget: a pod takes a minute to load its model elsewhere.
  update_config {
    max_unavailable = 1
  }

  dynamic "taint" {
    for_each = var.node_taints

    content {
      key    = taint.key
      value  = taint.value.value
      effect = taint.value.effect
    }
  }

  # A changed type replaces the group: the new nodes are there before the old ones are drained.
  lifecycle {
    create_before_destroy = true
  }

  depends_on = [aws_eks_addon.before_nodes, aws_iam_role_policy_attachment.this]
}

################################################################################
# Add-ons
################################################################################

# Network plugin, service proxy and the agent that hands credentials to pods: without the first no node becomes Ready.
resource "aws_eks_addon" "before_nodes" {
  for_each = toset(["vpc-cni", "kube-proxy", "eks-pod-identity-agent"])

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

# These run as pods and are healthy only when there are nodes. Without metrics-server the autoscaler has nothing to
# read; without the EBS driver a volume claim stays pending for ever.
resource "aws_eks_addon" "on_nodes" {
  for_each = toset(["coredns", "metrics-server", "aws-ebs-csi-driver"])

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  dynamic "pod_identity_association" {
    for_each = each.key == "aws-ebs-csi-driver" ? { ebs-csi-controller-sa = aws_iam_role.this["ebs-csi"].arn } : {}

    content {
      service_account = pod_identity_association.key
      role_arn        = pod_identity_association.value
    }
  }

  depends_on = [aws_eks_node_group.this]
}
