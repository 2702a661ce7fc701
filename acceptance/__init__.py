"""Tier 3: the success criteria in the cluster, read-only but for the questions it asks."""
