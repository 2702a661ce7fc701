output "repository_url" {
  description = "REGISTRY/NAME, to which a tag or a digest is appended."
  value       = aws_ecr_repository.this.repository_url
}

output "repository_arn" {
  description = "For policies of those who push."
  value       = aws_ecr_repository.this.arn
}
