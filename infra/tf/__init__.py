"""Terraform (or OpenTofu) for this project: found or built, its plans reviewed before they are applied."""
