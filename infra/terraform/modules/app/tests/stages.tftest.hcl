# Which document is applied in which stage. The provider is a stand-in: no cluster is asked.

mock_provider "kubectl" {}

variables {
  documents = {
    "Namespace/n"  = { stage = "namespace", yaml = "kind: Namespace" }
    "Service/s"    = { stage = "base", yaml = "kind: Service" }
    "Deployment/d" = { stage = "workload", yaml = "kind: Deployment" }
  }
}

run "each_document_is_applied_once_in_its_stage" {
  command = plan

  assert {
    condition = (
      keys(kubectl_manifest.namespace) == ["Namespace/n"] && keys(kubectl_manifest.base) == ["Service/s"] &&
      keys(kubectl_manifest.workload) == ["Deployment/d"] && length(kubectl_manifest.autoscaling) == 0
    )
    error_message = "a document is in another stage, or in none"
  }
}

run "no_apply_waits_for_a_rollout" {
  command = plan

  assert {
    condition     = !kubectl_manifest.workload["Deployment/d"].wait_for_rollout
    error_message = "the provider would wait ten minutes for a rollout that is doomed"
  }
}

run "document_of_an_unknown_stage_is_refused" {
  command = plan

  variables {
    documents = { "Secret/x" = { stage = "secrets", yaml = "kind: Secret" } }
  }

  expect_failures = [var.documents]
}
