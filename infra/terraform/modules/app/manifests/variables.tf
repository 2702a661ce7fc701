################################################################################
# Where
################################################################################

variable "namespace" {
  description = "Namespace that is created and holds every object."
  type        = string
  default     = "carepath-demo"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "namespace is \"${var.namespace}\"; it must be a DNS label: up to 63 of a-z, 0-9 and '-', no '-' at either end."
  }
}

################################################################################
# What runs
################################################################################

variable "chat_api_image" {
  description = "Image of the chat API: repository with a tag or, as a deploy has it, with a digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$", var.chat_api_image))
    error_message = "chat_api_image is \"${var.chat_api_image}\"; it must be REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:DIGEST. Without either the kubelet would pull :latest."
  }
}

variable "llm_mode" {
  description = "LLM_MODE of the chat API: mock, or a model of service_chat/models.toml. In the pod template, so that a rollout undo brings the old one back."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*$", var.llm_mode))
    error_message = "llm_mode is \"${var.llm_mode}\"; it must be mock or a model name of service_chat/models.toml."
  }
}

variable "db_api_base_url" {
  description = "Base URL of the patient API, with its port and without a path."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https?://[a-z0-9.-]+:[0-9]+$", var.db_api_base_url))
    error_message = "db_api_base_url is \"${var.db_api_base_url}\"; it must be http(s)://HOST:PORT. The port is written out: the API does not listen on 80."
  }
}

variable "extra_env" {
  description = "Further settings of the chat API (service_chat/settings.schema.json names them), as strings."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.extra_env) : can(regex("^[A-Z][A-Z0-9_]*$", key))])
    error_message = "extra_env has keys that are no environment variable names of the service (A-Z, 0-9 and '_'): ${join(", ", [for key in keys(var.extra_env) : key if !can(regex("^[A-Z][A-Z0-9_]*$", key))])}."
  }

  validation {
    condition     = length(setintersection(keys(var.extra_env), ["LLM_MODE", "DB_API_BASE_URL", "IMAGE", "DRAIN_DELAY_S", "DRAIN_S", "DOWNLOAD_MODEL", "MODEL_CACHE_DIR", "TEMPERATURE", "TOP_P", "TOP_K", "MAX_TOKENS", "THINKING_BUDGET_TOKENS"])) == 0
    error_message = "extra_env sets ${join(", ", setintersection(keys(var.extra_env), ["LLM_MODE", "DB_API_BASE_URL", "IMAGE", "DRAIN_DELAY_S", "DRAIN_S", "DOWNLOAD_MODEL", "MODEL_CACHE_DIR", "TEMPERATURE", "TOP_P", "TOP_K", "MAX_TOKENS", "THINKING_BUDGET_TOKENS"]))}; llm_mode, db_api_base_url, chat_api_image, shutdown, model_cache and generation set these."
  }

  validation {
    condition     = alltrue([for key in keys(var.extra_env) : !can(regex("(_TOKEN|_KEY|PASSWORD|SECRET)$", key))])
    error_message = "extra_env has a key that names a credential; it would stand in the Terraform state in the clear. Put it into a Kubernetes Secret."
  }
}

variable "generation" {
  description = "How answers are sampled, and how long thoughts and answers may be in tokens; what is left out is the model's own entry of service_chat/models.toml. The variables of the same names in capitals."
  type = object({
    temperature            = optional(number)
    top_p                  = optional(number)
    top_k                  = optional(number)
    max_tokens             = optional(number)
    thinking_budget_tokens = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = coalesce(var.generation.temperature, 0) >= 0 && coalesce(var.generation.temperature, 0) <= 2
    error_message = "generation.temperature is ${coalesce(var.generation.temperature, 0)}; it must be from 0 (greedy) to 2."
  }

  validation {
    condition     = coalesce(var.generation.top_p, 1) > 0 && coalesce(var.generation.top_p, 1) <= 1
    error_message = "generation.top_p is ${coalesce(var.generation.top_p, 1)}; it must be above 0 and up to 1."
  }

  validation {
    condition = alltrue([for name, least in { top_k = 0, max_tokens = 1, thinking_budget_tokens = 0 } :
      coalesce(var.generation[name], least) >= least && floor(coalesce(var.generation[name], least)) == coalesce(var.generation[name], least)
    ])
    error_message = "generation has top_k ${coalesce(var.generation.top_k, 0)}, max_tokens ${coalesce(var.generation.max_tokens, 1)} and thinking_budget_tokens ${coalesce(var.generation.thinking_budget_tokens, 0)}; they must be whole numbers, max_tokens from 1 and the others from 0."
  }
}

variable "patient_api_image" {
  description = "Image of the stand-in for CarePath's patient API; null where the real one runs."
  type        = string
  default     = null

  validation {
    condition     = var.patient_api_image == null || can(regex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$", var.patient_api_image))
    error_message = "patient_api_image is \"${coalesce(var.patient_api_image, "null")}\"; it must be null, REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:DIGEST."
  }
}

################################################################################
# How much, and how many
################################################################################

variable "resources" {
  description = "Requests and limits of one chat API pod. cpu_limit_millicores may be null: then a pod may use what the node has free."
  type = object({
    cpu_request_millicores = number
    cpu_limit_millicores   = optional(number)
    memory_request_mib     = number
    memory_limit_mib       = number
  })
  nullable = false

  validation {
    condition     = var.resources.cpu_request_millicores >= 1 && var.resources.memory_request_mib >= 1
    error_message = "resources needs requests above zero: an HPA on CPU utilisation cannot work without a CPU request."
  }

  validation {
    condition     = var.resources.cpu_limit_millicores == null || coalesce(var.resources.cpu_limit_millicores, 0) >= var.resources.cpu_request_millicores
    error_message = "resources.cpu_limit_millicores (${coalesce(var.resources.cpu_limit_millicores, 0)}) is below cpu_request_millicores (${var.resources.cpu_request_millicores}); Kubernetes refuses such a pod."
  }

  validation {
    condition     = var.resources.memory_limit_mib >= var.resources.memory_request_mib
    error_message = "resources.memory_limit_mib (${var.resources.memory_limit_mib}) is below memory_request_mib (${var.resources.memory_request_mib}); Kubernetes refuses such a pod."
  }
}

variable "autoscaling" {
  description = "The HorizontalPodAutoscaler: bounds, CPU target in percent of the request, and how long it waits before it scales down."
  type = object({
    min_replicas               = number
    max_replicas               = number
    target_cpu_percent         = optional(number, 60)
    scale_down_stabilization_s = optional(number, 300)
  })
  nullable = false

  validation {
    condition     = var.autoscaling.min_replicas >= 1 && var.autoscaling.max_replicas >= var.autoscaling.min_replicas
    error_message = "autoscaling wants 1 <= min_replicas <= max_replicas, got ${var.autoscaling.min_replicas} and ${var.autoscaling.max_replicas}."
  }

  validation {
    condition     = var.autoscaling.target_cpu_percent >= 1 && var.autoscaling.target_cpu_percent <= 100
    error_message = "autoscaling.target_cpu_percent is ${var.autoscaling.target_cpu_percent}; it must be 1 to 100 percent of the CPU request."
  }

  validation {
    # HPAScalingRules of autoscaling/v2: 0 to 3600.
    condition     = var.autoscaling.scale_down_stabilization_s >= 0 && var.autoscaling.scale_down_stabilization_s <= 3600
    error_message = "autoscaling.scale_down_stabilization_s is ${var.autoscaling.scale_down_stabilization_s}; Kubernetes takes 0 to 3600 seconds."
  }
}

variable "tmp_size_mib" {
  description = "Size limit of /tmp, the only place the chat API can write to."
  type        = number
  default     = 64
  nullable    = false

  validation {
    condition     = var.tmp_size_mib >= 1
    error_message = "tmp_size_mib is ${var.tmp_size_mib}; it must be at least 1."
  }
}

################################################################################
# The model: in the image, or fetched at first start
################################################################################

variable "model_cache" {
  description = "Where an image without the model keeps what it fetches at first start. kind: none (the image brings the model, nothing is fetched), pod (each pod fetches onto its node's disk) or claim (a PersistentVolumeClaim that the pods share: one fetches, the others find it). size_gib bounds it. storage_class or, on a cluster of one node, host_path is where a claim's volume comes from. download_budget_s is added to the startup budget. token_secret names a Secret whose key `token` holds the hub's token."
  type = object({
    kind              = optional(string, "none")
    size_gib          = optional(number, 0)
    storage_class     = optional(string)
    host_path         = optional(string)
    access_mode       = optional(string, "ReadWriteMany")
    download_budget_s = optional(number, 900) # the checklist's 5 to 15 minutes
    token_secret      = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["none", "pod", "claim"], var.model_cache.kind)
    error_message = "model_cache.kind is \"${var.model_cache.kind}\"; it must be none, pod or claim."
  }

  validation {
    condition     = var.model_cache.kind == "none" || var.model_cache.size_gib >= 1
    error_message = "model_cache.size_gib is ${var.model_cache.size_gib}; a cache of the kind ${var.model_cache.kind} needs room for the model and a tenth more, at least 1 GiB (Qwen3-4B Q4_K_M: 3)."
  }

  validation {
    condition     = var.model_cache.kind != "claim" || (var.model_cache.storage_class == null) != (var.model_cache.host_path == null)
    error_message = "model_cache of the kind claim needs either storage_class (for example efs) or, on a cluster of one node, host_path: got ${coalesce(var.model_cache.storage_class, "no storage_class")} and ${coalesce(var.model_cache.host_path, "no host_path")}."
  }

  validation {
    condition     = contains(["ReadWriteMany", "ReadWriteOnce"], var.model_cache.access_mode)
    error_message = "model_cache.access_mode is \"${var.model_cache.access_mode}\"; it must be ReadWriteMany or ReadWriteOnce: the first pod has to write the model."
  }

  validation {
    condition     = var.model_cache.kind != "claim" || var.model_cache.access_mode != "ReadWriteOnce" || var.autoscaling.max_replicas == 1
    error_message = "model_cache.access_mode is ReadWriteOnce and autoscaling.max_replicas is ${var.autoscaling.max_replicas}: such a volume is attached to one node, and a pod on another waits for it for ever. Take ReadWriteMany with a class that can do it (EFS; EBS cannot), kind = \"pod\", or one replica."
  }

  validation {
    condition     = var.model_cache.download_budget_s >= 1
    error_message = "model_cache.download_budget_s is ${var.model_cache.download_budget_s}; it must be at least 1: without time for the download the startup probe kills every pod in the middle of it."
  }

  validation {
    condition     = var.model_cache.host_path == null || startswith(coalesce(var.model_cache.host_path, "-"), "/")
    error_message = "model_cache.host_path is \"${coalesce(var.model_cache.host_path, "null")}\"; it must be an absolute path on the node, of a folder that user 10001 may write to."
  }

  validation {
    condition     = var.model_cache.token_secret == null || can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", coalesce(var.model_cache.token_secret, "-")))
    error_message = "model_cache.token_secret is \"${coalesce(var.model_cache.token_secret, "null")}\"; it must be the name of a Secret, never a token: this text stands in the state."
  }
}

################################################################################
# Start, health, end
################################################################################

variable "probes" {
  description = "Startup budget (image started until the model is loaded), and the pace of the probes. Readiness and startup ask /ready, liveness asks /health. timeout_s is for one attempt; at startup it is cut to the period."
  type = object({
    startup_budget_s            = number
    startup_period_s            = optional(number, 2)
    readiness_period_s          = optional(number, 5)
    readiness_failure_threshold = optional(number, 3)
    liveness_period_s           = optional(number, 10)
    liveness_failure_threshold  = optional(number, 6)
    timeout_s                   = optional(number, 5)
  })
  nullable = false

  validation {
    condition     = alltrue([for value in values(var.probes) : value >= 1])
    error_message = "probes: every period, threshold and time-out is at least 1 (Kubernetes refuses 0)."
  }

  validation {
    # One attempt at a time (pkg/kubelet/prober/worker.go): a longer time-out makes the period, and so the patience, longer.
    condition     = var.probes.timeout_s <= min(var.probes.readiness_period_s, var.probes.liveness_period_s)
    error_message = "probes.timeout_s (${var.probes.timeout_s}) exceeds readiness_period_s (${var.probes.readiness_period_s}) or liveness_period_s (${var.probes.liveness_period_s}); the next attempt would be due before the last has ended."
  }

  validation {
    condition     = var.probes.startup_budget_s >= var.probes.startup_period_s
    error_message = "probes.startup_budget_s (${var.probes.startup_budget_s}) is below startup_period_s (${var.probes.startup_period_s}); the pod would be killed before its first answer counts."
  }
}

variable "shutdown" {
  description = "DRAIN_DELAY_S and DRAIN_S of the chat API: seconds in which it still takes requests while the load balancer learns of its end, then seconds to finish what it accepted. The pod's grace period follows from both."
  type = object({
    drain_delay_s = number
    drain_s       = number
  })
  nullable = false

  validation {
    condition     = var.shutdown.drain_delay_s >= 0 && var.shutdown.drain_s > 0
    error_message = "shutdown wants drain_delay_s >= 0 and drain_s > 0, got ${var.shutdown.drain_delay_s} and ${var.shutdown.drain_s}."
  }
}

variable "rollout" {
  description = "Revisions kept for an undo, and seconds without progress until the Deployment reports ProgressDeadlineExceeded."
  type = object({
    revision_history_limit = optional(number, 5)
    progress_deadline_s    = optional(number, 600)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.rollout.revision_history_limit >= 1
    error_message = "rollout.revision_history_limit is ${var.rollout.revision_history_limit}; with 0 there is no revision that an undo could return to."
  }

  validation {
    condition     = var.rollout.progress_deadline_s > var.probes.startup_budget_s + (var.model_cache.kind == "none" ? 0 : var.model_cache.download_budget_s)
    error_message = "rollout.progress_deadline_s (${var.rollout.progress_deadline_s}) must exceed probes.startup_budget_s (${var.probes.startup_budget_s})${var.model_cache.kind == "none" ? "" : " and model_cache.download_budget_s (${var.model_cache.download_budget_s}) together"}: a pod that may still start would be reported as stuck."
  }
}

################################################################################
# The way in
################################################################################

variable "service_annotations" {
  description = "Annotations of the LoadBalancer Service, for the cloud's load balancer controller."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.service_annotations) : can(regex("^([a-z0-9.-]+/)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", key))])
    error_message = "service_annotations has a key that Kubernetes refuses; it must be NAME or DNS-PREFIX/NAME, NAME up to 63 characters."
  }
}
