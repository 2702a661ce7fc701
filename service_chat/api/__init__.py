"""The HTTP surface: what comes in and goes out, and nothing of how an answer is made."""
