"""How the controller tells the launcher that it serves: its pid in a file, so that an older process's word is void."""

import json
import os
from pathlib import Path


def declare(run: Path) -> None:
    """Say that this process has made a full pass."""
    _file(run).write_text(str(os.getpid()), encoding="ascii")


def is_ready(run: Path) -> bool:
    """Return whether the controller that was started last has made a full pass."""
    try:
        started = json.loads((run / "components" / "balancer.json").read_text(encoding="utf-8"))["pid"]
        return _file(run).read_text(encoding="ascii") == str(started)
    except FileNotFoundError:
        return False


def _file(run: Path) -> Path:
    return run / "balancer.ready"
