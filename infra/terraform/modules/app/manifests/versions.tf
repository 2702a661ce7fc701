terraform {
  # Conditions below refer to other variables, which came with 1.9 in Terraform and in OpenTofu.
  required_version = ">= 1.9"
}
