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
  description = "AWS region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region is \"${var.region}\"; a region looks like us-east-1."
  }
}

variable "cluster_name" {
  description = "Name of the cluster and of its network."
  type        = string
  default     = "carepath-demo"
  nullable    = false
}

variable "api_cidrs" {
  description = "Ranges from which the cluster's API server is reached over the internet; empty: only from within the network."
  type        = set(string)
  nullable    = false
}

variable "access" {
  description = "Who may do what in the cluster; whoever applies this must be a cluster admin. The group carepath-gate may do what the gate needs."
  type = map(object({
    principal_arn = string
    policy        = optional(string)
    namespaces    = optional(set(string), [])
    groups        = optional(set(string), [])
  }))
  nullable = false
}

variable "kubeconfig_path" {
  description = "Kubeconfig of the cluster; `python -m infra.tf` gives the first file of KUBECONFIG. Required: a default could be another cluster's."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kubeconfig_path, "/")
    error_message = "kubeconfig_path is \"${var.kubeconfig_path}\"; it must be an absolute path: the provider reads a relative one from where terraform was started. Write one: aws eks update-kubeconfig --name carepath-demo --kubeconfig PATH."
  }
}

variable "chat_api_image" {
  description = "Image of the chat API in ECR."
  type        = string
  nullable    = false
}

variable "llm_mode" {
  description = "mock, or a model of service_chat/models.toml."
  type        = string
  nullable    = false
}

variable "extra_env" {
  description = "Further settings of the chat API, as strings."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "generation" {
  description = "Sampling and lengths in tokens. Sampling is what Qwen recommends for Qwen3-4B-Thinking-2507 (its model card, \"Best Practices\"), lengths are what a triage answer of a few sentences needs (service_chat/models.toml); LAT-0 judges whether the nodes write them in time."
  type = object({
    temperature            = optional(number, 0.6)
    top_p                  = optional(number, 0.95)
    top_k                  = optional(number, 20)
    max_tokens             = optional(number, 256)
    thinking_budget_tokens = optional(number, 128)
  })
  default  = {}
  nullable = false
}

variable "resources" {
  description = "Requests and limits of one chat API pod."
  type = object({
    cpu_request_millicores = number
    cpu_limit_millicores   = optional(number)
    memory_request_mib     = number
    memory_limit_mib       = number
  })
  nullable = false
}

variable "autoscaling" {
  description = "Bounds of the HorizontalPodAutoscaler."
  type = object({
    min_replicas               = number
    max_replicas               = number
    target_cpu_percent         = optional(number, 60)
    scale_down_stabilization_s = optional(number, 300)
  })
  nullable = false
}

variable "model_cache" {
  description = "Where an image without the model keeps what it fetches at first start; see modules/app/manifests. Default: the image brings the model."
  type = object({
    kind              = optional(string, "none")
    size_gib          = optional(number, 0)
    storage_class     = optional(string)
    host_path         = optional(string)
    access_mode       = optional(string, "ReadWriteMany")
    download_budget_s = optional(number, 900)
    token_secret      = optional(string)
  })
  default  = {}
  nullable = false
}
