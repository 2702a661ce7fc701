"""How the gate reads and judges thousands of pods, 20 of them broken: `python -m benchmarks.scale`."""
