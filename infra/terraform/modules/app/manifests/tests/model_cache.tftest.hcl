# Where an image without the model keeps it: nowhere, on the pod's own disk, on a volume that the pods share.

variables {
  chat_api_image  = "localhost:5000/carepath-chat-api:v2.0"
  llm_mode        = "SmolLM2-135M-Instruct"
  db_api_base_url = "http://patient-api-service:8001"
  resources       = { cpu_request_millicores = 250, memory_request_mib = 512, memory_limit_mib = 512 }
  autoscaling     = { min_replicas = 2, max_replicas = 4 }
  probes          = { startup_budget_s = 60, startup_period_s = 2 }
  shutdown        = { drain_delay_s = 5, drain_s = 20 }
  rollout         = { progress_deadline_s = 161 }
}

run "without_a_cache_nothing_is_fetched_and_nothing_is_mounted" {
  command = plan

  assert {
    condition     = one([for item in yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.containers[0].env : item.value if item.name == "DOWNLOAD_MODEL"]) == "false"
    error_message = "the service would fetch what the image lacks"
  }

  assert {
    condition     = [for volume in yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.volumes : volume.name] == ["tmp"]
    error_message = "there is a volume beside /tmp"
  }
}

run "cache_of_the_pod_is_an_empty_dir_with_its_limit" {
  command = plan
  variables { model_cache = { kind = "pod", size_gib = 4, download_budget_s = 100 } }

  assert {
    condition     = one([for volume in yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.volumes : volume.emptyDir.sizeLimit if volume.name == "models"]) == "4Gi"
    error_message = "the volume has another limit"
  }

  assert {
    condition     = one([for mount in yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.containers[0].volumeMounts : mount.mountPath if mount.name == "models"]) == "/models"
    error_message = "it is mounted elsewhere"
  }

  assert {
    condition     = length(output.documents) == 6
    error_message = "the pod's own disk needs no further object"
  }

  assert {
    condition     = one([for item in yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.containers[0].env : item.value if item.name == "DOWNLOAD_MODEL"]) == "true"
    error_message = "nothing would be fetched"
  }
}

run "startup_budget_covers_the_download_and_the_load" {
  command = plan
  variables { model_cache = { kind = "pod", size_gib = 4, download_budget_s = 100 } }

  assert {
    condition     = yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.containers[0].startupProbe.failureThreshold == 80
    error_message = "60 s and 100 s in periods of 2 s are 80 periods"
  }
}

run "shared_cache_is_a_claim_of_its_class" {
  command = plan
  variables { model_cache = { kind = "claim", size_gib = 4, storage_class = "efs", download_budget_s = 100 } }

  assert {
    condition = yamldecode(output.documents["PersistentVolumeClaim/chat-api-model-cache"].yaml).spec == {
      accessModes = ["ReadWriteMany"], storageClassName = "efs", resources = { requests = { storage = "4Gi" } }
    }
    error_message = "the claim asks for something else"
  }

  assert {
    condition     = one([for volume in yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.volumes : volume.persistentVolumeClaim.claimName if volume.name == "models"]) == "chat-api-model-cache"
    error_message = "the pods mount another claim"
  }

  assert {
    condition     = length([for key in keys(output.documents) : key if startswith(key, "PersistentVolume/")]) == 0
    error_message = "the class makes the volume"
  }
}

run "cache_of_a_host_brings_its_volume" {
  command = plan
  variables { model_cache = { kind = "claim", size_gib = 1, host_path = "/srv/models", download_budget_s = 100 } }

  assert {
    condition = (
      yamldecode(output.documents["PersistentVolume/carepath-demo-chat-api-model-cache"].yaml).spec.hostPath.path == "/srv/models" &&
      yamldecode(output.documents["PersistentVolumeClaim/chat-api-model-cache"].yaml).spec.volumeName == "carepath-demo-chat-api-model-cache" &&
      yamldecode(output.documents["PersistentVolumeClaim/chat-api-model-cache"].yaml).spec.storageClassName == ""
    )
    error_message = "claim and volume do not name each other"
  }
}

run "one_replica_may_have_a_volume_of_one_node" {
  command = plan
  variables {
    autoscaling = { min_replicas = 1, max_replicas = 1 }
    model_cache = { kind = "claim", size_gib = 4, storage_class = "gp3", access_mode = "ReadWriteOnce", download_budget_s = 100 }
  }

  assert {
    condition     = yamldecode(output.documents["Deployment/chat-api"].yaml).spec.strategy.rollingUpdate == { maxSurge = 0, maxUnavailable = 1 }
    error_message = "a new pod on another node would wait for a volume that the old one holds"
  }
}

run "shared_volume_keeps_the_surge" {
  command = plan
  variables { model_cache = { kind = "claim", size_gib = 4, storage_class = "efs", download_budget_s = 100 } }

  assert {
    condition     = yamldecode(output.documents["Deployment/chat-api"].yaml).spec.strategy.rollingUpdate == { maxSurge = 1, maxUnavailable = 0 }
    error_message = "a rollout would interrupt the service"
  }
}

run "volume_belongs_to_the_services_group" {
  command = plan
  variables { model_cache = { kind = "pod", size_gib = 4, download_budget_s = 100 } }

  assert {
    condition     = yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.securityContext.fsGroup == 10001
    error_message = "user 10001 could not write the model"
  }
}

run "token_of_the_hub_comes_from_a_secret" {
  command = plan
  variables { model_cache = { kind = "pod", size_gib = 4, download_budget_s = 100, token_secret = "hub" } }

  assert {
    condition     = one([for item in yamldecode(output.documents["Deployment/chat-api"].yaml).spec.template.spec.containers[0].env : item.valueFrom.secretKeyRef if item.name == "HF_TOKEN"]) == { name = "hub", key = "token" }
    error_message = "the token comes from elsewhere"
  }
}
