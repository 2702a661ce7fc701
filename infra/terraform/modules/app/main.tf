################################################################################
# Order
#
# Each stage depends on the one before, and a destroy goes the other way. Nothing waits for pods: whether a rollout
# succeeds is the gate's judgement, and the provider's own wait would sit out ten minutes on one that is doomed.
#
# Server-side apply, because only it leaves alone what these documents do not name (replicas, which is the HPA's). It
# takes fields back by force: after `kubectl set env` or `rollout undo` they belong to kubectl's other field managers,
# and the next apply is meant to win.
################################################################################

locals {
  stages = {
    for stage in ["namespace", "base", "workload", "autoscaling"] : stage => {
      for key, document in var.documents : key => document.yaml if document.stage == stage
    }
  }
}

resource "kubectl_manifest" "namespace" {
  for_each = local.stages.namespace

  yaml_body         = each.value
  server_side_apply = true
  force_conflicts   = true
  wait_for_rollout  = false
  wait              = true # on destroy: an apply into a namespace that is still terminating is refused
}

# Service accounts, Services and the disruption budget: a pod needs the first, and a load balancer takes minutes.
resource "kubectl_manifest" "base" {
  for_each = local.stages.base

  yaml_body         = each.value
  server_side_apply = true
  force_conflicts   = true
  wait_for_rollout  = false

  depends_on = [kubectl_manifest.namespace]
}

resource "kubectl_manifest" "workload" {
  for_each = local.stages.workload

  yaml_body         = each.value
  server_side_apply = true
  force_conflicts   = true
  wait_for_rollout  = false

  depends_on = [kubectl_manifest.base]
}

resource "kubectl_manifest" "autoscaling" {
  for_each = local.stages.autoscaling

  yaml_body         = each.value
  server_side_apply = true
  force_conflicts   = true
  wait_for_rollout  = false

  depends_on = [kubectl_manifest.workload]
}
