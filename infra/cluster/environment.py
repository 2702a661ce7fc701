"""The variables that point other programs at a cluster: the one thing they need to know about it."""

import os

from infra.cluster.instance import REGISTRY_NAME, Record


def completed(record: Record) -> dict[str, str]:
    """Return the variables for a process that this one starts: PATH keeps what it held."""
    found = variables(record)
    return {**found, "PATH": os.pathsep.join((found["PATH"], os.environ.get("PATH", os.defpath)))}


def variables(record: Record) -> dict[str, str]:
    """Return name and value of each; PATH holds only the folder to put in front."""
    instance = record.instance
    found = {
        "CAREPATH_CLUSTER": instance.name,
        "KUBECONFIG": str(instance.kubeconfig),
        "PATH": str(instance.run / "bin"),
    }
    if instance.settings.has_node:
        found |= {
            "CAREPATH_REGISTRY": REGISTRY_NAME,
            "CAREPATH_REGISTRY_URL": instance.registry_url,
            # Its clean-up container's image could not be pulled; the tests remove what they start.
            "TESTCONTAINERS_RYUK_DISABLED": "true",
        }
    if record.own_docker:
        found |= {
            "DOCKER_HOST": f"unix://{instance.docker_socket}",
            # Debian's client 20.10 builds with the old builder unless told otherwise.
            "DOCKER_BUILDKIT": "1",
            # The engine publishes ports inside the node, not on the host.
            "TESTCONTAINERS_HOST_OVERRIDE": instance.node_ip,
        }
    return found
