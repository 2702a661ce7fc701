"""What a report may show of a container's variables and of the nodes: enough to see what differs from the last run.

A value is shown where the variable is a setting of the service and its name is no credential's; others are named only.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable

from gate.plan.parse import HIDDEN
from gate.records import EnvVar, Node

_CREDENTIAL = re.compile(r"(_TOKEN|_KEY|PASSWORD|SECRET)$", re.IGNORECASE)
#: Of a node that carries no `node.kubernetes.io/instance-type` label.
UNKNOWN_TYPE = "unknown"


def shown_environment(env: Iterable[EnvVar], known_keys: Collection[str]) -> dict[str, str]:
    """Return variable to value, HIDDEN where it may be secret; one from a Secret or ConfigMap by where it is from.

    Args:
        env: the container's.
        known_keys: the service's settings.
    """
    return {each.name: _shown(each, known_keys) for each in env}


def _shown(variable: EnvVar, known_keys: Collection[str]) -> str:
    if variable.value is None:
        return f"from {variable.source}" if variable.source else ""
    harmless = variable.name in known_keys and not _CREDENTIAL.search(variable.name)
    return variable.value if harmless else HIDDEN


def node_types(nodes: Iterable[Node]) -> dict[str, int]:
    """Return how many nodes there are of each type, by name of the type."""
    return dict(sorted(Counter(node.instance_type or UNKNOWN_TYPE for node in nodes).items()))
