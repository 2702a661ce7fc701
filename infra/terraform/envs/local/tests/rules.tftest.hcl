# One run for each validation rule of this environment's own: a value just past it is refused, by the variable named and
# no other. What it passes on is refused by the module that takes it. The first run is the near miss.

variables {
  kubeconfig_path   = "/etc/kubeconfig"
  chat_api_image    = "registry/carepath-chat-api:v2.0"
  llm_mode          = "mock"
  resources         = { cpu_request_millicores = 250, memory_request_mib = 512, memory_limit_mib = 512 }
  autoscaling       = { min_replicas = 2, max_replicas = 2 }
  patient_api_image = "registry/carepath-patient-api:v1.0"
}

run "values_at_the_edge_are_accepted" {
  command = plan
}

run "kubeconfig_by_a_relative_path_is_refused" {
  command = plan
  variables { kubeconfig_path = "~/.kube/config" }
  expect_failures = [var.kubeconfig_path]
}
