# One run for each validation rule of this environment's own: a value just past it is refused, by the variable named and
# no other. What it passes on is refused by the module that takes it. The first run is the near miss.

variables {
  account_id      = "123456789012"
  region          = "ap-southeast-2"
  api_cidrs       = []
  access          = { deployer = { principal_arn = "arn:aws:iam::123456789012:role/deployer", policy = "AmazonEKSClusterAdminPolicy" } }
  kubeconfig_path = "/etc/kubeconfig"
  chat_api_image  = "registry/carepath-chat-api:v2.0"
  llm_mode        = "mock"
  resources       = { cpu_request_millicores = 250, memory_request_mib = 512, memory_limit_mib = 512 }
  autoscaling     = { min_replicas = 2, max_replicas = 2 }
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

run "kubeconfig_by_a_relative_path_is_refused" {
  command = plan
  variables { kubeconfig_path = "~/.kube/config" }
  expect_failures = [var.kubeconfig_path]
}
