output "applied" {
  description = "KIND/NAME -> UID in the cluster."
  value = {
    for key, object in merge(
      kubectl_manifest.namespace,
      kubectl_manifest.base,
      kubectl_manifest.workload,
      kubectl_manifest.autoscaling,
    ) : key => object.uid
  }
}
