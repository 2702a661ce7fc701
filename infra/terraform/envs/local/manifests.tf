# Apart from main.tf, because this half needs no provider and no cluster: `python -m infra.tf render` uses it alone.
module "manifests" {
  source = "../../modules/app/manifests"

  chat_api_image    = var.chat_api_image
  llm_mode          = var.llm_mode
  patient_api_image = var.patient_api_image
  db_api_base_url   = "http://patient-api-service:8001"
  extra_env         = var.extra_env
  generation        = var.generation
  resources         = var.resources
  autoscaling       = var.autoscaling
  model_cache       = var.model_cache

  probes = {
    # The image is on the node's own disk and SmolLM2 loads in under a second; the rest is Python's start on a busy core.
    startup_budget_s = 60
    startup_period_s = 1
  }
  shutdown = {
    drain_delay_s = 5  # haproxy and kube-proxy drop a pod within a second or two of its deletion
    drain_s       = 20 # the service's default: twice its request deadline, for one request that runs and one that waits
  }
  rollout = {
    progress_deadline_s = 120
  }
}
