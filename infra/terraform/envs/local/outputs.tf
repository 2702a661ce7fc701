output "rendered" {
  description = "Every manifest as one YAML stream; committed as infra/terraform/rendered/local.yaml."
  value       = module.manifests.rendered
}

output "chat_api_repo_url" {
  description = "Where images of the chat API are pushed to; the checklist's ECR_URL."
  value       = replace(var.chat_api_image, "/(:[^:/]+)?(@.*)?$/", "")
}
