"""Figures beside what they are compared with, each from one run: `python -m benchmarks.NAME`."""
