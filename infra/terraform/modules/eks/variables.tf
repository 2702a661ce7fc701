################################################################################
# Where
################################################################################

variable "name" {
  description = "Name of the cluster; the same as that of its network."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.name))
    error_message = "name is \"${var.name}\"; it must be 2 to 40 of a-z, 0-9 and '-', begin with a letter and not end with '-'."
  }
}

variable "subnet_ids" {
  description = "Private subnets of nodes and pods, in two zones or more."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(distinct(var.subnet_ids)) >= 2
    error_message = "subnet_ids has ${length(distinct(var.subnet_ids))}; EKS wants subnets of at least 2 zones."
  }
}

variable "api_cidrs" {
  description = "Ranges from which the API server is reached over the internet; empty: only from within the network."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.api_cidrs : can(cidrnetmask(cidr))])
    error_message = "api_cidrs has ${join(", ", [for cidr in var.api_cidrs : cidr if !can(cidrnetmask(cidr))])}; a range looks like 203.0.113.0/24."
  }

  validation {
    condition     = !anytrue([for cidr in var.api_cidrs : endswith(cidr, "/0")])
    error_message = "api_cidrs opens the API server to the whole internet; name the ranges of your offices and runners."
  }
}

################################################################################
# What runs
################################################################################

variable "kubernetes_version" {
  description = "Minor version of the control plane and the nodes."
  type        = string
  default     = "1.34"
  nullable    = false

  validation {
    condition     = can(regex("^1\\.(3[2-9]|[4-9][0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version is \"${var.kubernetes_version}\"; it must be a minor version from 1.32, such as 1.34: nodes are Amazon Linux 2023, and the gate reads figures of its kubelet."
  }
}

variable "access" {
  description = "Name -> IAM principal and what it may do: `policy` is one of EKS's own, `groups` are Kubernetes groups that a RoleBinding names. Whoever applies this must be a cluster admin here: the creator gets no rights by being it."
  type = map(object({
    principal_arn = string
    policy        = optional(string)
    namespaces    = optional(set(string), [])
    groups        = optional(set(string), [])
  }))
  nullable = false

  validation {
    condition     = anytrue([for each in values(var.access) : each.policy == "AmazonEKSClusterAdminPolicy" && length(each.namespaces) == 0])
    error_message = "access has nobody with AmazonEKSClusterAdminPolicy for all namespaces; such a cluster could not be administered."
  }

  validation {
    condition = alltrue([for each in values(var.access) : each.policy == null || contains([
      "AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy", "AmazonEKSEditPolicy", "AmazonEKSViewPolicy",
    ], coalesce(each.policy, "none"))])
    error_message = "access has another policy than AmazonEKSClusterAdminPolicy, AmazonEKSAdminPolicy, AmazonEKSEditPolicy, AmazonEKSViewPolicy: ${join(", ", [for name, each in var.access : "${name} (${coalesce(each.policy, "none")})"])}."
  }

  validation {
    condition     = alltrue([for each in values(var.access) : each.policy != null || length(each.groups) > 0])
    error_message = "access lets ${join(", ", [for name, each in var.access : name if each.policy == null && length(each.groups) == 0])} in and gives neither policy nor groups: they could log in and do nothing."
  }

  validation {
    condition     = alltrue([for each in values(var.access) : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", each.principal_arn))])
    error_message = "access has a principal_arn that is no role or user: ${join(", ", [for name, each in var.access : "${name} (${each.principal_arn})" if !can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", each.principal_arn))])}. A session's assumed-role ARN is none; name its role."
  }
}

variable "ami_type" {
  description = "Operating system, architecture and drivers of the nodes."
  type        = string
  default     = "AL2023_x86_64_STANDARD"
  nullable    = false

  validation {
    condition     = contains(["AL2023_x86_64_STANDARD", "AL2023_ARM_64_STANDARD", "AL2023_x86_64_NVIDIA"], var.ami_type)
    error_message = "ami_type is \"${var.ami_type}\"; it must be AL2023_x86_64_STANDARD, AL2023_ARM_64_STANDARD or AL2023_x86_64_NVIDIA."
  }
}

variable "node_taints" {
  description = "Taint key -> value and effect; pods without a matching toleration stay off the nodes."
  type = map(object({
    value  = string
    effect = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for taint in values(var.node_taints) : contains(["NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"], taint.effect)])
    error_message = "node_taints has another effect than NO_SCHEDULE, NO_EXECUTE, PREFER_NO_SCHEDULE (EKS's spelling): ${join(", ", [for key, taint in var.node_taints : "${key} (${taint.effect})"])}."
  }
}

################################################################################
# How much, and how many
################################################################################

variable "node_instance_types" {
  description = "Instance types of the node group, the first one first. `python -m gate size TYPE ...` says what a pod of the model finds there."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.node_instance_types) > 0 && alltrue([for type in var.node_instance_types : can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", type))])
    error_message = "node_instance_types is [${join(", ", var.node_instance_types)}]; it must name at least one type, such as t3.xlarge."
  }

  validation {
    # Graviton families have a g after the generation: m7g, r8gd, c7gn. g4dn and g5 begin with theirs.
    condition     = alltrue([for type in var.node_instance_types : can(regex("^[a-z]+[0-9]+g", type)) == (var.ami_type == "AL2023_ARM_64_STANDARD")])
    error_message = "node_instance_types is [${join(", ", var.node_instance_types)}] and ami_type ${var.ami_type}: they are of different architectures."
  }

  validation {
    condition     = var.ami_type != "AL2023_x86_64_NVIDIA" || alltrue([for type in var.node_instance_types : can(regex("^[gp][0-9]", type))])
    error_message = "node_instance_types is [${join(", ", var.node_instance_types)}] and ami_type AL2023_x86_64_NVIDIA: not all of them have a GPU."
  }
}

variable "nodes" {
  description = "Size of the node group. `desired` is what runs: no autoscaler changes it here."
  type = object({
    min     = number
    desired = number
    max     = number
  })
  nullable = false

  validation {
    condition     = 1 <= var.nodes.min && var.nodes.min <= var.nodes.desired && var.nodes.desired <= var.nodes.max
    error_message = "nodes is min ${var.nodes.min}, desired ${var.nodes.desired}, max ${var.nodes.max}; it must be 1 <= min <= desired <= max."
  }
}

variable "image_gib" {
  description = "Size of the largest image that the nodes pull, in GiB. With Qwen3-4B's bf16 weights in it: 7.5 GiB of weights and 1 GiB of the rest."
  type        = number
  default     = 8.5
  nullable    = false

  validation {
    condition     = var.image_gib > 0
    error_message = "image_gib is ${var.image_gib}; it must be above 0."
  }
}

variable "node_disk_gib" {
  description = "Root volume of a node in GiB: operating system, images, writable layers, logs."
  type        = number
  default     = 60
  nullable    = false

  validation {
    # A rolling update has two images on a node, and containerd keeps each twice: as pulled and unpacked (weights do not
    # compress). Of the volume the kubelet leaves 0.9 and 1 GiB less to images and pods (amazon-eks-ami, nodeadm); of
    # these 5 GiB are for the system's own images, logs and writable layers.
    condition     = var.node_disk_gib * 0.9 - 1 >= 4 * var.image_gib + 5
    error_message = "node_disk_gib is ${var.node_disk_gib}, of which pods and images may use ${var.node_disk_gib * 0.9 - 1} GiB; two images of ${var.image_gib} GiB, each pulled and unpacked, and 5 GiB for the rest need ${4 * var.image_gib + 5}. Write ${ceil((4 * var.image_gib + 6) / 0.9)}."
  }

  validation {
    condition     = var.node_disk_gib <= 16384
    error_message = "node_disk_gib is ${var.node_disk_gib}; a gp3 volume has up to 16384 GiB."
  }
}

variable "log_days" {
  description = "Days for which CloudWatch keeps the control plane's logs."
  type        = number
  default     = 90
  nullable    = false

  validation {
    # CloudWatch Logs API, PutRetentionPolicy: these numbers and no others.
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_days)
    error_message = "log_days is ${var.log_days}; CloudWatch knows 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 and 731."
  }
}
