"""What needs torch: run by `make test-transformers`, in an environment of its own, and by nothing else."""
