# Who reaches the cluster, and what it brings along.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name                = "carepath-demo"
  subnet_ids          = ["subnet-a", "subnet-b"]
  api_cidrs           = ["203.0.113.0/24"]
  node_instance_types = ["t3.xlarge"]
  nodes               = { min = 2, desired = 3, max = 4 }
  access = {
    deployer = { principal_arn = "arn:aws:iam::123456789012:role/deployer", policy = "AmazonEKSClusterAdminPolicy" }
  }
}

run "creator_has_no_rights_that_are_not_written_down" {
  command = plan

  assert {
    condition = (
      aws_eks_cluster.this.access_config[0].authentication_mode == "API" &&
      aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions == false
    )
    error_message = "the creator is an admin, or aws-auth still counts"
  }
}

run "admin_of_one_namespace_is_scoped_to_it" {
  command = plan
  variables {
    access = {
      deployer = { principal_arn = "arn:aws:iam::123456789012:role/deployer", policy = "AmazonEKSClusterAdminPolicy" }
      on_call = {
        principal_arn = "arn:aws:iam::123456789012:role/on-call"
        policy        = "AmazonEKSViewPolicy"
        namespaces    = ["carepath-demo"]
      }
    }
  }

  assert {
    condition = (
      aws_eks_access_policy_association.this["deployer"].access_scope[0].type == "cluster" &&
      aws_eks_access_policy_association.this["on_call"].access_scope[0].type == "namespace" &&
      aws_eks_access_policy_association.this["on_call"].access_scope[0].namespaces == toset(["carepath-demo"])
    )
    error_message = "got ${jsonencode([for each in aws_eks_access_policy_association.this : each.access_scope])}"
  }
}

run "group_alone_gives_no_policy" {
  command = plan
  variables {
    access = {
      deployer = { principal_arn = "arn:aws:iam::123456789012:role/deployer", policy = "AmazonEKSClusterAdminPolicy" }
      gate     = { principal_arn = "arn:aws:iam::123456789012:role/gate", groups = ["carepath-gate"] }
    }
  }

  assert {
    condition = (
      keys(aws_eks_access_policy_association.this) == ["deployer"] &&
      aws_eks_access_entry.this["gate"].kubernetes_groups == toset(["carepath-gate"])
    )
    error_message = "policies for ${join(", ", keys(aws_eks_access_policy_association.this))}"
  }
}

run "api_server_without_ranges_is_private" {
  command = plan
  variables { api_cidrs = [] }

  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "the API server is public"
  }
}

run "secrets_are_encrypted_with_a_key_that_rotates" {
  command = plan

  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].resources == toset(["secrets"]) && aws_kms_key.secrets.enable_key_rotation
    error_message = "secrets are not encrypted, or with a key that stays"
  }
}

run "add_ons_are_those_that_the_service_needs" {
  command = plan

  assert {
    condition = setunion(keys(aws_eks_addon.before_nodes), keys(aws_eks_addon.on_nodes)) == toset([
      "vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns", "metrics-server", "aws-ebs-csi-driver",
    ])
    error_message = "add-ons are others"
  }
}

run "volume_driver_alone_has_a_role" {
  command = plan

  assert {
    condition = {
      for name, addon in aws_eks_addon.on_nodes : name => [for each in addon.pod_identity_association : each.service_account]
    } == { coredns = [], metrics-server = [], aws-ebs-csi-driver = ["ebs-csi-controller-sa"] }
    error_message = "the wrong add-on has a role"
  }
}

run "node_role_pulls_images_and_does_not_push_them" {
  command = plan

  assert {
    condition = toset([
      for attachment in values(aws_iam_role_policy_attachment.this) : attachment.policy_arn if endswith(attachment.role, "-node")
      ]) == toset([
      for name in ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy"] : "${local.policies}/${name}"
    ])
    error_message = "the node's role has other policies"
  }
}
