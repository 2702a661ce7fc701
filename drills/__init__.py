"""Drills: load and rollback. They change the cluster, and put it back."""
