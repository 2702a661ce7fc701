"""Numbers to verdicts: what a node type offers, what a model needs, whether the pods fit. Pure."""
