variable "account_id" {
  description = "AWS account; credentials of any other are refused."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is \"${var.account_id}\"; it must be 12 digits."
  }
}

variable "region" {
  description = "AWS region. Not every zone has g4dn."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region is \"${var.region}\"; a region looks like us-east-1."
  }
}

variable "cluster_name" {
  description = "Name of the cluster and of its network."
  type        = string
  default     = "carepath-gpu"
  nullable    = false
}

variable "api_cidrs" {
  description = "Ranges from which the cluster's API server is reached over the internet; empty: only from within the network."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "access" {
  description = "Who may do what in the cluster; whoever applies this must be a cluster admin."
  type = map(object({
    principal_arn = string
    policy        = optional(string)
    namespaces    = optional(set(string), [])
    groups        = optional(set(string), [])
  }))
  nullable = false
}

variable "gpu_nodes" {
  description = "Nodes with a GPU; each serves one replica of vLLM."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.gpu_nodes >= 1 && floor(var.gpu_nodes) == var.gpu_nodes
    error_message = "gpu_nodes is ${var.gpu_nodes}; it must be a whole number from 1."
  }
}
