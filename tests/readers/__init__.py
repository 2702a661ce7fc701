"""Readers: what enters as JSON, HTTP or files leaves as records or as the gate's own errors."""
