################################################################################
# Values that several templates share
################################################################################

locals {
  # A setting that is not chosen is not in the environment: the model's own entry holds.
  generation_env = { for name, value in var.generation : upper(name) => tostring(value) if value != null }

  # terraform sorts map keys, so the list in the pod has one order, and an unchanged map is an unchanged template.
  chat_api_env = merge(var.extra_env, local.generation_env, {
    DB_API_BASE_URL = var.db_api_base_url
    DOWNLOAD_MODEL  = tostring(local.caches)
    DRAIN_DELAY_S   = tostring(var.shutdown.drain_delay_s)
    DRAIN_S         = tostring(var.shutdown.drain_s)
    IMAGE           = var.chat_api_image
    LLM_MODE        = var.llm_mode
    MODEL_CACHE_DIR = "/models" # where the image has its own; a volume there takes its place
  })

  caches = var.model_cache.kind != "none"
  shares = var.model_cache.kind == "claim"
  # The service's own user owns what a volume plugin makes; a hostPath is left as it is.
  model_group_id = 10001
  model_claim    = "chat-api-model-cache"
  model_volume   = "${var.namespace}-${local.model_claim}" # volumes have no namespace

  # The download comes before the load, in the same process, so that /health answers and /ready says how far it is.
  startup_budget_s = var.probes.startup_budget_s + (local.caches ? var.model_cache.download_budget_s : 0)

  # 5 s beyond the service's own two times for it to log, close its connections and end: KILL is for one that hangs.
  grace_period_s = ceil(var.shutdown.drain_delay_s + var.shutdown.drain_s) + 5
}

################################################################################
# Documents: KIND/NAME -> stage and YAML
#
# The stage says when ../main.tf applies a document: 1 namespace, 2 base, 3 workload, 4 autoscaling.
################################################################################

locals {
  chat_api = {
    "Namespace/${var.namespace}" = {
      stage = "namespace"
      yaml  = templatefile("${path.module}/namespace.yaml.tftpl", { namespace = var.namespace })
    }
    "ServiceAccount/chat-api" = {
      stage = "base"
      yaml  = templatefile("${path.module}/service-account.yaml.tftpl", { name = "chat-api", namespace = var.namespace })
    }
    "Service/chat-api-service" = {
      stage = "base"
      yaml = templatefile("${path.module}/chat-api-service.yaml.tftpl", {
        namespace   = var.namespace
        annotations = var.service_annotations
      })
    }
    "PodDisruptionBudget/chat-api" = {
      stage = "base"
      yaml  = templatefile("${path.module}/chat-api-pod-disruption-budget.yaml.tftpl", { namespace = var.namespace })
    }
    "Deployment/chat-api" = {
      stage = "workload"
      yaml = templatefile("${path.module}/chat-api-deployment.yaml.tftpl", {
        namespace      = var.namespace
        image          = var.chat_api_image
        env            = local.chat_api_env
        resources      = var.resources
        probes         = merge(var.probes, { startup_budget_s = local.startup_budget_s })
        grace_period_s = local.grace_period_s
        rollout        = var.rollout
        tmp_size_mib   = var.tmp_size_mib
        cache = merge(var.model_cache, {
          claim    = local.model_claim
          group_id = local.model_group_id
          # Attached to one node only: the old pod has to go before the new one can have it.
          exclusive = local.shares && var.model_cache.access_mode == "ReadWriteOnce"
        })
      })
    }
    "HorizontalPodAutoscaler/chat-api" = {
      stage = "autoscaling"
      yaml = templatefile("${path.module}/chat-api-horizontal-pod-autoscaler.yaml.tftpl", {
        namespace   = var.namespace
        autoscaling = var.autoscaling
      })
    }
  }

  patient_api = var.patient_api_image == null ? {} : {
    "ServiceAccount/patient-api" = {
      stage = "base"
      yaml  = templatefile("${path.module}/service-account.yaml.tftpl", { name = "patient-api", namespace = var.namespace })
    }
    "Service/patient-api-service" = {
      stage = "base"
      yaml  = templatefile("${path.module}/patient-api-service.yaml.tftpl", { namespace = var.namespace })
    }
    "Deployment/patient-api" = {
      stage = "workload"
      yaml = templatefile("${path.module}/patient-api-deployment.yaml.tftpl", {
        namespace = var.namespace
        image     = var.patient_api_image
      })
    }
  }

  model_cache = !local.shares ? {} : {
    "PersistentVolumeClaim/${local.model_claim}" = {
      stage = "base"
      yaml = templatefile("${path.module}/chat-api-model-cache-claim.yaml.tftpl", {
        namespace = var.namespace
        name      = local.model_claim
        volume    = local.model_volume
        cache     = var.model_cache
      })
    }
  }

  model_cache_volume = !local.shares || var.model_cache.host_path == null ? {} : {
    "PersistentVolume/${local.model_volume}" = {
      stage = "base"
      yaml = templatefile("${path.module}/chat-api-model-cache-volume.yaml.tftpl", {
        namespace = var.namespace
        claim     = local.model_claim
        name      = local.model_volume
        cache     = var.model_cache
      })
    }
  }

  documents = merge(local.chat_api, local.patient_api, local.model_cache, local.model_cache_volume)
}
