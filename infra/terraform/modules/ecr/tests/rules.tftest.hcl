# One run for each validation rule: a value just past it is refused, by the variable named and no other.
# The near misses that pass are in repository.tftest.hcl.

mock_provider "aws" {}

variables {
  name = "carepath-chat-api"
}

run "name_with_capitals_is_refused" {
  command = plan
  variables { name = "CarePath" }
  expect_failures = [var.name]
}

run "key_by_its_alias_is_refused" {
  command = plan
  variables { kms_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/images" }
  expect_failures = [var.kms_key_arn]
}

run "fewer_images_than_revisions_are_refused" {
  command = plan
  variables { kept_images = 5 }
  expect_failures = [var.kept_images]
}

run "untagged_images_deleted_at_once_are_refused" {
  command = plan
  variables { untagged_days = 0 }
  expect_failures = [var.untagged_days]
}
