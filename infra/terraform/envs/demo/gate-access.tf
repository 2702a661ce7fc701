# What the gate's reading tiers may do (infra/rbac), bound to the group that an access entry gives: whoever runs the gate
# here comes with an IAM role and not with the service account that those files also name. Drills are not bound: this
# environment's target forbids them.

locals {
  gate_documents = flatten([
    for name in ["reader", "cluster-reader"] : [
      for text in split("\n---\n", file("${path.module}/../../../rbac/${name}.yaml")) : yamldecode(text)
    ]
  ])

  gate_access = {
    for document in local.gate_documents : "${document.kind}/${document.metadata.name}" => merge(
      document,
      # A Role has no subjects; a namespace of another name than the files' moves along.
      can(document.subjects) ? { subjects = [{ apiGroup = "rbac.authorization.k8s.io", kind = "Group", name = "carepath-gate" }] } : {},
      can(document.metadata.namespace) ? { metadata = { name = document.metadata.name, namespace = module.manifests.namespace } } : {},
    ) if contains(["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"], document.kind)
  }
}

resource "kubectl_manifest" "gate_access" {
  for_each = local.gate_access

  yaml_body         = yamlencode(each.value)
  server_side_apply = true
  wait_for_rollout  = false

  depends_on = [module.app] # the namespace
}
