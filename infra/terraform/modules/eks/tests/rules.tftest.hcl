# One run for each validation rule: a value just past it is refused, by the variable named and no other.
# The near misses that pass are in cluster.tftest.hcl and nodes.tftest.hcl.

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

run "name_that_ends_in_a_hyphen_is_refused" {
  command = plan
  variables { name = "carepath-" }
  expect_failures = [var.name]
}

run "one_subnet_is_refused" {
  command = plan
  variables { subnet_ids = ["subnet-a", "subnet-a"] }
  expect_failures = [var.subnet_ids]
}

run "address_without_a_prefix_is_refused" {
  command = plan
  variables { api_cidrs = ["203.0.113.7"] }
  expect_failures = [var.api_cidrs]
}

run "api_server_open_to_everybody_is_refused" {
  command = plan
  variables { api_cidrs = ["0.0.0.0/0"] }
  expect_failures = [var.api_cidrs]
}

run "patch_version_is_refused" {
  command = plan
  variables { kubernetes_version = "1.34.4" }
  expect_failures = [var.kubernetes_version]
}

run "cluster_without_an_admin_is_refused" {
  command = plan
  variables {
    access = {
      deployer = {
        principal_arn = "arn:aws:iam::123456789012:role/deployer"
        policy        = "AmazonEKSClusterAdminPolicy"
        namespaces    = ["carepath-demo"]
      }
    }
  }
  expect_failures = [var.access]
}

run "policy_of_another_service_is_refused" {
  command = plan
  variables {
    access = {
      deployer = { principal_arn = "arn:aws:iam::123456789012:role/deployer", policy = "AmazonEKSClusterAdminPolicy" }
      other    = { principal_arn = "arn:aws:iam::123456789012:role/sre", policy = "AdministratorAccess" }
    }
  }
  expect_failures = [var.access]
}

run "access_to_nothing_is_refused" {
  command = plan
  variables {
    access = {
      deployer = { principal_arn = "arn:aws:iam::123456789012:role/deployer", policy = "AmazonEKSClusterAdminPolicy" }
      other    = { principal_arn = "arn:aws:iam::123456789012:role/sre" }
    }
  }
  expect_failures = [var.access]
}

run "session_for_a_principal_is_refused" {
  command = plan
  variables {
    access = {
      deployer = { principal_arn = "arn:aws:iam::123456789012:role/deployer", policy = "AmazonEKSClusterAdminPolicy" }
      other    = { principal_arn = "arn:aws:sts::123456789012:assumed-role/sre/me", policy = "AmazonEKSViewPolicy" }
    }
  }
  expect_failures = [var.access]
}

run "ami_type_of_amazon_linux_2_is_refused" {
  command = plan
  variables { ami_type = "AL2_x86_64" }
  expect_failures = [var.ami_type]
}

run "taint_in_the_spelling_of_kubectl_is_refused" {
  command = plan
  variables { node_taints = { dedicated = { value = "model", effect = "NoSchedule" } } }
  expect_failures = [var.node_taints]
}

run "no_instance_type_is_refused" {
  command = plan
  variables { node_instance_types = [] }
  expect_failures = [var.node_instance_types]
}

run "instance_type_of_another_architecture_is_refused" {
  command = plan
  variables { node_instance_types = ["m7g.xlarge"] }
  expect_failures = [var.node_instance_types]
}

run "instance_type_without_a_gpu_is_refused" {
  command = plan
  variables { ami_type = "AL2023_x86_64_NVIDIA" }
  expect_failures = [var.node_instance_types]
}

run "more_nodes_desired_than_allowed_are_refused" {
  command = plan
  variables { nodes = { min = 2, desired = 5, max = 4 } }
  expect_failures = [var.nodes]
}

run "image_of_no_size_is_refused" {
  command = plan
  variables { image_gib = 0 }
  expect_failures = [var.image_gib]
}

run "disk_that_does_not_hold_two_images_is_refused" {
  command = plan
  variables { node_disk_gib = 44 }
  expect_failures = [var.node_disk_gib]
}

run "disk_beyond_gp3_is_refused" {
  command = plan
  variables { node_disk_gib = 16385 }
  expect_failures = [var.node_disk_gib]
}

run "log_days_unknown_to_cloudwatch_are_refused" {
  command = plan
  variables { log_days = 100 }
  expect_failures = [var.log_days]
}
