"""The text of a small target, for tests that load it or run a tier on it."""

IDENTITY = 'identity = { server = "https://10.90.0.2:6443" }'
NO_CLUSTER = 'reader = "none"'


def minimal_target(name: str, *, cluster: str = IDENTITY, allow_mutation: str = "false") -> str:
    """Return the text of a target of this name: how its cluster is known, and whether drills may change it."""
    return f"""
name = "{name}"
allow_mutation = {allow_mutation}
image_repository = "localhost:5000/carepath-chat-api"
[cluster]
{cluster}
[desired]
manifests = "manifests.yaml"
[model]
name = "SmolLM2-135M-Instruct"
[acceptance]
test_mrns = ["MRN-001", "MRN-002"]
"""
