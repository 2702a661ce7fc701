# What the gate's tiers that read may do, and no more: no Secret, nothing written but the port-forward by which each pod is
# asked. Drills want more, and this environment's target forbids them. The group is given by an access entry.

locals {
  gate_subject = { apiGroup = "rbac.authorization.k8s.io", kind = "Group", name = "carepath-gate" }
  gate_reads   = ["get", "list", "watch"]

  gate_access = {
    "ClusterRole/carepath-gate" = {
      metadata = { name = "carepath-gate" }
      rules = [
        # Nodes with all that is requested on them: what is free decides whether a pod fits.
        { apiGroups = [""], resources = ["nodes", "pods"], verbs = local.gate_reads },
        { apiGroups = ["storage.k8s.io"], resources = ["storageclasses", "csidrivers"], verbs = local.gate_reads },
        # The UID of kube-system, by which a target names its cluster.
        { apiGroups = [""], resources = ["namespaces"], resourceNames = ["kube-system"], verbs = ["get"] },
      ]
    }
    "ClusterRoleBinding/carepath-gate" = {
      metadata = { name = "carepath-gate" }
      subjects = [local.gate_subject]
      roleRef  = { apiGroup = "rbac.authorization.k8s.io", kind = "ClusterRole", name = "carepath-gate" }
    }
    "Role/carepath-gate" = {
      metadata = { name = "carepath-gate", namespace = module.manifests.namespace }
      rules = [
        {
          apiGroups = [""]
          resources = ["pods", "pods/log", "services", "events", "persistentvolumeclaims", "resourcequotas"]
          verbs     = local.gate_reads
        },
        # By websocket a port-forward is a get, by SPDY a create.
        { apiGroups = [""], resources = ["pods/portforward"], verbs = ["get", "create"] },
        { apiGroups = ["apps"], resources = ["deployments", "replicasets"], verbs = local.gate_reads },
        { apiGroups = ["autoscaling"], resources = ["horizontalpodautoscalers"], verbs = local.gate_reads },
        { apiGroups = ["discovery.k8s.io"], resources = ["endpointslices"], verbs = local.gate_reads },
        { apiGroups = ["metrics.k8s.io"], resources = ["pods"], verbs = local.gate_reads },
      ]
    }
    "RoleBinding/carepath-gate" = {
      metadata = { name = "carepath-gate", namespace = module.manifests.namespace }
      subjects = [local.gate_subject]
      roleRef  = { apiGroup = "rbac.authorization.k8s.io", kind = "Role", name = "carepath-gate" }
    }
  }
}

resource "kubectl_manifest" "gate_access" {
  for_each = local.gate_access

  yaml_body = yamlencode(merge(
    { apiVersion = "rbac.authorization.k8s.io/v1", kind = split("/", each.key)[0] }, each.value
  ))
  server_side_apply = true
  wait_for_rollout  = false

  depends_on = [module.app] # the namespace
}
