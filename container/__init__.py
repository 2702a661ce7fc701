"""Tier 2: the built image, run as a pod would run it."""
