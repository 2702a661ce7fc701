# Every rule of the language; a waiver stands in the file, with its reason. Rules for AWS come from a plugin that is
# published on GitHub only: `python -m infra.tf check-aws` holds the aws_* blocks against the provider's typings instead.
plugin "terraform" {
  enabled = true
  preset  = "all"
}
