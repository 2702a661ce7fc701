"""The soak: hours of looking. It changes nothing, so it may run beside production."""
