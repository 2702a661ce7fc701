# One run for each validation rule: a value just past it is refused, by the variable named and no other.
# The near misses that pass are in documents.tftest.hcl.

variables {
  chat_api_image  = "localhost:5000/carepath-chat-api:v2.0"
  llm_mode        = "mock"
  db_api_base_url = "http://patient-api-service:8001"
  resources       = { cpu_request_millicores = 250, memory_request_mib = 512, memory_limit_mib = 512 }
  autoscaling     = { min_replicas = 2, max_replicas = 4 }
  probes          = { startup_budget_s = 60 }
  shutdown        = { drain_delay_s = 5, drain_s = 20 }
}

run "namespace_that_is_no_dns_label_is_refused" {
  command = plan
  variables { namespace = "carepath_demo" }
  expect_failures = [var.namespace]
}

run "chat_image_without_tag_is_refused" {
  command = plan
  variables { chat_api_image = "localhost:5000/carepath-chat-api" }
  expect_failures = [var.chat_api_image]
}

run "llm_mode_that_is_empty_is_refused" {
  command = plan
  variables { llm_mode = "" }
  expect_failures = [var.llm_mode]
}

run "db_api_base_url_without_port_is_refused" {
  command = plan
  variables { db_api_base_url = "http://patient-api-service" }
  expect_failures = [var.db_api_base_url]
}

run "extra_env_key_in_lower_case_is_refused" {
  command = plan
  variables { extra_env = { max_tokens = "64" } }
  expect_failures = [var.extra_env]
}

run "extra_env_key_with_its_own_variable_is_refused" {
  command = plan
  variables { extra_env = { LLM_MODE = "mock" } }
  expect_failures = [var.extra_env]
}

run "extra_env_credential_is_refused" {
  command = plan
  variables { extra_env = { HF_TOKEN = "fake" } }
  expect_failures = [var.extra_env]
}

run "extra_env_key_of_a_generation_setting_is_refused" {
  command = plan
  variables { extra_env = { MAX_TOKENS = "64" } }
  expect_failures = [var.extra_env]
}

run "temperature_above_two_is_refused" {
  command = plan
  variables { generation = { temperature = 2.1 } }
  expect_failures = [var.generation]
}

run "top_p_of_zero_is_refused" {
  command = plan
  variables { generation = { top_p = 0 } }
  expect_failures = [var.generation]
}

run "half_a_token_is_refused" {
  command = plan
  variables { generation = { max_tokens = 1.5 } }
  expect_failures = [var.generation]
}

run "answer_without_tokens_is_refused" {
  command = plan
  variables { generation = { max_tokens = 0 } }
  expect_failures = [var.generation]
}

run "patient_image_without_tag_is_refused" {
  command = plan
  variables { patient_api_image = "localhost:5000/carepath-patient-api" }
  expect_failures = [var.patient_api_image]
}

run "resources_without_cpu_request_are_refused" {
  command = plan
  variables {
    resources = { cpu_request_millicores = 0, memory_request_mib = 512, memory_limit_mib = 512 }
  }
  expect_failures = [var.resources]
}

run "cpu_limit_below_its_request_is_refused" {
  command = plan
  variables {
    resources = { cpu_request_millicores = 250, cpu_limit_millicores = 249, memory_request_mib = 512, memory_limit_mib = 512 }
  }
  expect_failures = [var.resources]
}

run "memory_limit_below_its_request_is_refused" {
  command = plan
  variables {
    resources = { cpu_request_millicores = 250, memory_request_mib = 512, memory_limit_mib = 511 }
  }
  expect_failures = [var.resources]
}

run "max_replicas_below_min_replicas_is_refused" {
  command = plan
  variables { autoscaling = { min_replicas = 2, max_replicas = 1 } }
  expect_failures = [var.autoscaling]
}

run "cpu_target_above_the_request_is_refused" {
  command = plan
  variables { autoscaling = { min_replicas = 2, max_replicas = 4, target_cpu_percent = 101 } }
  expect_failures = [var.autoscaling]
}

run "scale_down_window_above_an_hour_is_refused" {
  command = plan
  variables { autoscaling = { min_replicas = 2, max_replicas = 4, scale_down_stabilization_s = 3601 } }
  expect_failures = [var.autoscaling]
}

run "tmp_of_no_size_is_refused" {
  command = plan
  variables { tmp_size_mib = 0 }
  expect_failures = [var.tmp_size_mib]
}

run "probe_time_of_zero_is_refused" {
  command = plan
  variables { probes = { startup_budget_s = 60, timeout_s = 0 } }
  expect_failures = [var.probes]
}

run "probe_timeout_beyond_its_period_is_refused" {
  command = plan
  variables { probes = { startup_budget_s = 60, readiness_period_s = 2, timeout_s = 5 } }
  expect_failures = [var.probes]
}

run "startup_budget_below_one_period_is_refused" {
  command = plan
  variables { probes = { startup_budget_s = 4, startup_period_s = 5 } }
  expect_failures = [var.probes]
}

run "drain_without_time_is_refused" {
  command = plan
  variables { shutdown = { drain_delay_s = 5, drain_s = 0 } }
  expect_failures = [var.shutdown]
}

run "history_without_a_revision_to_return_to_is_refused" {
  command = plan
  variables { rollout = { revision_history_limit = 0 } }
  expect_failures = [var.rollout]
}

run "progress_deadline_within_the_startup_budget_is_refused" {
  command = plan
  variables { rollout = { progress_deadline_s = 60 } }
  expect_failures = [var.rollout]
}

run "service_annotation_with_a_space_is_refused" {
  command = plan
  variables { service_annotations = { "idle timeout" = "60" } }
  expect_failures = [var.service_annotations]
}

run "model_cache_of_an_unknown_kind_is_refused" {
  command = plan
  variables {
    rollout     = { progress_deadline_s = 3600 }
    model_cache = { kind = "disk", size_gib = 4 }
  }
  expect_failures = [var.model_cache]
}

run "model_cache_without_room_is_refused" {
  command = plan
  variables {
    rollout     = { progress_deadline_s = 3600 }
    model_cache = { kind = "pod" }
  }
  expect_failures = [var.model_cache]
}

run "claim_without_class_and_path_is_refused" {
  command = plan
  variables {
    rollout     = { progress_deadline_s = 3600 }
    model_cache = { kind = "claim", size_gib = 4 }
  }
  expect_failures = [var.model_cache]
}

run "access_mode_that_nobody_can_write_with_is_refused" {
  command = plan
  variables {
    rollout     = { progress_deadline_s = 3600 }
    model_cache = { kind = "claim", size_gib = 4, storage_class = "efs", access_mode = "ReadOnlyMany" }
  }
  expect_failures = [var.model_cache]
}

run "volume_of_one_node_for_several_replicas_is_refused" {
  command = plan
  variables {
    rollout     = { progress_deadline_s = 3600 }
    model_cache = { kind = "claim", size_gib = 4, storage_class = "gp3", access_mode = "ReadWriteOnce" }
  }
  expect_failures = [var.model_cache]
}

run "download_without_time_is_refused" {
  command = plan
  variables {
    rollout     = { progress_deadline_s = 3600 }
    model_cache = { kind = "pod", size_gib = 4, download_budget_s = 0 }
  }
  expect_failures = [var.model_cache]
}

run "host_path_that_is_relative_is_refused" {
  command = plan
  variables {
    rollout     = { progress_deadline_s = 3600 }
    model_cache = { kind = "claim", size_gib = 4, host_path = "models" }
  }
  expect_failures = [var.model_cache]
}

run "token_in_place_of_its_secret_is_refused" {
  command = plan
  variables {
    rollout     = { progress_deadline_s = 3600 }
    model_cache = { kind = "pod", size_gib = 4, token_secret = "hf_ABC" }
  }
  expect_failures = [var.model_cache]
}

run "progress_deadline_within_the_download_is_refused" {
  command = plan
  variables {
    rollout     = { progress_deadline_s = 160 }
    model_cache = { kind = "pod", size_gib = 4, download_budget_s = 100 }
  }
  expect_failures = [var.rollout]
}
