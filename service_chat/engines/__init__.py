"""Inference engines behind one Protocol; each module may import its own library and nobody else does."""
