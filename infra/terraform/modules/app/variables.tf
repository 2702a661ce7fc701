variable "documents" {
  description = "Output `documents` of ./manifests: KIND/NAME -> stage and YAML."
  type = map(object({
    stage = string
    yaml  = string
  }))
  nullable = false

  validation {
    condition     = alltrue([for document in values(var.documents) : contains(["namespace", "base", "workload", "autoscaling"], document.stage)])
    error_message = "documents has a stage other than namespace, base, workload, autoscaling; such a document would silently not be applied: ${join(", ", [for key, document in var.documents : "${key} (${document.stage})" if !contains(["namespace", "base", "workload", "autoscaling"], document.stage)])}."
  }
}
