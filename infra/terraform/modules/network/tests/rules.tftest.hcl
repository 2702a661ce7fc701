# One run for each validation rule: a value just past it is refused, by the variable named and no other.
# The near misses that pass are in zones.tftest.hcl.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name  = "carepath-demo"
  zones = ["us-east-1a", "us-east-1b"]
}

run "name_with_an_underscore_is_refused" {
  command = plan
  variables { name = "carepath_demo" }
  expect_failures = [var.name]
}

run "one_zone_is_refused" {
  command = plan
  variables { zones = ["us-east-1a"] }
  expect_failures = [var.zones]
}

run "zone_named_twice_is_refused" {
  command = plan
  variables { zones = ["us-east-1a", "us-east-1a"] }
  expect_failures = [var.zones]
}

run "region_for_a_zone_is_refused" {
  command = plan
  variables { zones = ["us-east-1", "us-east-1b"] }
  expect_failures = [var.zones]
}

run "range_too_small_for_load_balancers_is_refused" {
  command = plan
  variables { cidr = "10.20.0.0/20" }
  expect_failures = [var.cidr]
}

run "range_not_written_from_its_first_address_is_refused" {
  command = plan
  variables { cidr = "10.20.1.0/16" }
  expect_failures = [var.cidr]
}

run "nat_of_another_kind_is_refused" {
  command = plan
  variables { nat = "none" }
  expect_failures = [var.nat]
}

run "flow_log_days_unknown_to_cloudwatch_are_refused" {
  command = plan
  variables { flow_log_days = 31 }
  expect_failures = [var.flow_log_days]
}
