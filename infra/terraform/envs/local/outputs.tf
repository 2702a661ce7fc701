output "rendered" {
  description = "Every manifest as one YAML stream; committed as infra/terraform/rendered/local.yaml."
  value       = module.manifests.rendered
}
