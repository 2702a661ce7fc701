"""Container images: the bases, the wheelhouse they install from, the project's own, and their digests in a registry."""
