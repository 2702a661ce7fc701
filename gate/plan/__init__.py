"""A saved Terraform plan to a verdict: what it would change, and whether this deploy may change it. Pure."""
