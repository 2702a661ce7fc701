# What the inputs become, at the edge of what the rules in rules.tftest.hcl let pass.

variables {
  chat_api_image  = "localhost:5000/carepath-chat-api@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  llm_mode        = "SmolLM2-135M-Instruct"
  db_api_base_url = "http://patient-api-service:8001"
  resources       = { cpu_request_millicores = 250, memory_request_mib = 512, memory_limit_mib = 512 }
  autoscaling     = { min_replicas = 2, max_replicas = 2 }
  probes          = { startup_budget_s = 61, startup_period_s = 2 }
  shutdown        = { drain_delay_s = 5, drain_s = 20 }
  rollout         = { progress_deadline_s = 62 }
  extra_env       = { LLM_PARALLEL = "2" }
}

run "chat_api_alone_is_six_documents" {
  command = plan

  assert {
    condition = keys(output.documents) == [
      "Deployment/chat-api", "HorizontalPodAutoscaler/chat-api", "Namespace/carepath-demo",
      "PodDisruptionBudget/chat-api", "Service/chat-api-service", "ServiceAccount/chat-api",
    ]
    error_message = "got ${join(", ", keys(output.documents))}"
  }
}

run "patient_api_adds_its_own_three" {
  command = plan
  variables { patient_api_image = "localhost:5000/carepath-patient-api:v1.0" }

  assert {
    condition     = length(output.documents) == 9 && contains(keys(output.documents), "Deployment/patient-api")
    error_message = "got ${join(", ", keys(output.documents))}"
  }
}

run "deployment_leaves_replicas_to_the_autoscaler" {
  command = plan

  assert {
    condition     = !can(yamldecode(output.documents["Deployment/chat-api"].yaml).spec.replicas)
    error_message = "the Deployment has replicas"
  }
}

run "environment_is_in_the_pod_template_in_one_order" {
  command = plan

  assert {
    condition = [for item in yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.containers[0].env : item.name] == [
      "DB_API_BASE_URL", "DOWNLOAD_MODEL", "DRAIN_DELAY_S", "DRAIN_S", "IMAGE", "LLM_MODE", "LLM_PARALLEL", "MODEL_CACHE_DIR",
    ]
    error_message = "the list of variables is another"
  }
}

run "generation_settings_at_their_edges_are_accepted_and_named_in_capitals" {
  command = plan
  variables {
    generation = { temperature = 0, top_p = 1, top_k = 0, max_tokens = 1, thinking_budget_tokens = 0 }
  }

  assert {
    condition = {
      for item in yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.containers[0].env :
      item.name => item.value if contains(["TEMPERATURE", "TOP_P", "TOP_K", "MAX_TOKENS", "THINKING_BUDGET_TOKENS"], item.name)
    } == { TEMPERATURE = "0", TOP_P = "1", TOP_K = "0", MAX_TOKENS = "1", THINKING_BUDGET_TOKENS = "0" }
    error_message = "the environment has others"
  }
}

run "startup_budget_is_never_cut_short_by_rounding" {
  command = plan

  assert {
    condition     = yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.containers[0].startupProbe.failureThreshold == 31
    error_message = "61 s in periods of 2 s are 31 periods"
  }
}

run "grace_period_exceeds_both_drain_times" {
  command = plan

  assert {
    condition     = yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.terminationGracePeriodSeconds == 30
    error_message = "5 s delay, 20 s drain and 5 s for the end are 30 s"
  }
}

run "cpu_without_a_limit_has_none_in_the_pod" {
  command = plan

  assert {
    condition     = yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.containers[0].resources.limits == { memory = "512Mi" }
    error_message = "limits are not memory alone"
  }
}

run "service_annotations_reach_the_service" {
  command = plan
  variables { service_annotations = { "example.com/idle-timeout" = "60" } }

  assert {
    condition     = yamldecode(output.documents["Service/chat-api-service"].yaml).metadata.annotations == { "example.com/idle-timeout" = "60" }
    error_message = "annotations are others"
  }
}

run "every_document_is_in_the_rendered_stream" {
  command = plan

  assert {
    condition     = length(split("\n---\n", output.rendered)) == 6
    error_message = "the stream has ${length(split("\n---\n", output.rendered))} documents"
  }
}
