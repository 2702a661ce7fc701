"""The soak as a CronJob in the cluster: its image, and its manifests for a target."""
