"""Tier 1: will it fit, will it start, will it answer in time. Reads only; works with no cluster where it can."""
