output "rendered" {
  description = "Every manifest as one YAML stream; committed as infra/terraform/rendered/demo.yaml."
  value       = module.manifests.rendered
}
