"""Where the infrastructure keeps things on a machine: one home for the answer.

Two kinds only. The cache holds what can be made again and is keyed by what it was made from; it outlives a cluster. A
run folder holds all state of one named cluster instance and goes with it. Nothing is created by asking.
"""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DEFAULT_NAME = "carepath"


def cache_dir() -> Path:
    """Return the folder for what can be built again: `CAREPATH_CACHE`, or `carepath-gate` in the XDG cache folder."""
    chosen = os.environ.get("CAREPATH_CACHE")
    if chosen:
        return Path(chosen).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).resolve() / "carepath-gate"


def cluster_name() -> str:
    """Return which embedded cluster is meant: the one whose `env` the shell has, else the default one."""
    return os.environ.get("CAREPATH_CLUSTER") or DEFAULT_NAME


def run_dir(name: str = DEFAULT_NAME) -> Path:
    """Return the folder with all state of the cluster instance `name`, below `CAREPATH_RUN_DIR` or /var/lib/carepath.

    Not below /run: that is often a small tmpfs, and the node's storage (a 20 GiB sparse file) lies here.
    """
    return Path(os.environ.get("CAREPATH_RUN_DIR") or "/var/lib/carepath").resolve() / name
