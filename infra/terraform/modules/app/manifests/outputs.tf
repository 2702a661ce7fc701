output "documents" {
  description = "KIND/NAME -> the stage in which modules/app applies it, and its YAML."
  value       = local.documents
}

output "namespace" {
  description = "Namespace of every object."
  value       = var.namespace
}

output "rendered" {
  description = "All documents as one YAML stream, in the order in which they are applied."
  value = join("---\n", flatten([
    for stage in ["namespace", "base", "workload", "autoscaling"] : [
      for document in values(local.documents) : document.yaml if document.stage == stage
    ]
  ]))
}
