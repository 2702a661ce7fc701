# Apart from main.tf, because this half needs no provider and no cluster: `python -m infra.tf render` uses it alone.
module "manifests" {
  source = "../../modules/app/manifests"

  chat_api_image  = var.chat_api_image
  llm_mode        = var.llm_mode
  db_api_base_url = "http://db-api-service:8001" # CarePath's own DB API, deployed from its own repository
  extra_env       = var.extra_env
  generation      = var.generation
  resources       = var.resources
  autoscaling     = var.autoscaling
  model_cache     = var.model_cache

  probes = {
    # transformers reads 8 GB of bf16 weights in 3 to 5 s from the page cache; from a gp3 root volume at its base rate of
    # 125 MB/s the first pod of a node needs 64 s, and two that start together twice that.
    startup_budget_s = 300
    startup_period_s = 5
  }
  shutdown = {
    drain_delay_s = 25 # a classic load balancer drops a target after two failed checks, 10 s apart by default
    drain_s       = 20
  }
  rollout = {
    # The first pull of an image with 8 GB of weights counts as no progress; nor does, without them in the image, their
    # download (model_cache.download_budget_s).
    progress_deadline_s = 1500
  }
  service_annotations = {
    # The default of 60 s, written out: the service's deadline has to stay below it.
    "service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout" = "60"
  }
}
