"""Which environment variables look like a misspelt setting.

A pod whose Deployment sets DEFAULT_LLM_MODE where the service reads LLM_MODE starts, is healthy, and answers as the
mock. Such a key stops the start. What Kubernetes, Python, the shell or the image bring along does not.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Service links (https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables)
# and variables of the base images. *_PORT is a service link only if its value is an address.
_INJECTED = re.compile(
    r"^(KUBERNETES_.*|.*_SERVICE_HOST|.*_SERVICE_PORT(_.*)?|.*_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?"
    r"|PYTHON.*|PIP_.*|LC_.*|LANG|LANGUAGE|PATH|HOME|HOSTNAME|HOSTTYPE|USER|SHELL|SHLVL|PWD|OLDPWD|TERM|TZ|GPG_KEY|_)$"
)
_SERVICE_LINK_VALUE = re.compile(r"^(tcp|udp|sctp)://")

# Nothing else in a container names its variables so.
_OWN_PREFIXES = ("LLM_", "DB_API_")

# difflib's ratio. Real misspellings (MAX_TOKEN 0.95, REQUEST_DEADLINE 0.94, MODEL_CACHE 0.85, DRAIN 0.83) lie above;
# the closest strangers (POST to PORT 0.75, OMP_NUM_THREADS to LLM_THREADS 0.69, HTTP_PORT to PORT 0.62) below.
_SIMILAR = 0.78


@dataclass(frozen=True)
class NearMiss:
    """A variable nobody reads, and the setting it was probably meant to be."""

    key: str
    suggestion: str


def near_misses(environ: Mapping[str, str], known: Iterable[str]) -> list[NearMiss]:
    """Return the variables that look like misspelt settings, in the order of the environment."""
    names = tuple(known)
    return [
        NearMiss(key, suggestion)
        for key, value in environ.items()
        if key.upper() not in names  # settings are read whatever their case
        and not _INJECTED.match(key)
        and not (key.endswith("_PORT") and _SERVICE_LINK_VALUE.match(value))
        and (suggestion := _suggestion(key.upper(), names)) is not None
    ]


def _suggestion(key: str, names: tuple[str, ...]) -> str | None:
    folded = key.replace("_", "").replace("-", "")
    for name in names:
        if folded == name.replace("_", ""):
            return name
        # DEFAULT_LLM_MODE, CHAT_MAX_TOKENS, LLM_MODE_NAME; a name of one word (PORT, IMAGE) is too common for this.
        if "_" in name and f"_{name}_" in f"_{key}_":
            return name
    near = difflib.get_close_matches(key, names, n=1, cutoff=_SIMILAR)
    if near:
        return near[0]
    if key.startswith(_OWN_PREFIXES):
        return difflib.get_close_matches(key, names, n=1, cutoff=0.0)[0]
    return None
