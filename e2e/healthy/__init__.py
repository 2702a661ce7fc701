"""Healthy rollouts of every kind, one after the other, each judged: what the gate says of them is a false alarm."""
