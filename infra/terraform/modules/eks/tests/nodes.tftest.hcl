# Nodes that hold the model's image twice, and let no pod have their credentials.

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

run "smallest_disk_for_two_images_is_accepted" {
  command = plan
  # 4 * 8.5 GiB + 5 GiB = 39 GiB; 0.9 * 45 - 1 = 39.5, and of 44 it would be 38.6.
  variables { node_disk_gib = 45 }

  assert {
    condition     = output.node_allocatable_disk_gib == 39.5
    error_message = "got ${output.node_allocatable_disk_gib} GiB"
  }
}

run "small_image_needs_no_large_disk" {
  command = plan
  # 4 * 3.5 GiB + 5 GiB = 19 GiB, which is more than the 17 GiB of EKS's default of 20.
  variables {
    image_gib     = 3.5
    node_disk_gib = 23
  }

  assert {
    condition     = aws_launch_template.node.block_device_mappings[0].ebs[0].volume_size == 23
    error_message = "the volume has ${aws_launch_template.node.block_device_mappings[0].ebs[0].volume_size} GiB"
  }
}

run "root_volume_is_encrypted" {
  command = plan

  assert {
    condition     = tobool(aws_launch_template.node.block_device_mappings[0].ebs[0].encrypted)
    error_message = "the root volume is not encrypted"
  }
}

run "pods_do_not_reach_the_credentials_of_their_node" {
  command = plan

  assert {
    condition = (
      aws_launch_template.node.metadata_options[0].http_tokens == "required" &&
      aws_launch_template.node.metadata_options[0].http_put_response_hop_limit == 1
    )
    error_message = "the metadata service answers pods"
  }
}

run "arm_nodes_have_arm_images" {
  command = plan
  variables {
    ami_type            = "AL2023_ARM_64_STANDARD"
    node_instance_types = ["m7g.xlarge", "r8gd.large"]
  }

  assert {
    condition     = aws_eks_node_group.this.ami_type == "AL2023_ARM_64_STANDARD"
    error_message = "got ${aws_eks_node_group.this.ami_type}"
  }
}

run "gpu_nodes_keep_other_pods_off" {
  command = plan
  variables {
    ami_type            = "AL2023_x86_64_NVIDIA"
    node_instance_types = ["g4dn.xlarge"]
    node_taints         = { "nvidia.com/gpu" = { value = "true", effect = "NO_SCHEDULE" } }
  }

  assert {
    condition     = [for taint in aws_eks_node_group.this.taint : [taint.key, taint.effect]] == [["nvidia.com/gpu", "NO_SCHEDULE"]]
    error_message = "got ${jsonencode(aws_eks_node_group.this.taint)}"
  }
}

run "nodes_are_replaced_one_at_a_time" {
  command = plan

  assert {
    condition     = aws_eks_node_group.this.update_config[0].max_unavailable == 1
    error_message = "more than one node at a time"
  }
}
