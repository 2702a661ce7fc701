"""What the checklist's lines mean on the embedded cluster: the account, the addresses and the model that are not here.

Pure. Everything else of a line stays as it is written.
"""

from dataclasses import dataclass

from infra.images.base import BUILD_TAG, RUNTIME_TAG

MODEL = "SmolLM2-135M-Instruct"


@dataclass(frozen=True)
class StandIn:
    """A piece of the checklist's text, what stands in for it, and why."""

    written: str
    used: str
    why: str


def stand_ins(registry: str, published: str) -> tuple[StandIn, ...]:
    """Return what is replaced.

    Args:
        registry: the embedded registry as it stands in image names.
        published: the host under which ports that the Docker engine publishes are reached.
    """
    bases = f"--build-arg BUILD_IMAGE={BUILD_TAG} --build-arg BASE_IMAGE={RUNTIME_TAG} --build-arg MODEL={MODEL}"
    return (
        StandIn("123456789012.dkr.ecr.us-east-1.amazonaws.com", registry, "the account's registry"),
        StandIn("infra/terraform/envs/demo", "infra/terraform/envs/local", "the account's environment"),
        StandIn("http://localhost:8002", f"http://{published}:8002", "where the engine publishes ports"),
        StandIn("Qwen3-4B-Thinking-2507", MODEL, "a machine without a model hub has no Qwen3"),
        StandIn("docker build", f"docker build {bases}", "the public registry's base images, and the model again"),
    )


def replaced(text: str, found: tuple[StandIn, ...]) -> str:
    """Return a step's text with every stand-in in its place."""
    for each in found:
        text = text.replace(each.written, each.used)
    return text
