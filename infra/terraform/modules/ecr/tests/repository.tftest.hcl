# What a push and a rollback rely on.

mock_provider "aws" {}

variables {
  name        = "carepath-chat-api"
  kept_images = 6 # the fewest that are accepted
}

run "tag_cannot_be_moved" {
  command = plan

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "tags are ${aws_ecr_repository.this.image_tag_mutability}"
  }
}

run "push_is_scanned" {
  command = plan

  assert {
    condition     = aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "pushes are not scanned"
  }
}

run "newest_images_are_kept_and_untagged_ones_go" {
  command = plan

  assert {
    condition = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : [rule.selection.tagStatus, rule.selection.countNumber]] == [
      ["untagged", 7], ["any", 6],
    ]
    error_message = "got ${aws_ecr_lifecycle_policy.this.policy}"
  }
}
