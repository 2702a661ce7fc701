variable "kubeconfig_path" {
  description = "Kubeconfig of the cluster; `python -m infra.tf` gives the first file of KUBECONFIG. Required: a default could be another cluster's."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.kubeconfig_path, "/")
    error_message = "kubeconfig_path is \"${var.kubeconfig_path}\"; it must be an absolute path: the provider reads a relative one from where terraform was started. Start the cluster, then: eval \"$(python -m infra.cluster env)\"."
  }
}

variable "chat_api_image" {
  description = "Image of the chat API. `python -m infra.tf plan` replaces a tag by the digest it has in the registry."
  type        = string
  nullable    = false
}

variable "llm_mode" {
  description = "mock, or a model of service_chat/models.toml."
  type        = string
  nullable    = false
}

variable "patient_api_image" {
  description = "Image of the stand-in for the patient API."
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
  description = "Sampling and lengths in tokens; what is left out is the model's own entry of service_chat/models.toml."
  type = object({
    temperature            = optional(number)
    top_p                  = optional(number)
    top_k                  = optional(number)
    max_tokens             = optional(number)
    thinking_budget_tokens = optional(number)
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
