################################################################################
# Where
################################################################################

variable "name" {
  description = "Name of the network and of the cluster in it: the cloud controller finds the subnets by a tag that names the cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.name))
    error_message = "name is \"${var.name}\"; it must be 2 to 40 of a-z, 0-9 and '-', begin with a letter and not end with '-'."
  }
}

variable "zones" {
  description = "Availability zones, by name. Each gets a public and a private subnet."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 3
    error_message = "zones has ${length(var.zones)}; it must have 2 (EKS refuses fewer) or 3 (more only cost NAT gateways)."
  }

  validation {
    condition     = length(distinct(var.zones)) == length(var.zones)
    error_message = "zones is ${join(", ", var.zones)}; no zone may be named twice."
  }

  validation {
    condition     = alltrue([for zone in var.zones : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+[a-z]$", zone))])
    error_message = "zones has ${join(", ", [for zone in var.zones : zone if !can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+[a-z]$", zone))])}; a zone's name looks like us-east-1a."
  }
}

variable "cidr" {
  description = "IPv4 range of the network. Pods have addresses of their own in it."
  type        = string
  default     = "10.20.0.0/16"
  nullable    = false

  validation {
    # /19 leaves the public subnets /27, which is the least a load balancer accepts.
    condition     = can(regex("/1[6-9]$", var.cidr)) && can(cidrnetmask(var.cidr))
    error_message = "cidr is \"${var.cidr}\"; it must be an IPv4 range of /16 to /19."
  }

  validation {
    condition     = !can(cidrsubnet(var.cidr, 0, 0)) || try(cidrsubnet(var.cidr, 0, 0), "") == var.cidr
    error_message = "cidr is \"${var.cidr}\"; written from its first address it is ${try(cidrsubnet(var.cidr, 0, 0), "no range")}."
  }
}

################################################################################
# What runs
################################################################################

variable "nat" {
  description = "NAT gateways: one_per_zone, or single (one third of the price; if its zone fails, no node reaches a registry)."
  type        = string
  default     = "one_per_zone"
  nullable    = false

  validation {
    condition     = contains(["one_per_zone", "single"], var.nat)
    error_message = "nat is \"${var.nat}\"; it must be one_per_zone or single."
  }
}

################################################################################
# How much, and how many
################################################################################

variable "flow_log_days" {
  description = "Days for which CloudWatch keeps the record of refused connections."
  type        = number
  default     = 30
  nullable    = false

  validation {
    # CloudWatch Logs API, PutRetentionPolicy: these numbers and no others.
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.flow_log_days)
    error_message = "flow_log_days is ${var.flow_log_days}; CloudWatch knows 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 and 731."
  }
}
