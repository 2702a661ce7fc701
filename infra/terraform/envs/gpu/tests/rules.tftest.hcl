# One run for each validation rule of this environment's own: a value just past it is refused, by the variable named and
# no other. What it passes on is refused by the module that takes it. The first run is the near miss.

variables {
  account_id = "123456789012"
  region     = "us-gov-west-1"
  access     = { deployer = { principal_arn = "arn:aws:iam::123456789012:role/deployer", policy = "AmazonEKSClusterAdminPolicy" } }
  gpu_nodes  = 1
}

run "values_at_the_edge_are_accepted" {
  command = plan
}

run "account_of_eleven_digits_is_refused" {
  command = plan
  variables { account_id = "12345678901" }
  expect_failures = [var.account_id]
}

run "zone_for_a_region_is_refused" {
  command = plan
  variables { region = "us-east-1a" }
  expect_failures = [var.region]
}

run "environment_without_a_gpu_is_refused" {
  command = plan
  variables { gpu_nodes = 0 }
  expect_failures = [var.gpu_nodes]
}
