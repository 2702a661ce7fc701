"""One shell session of a release engineer: steps run one by one, variables live on, a step may stay in the foreground.

Each step is a process of its own that starts in the checkout and takes over the variables that earlier steps set.
"""

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: A foreground program is given this long to go after SIGTERM: the service's own grace period.
_STOP_S = 30


@dataclass(frozen=True)
class Done:
    """How a step ended: exit status, standard output, and standard error."""

    status: int
    output: str
    errors: str


@dataclass
class Shell:
    """A session.

    Attributes:
        folder: where each step starts.
        environment: its variables at the beginning.
        scratch: a folder of its own for what the session remembers.
    """

    folder: Path
    environment: Mapping[str, str]
    scratch: Path
    _foreground: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, text: str, limit_s: float) -> Done:
        """Run a step to its end.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        done = subprocess.run(
            self._command(text),
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, text: str) -> Path:
        """Start a step that stays in the foreground, as in a second terminal, and return the file with its output."""
        log = self.scratch / f"foreground-{len(self._foreground)}.log"
        with log.open("wb") as output:
            self._foreground.append(
                subprocess.Popen(
                    self._command(text),
                    env=dict(self.environment),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return log

    def stop(self) -> None:
        """End what is still in the foreground, as Ctrl-C in its terminal would."""
        while self._foreground:
            process = self._foreground.pop()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _command(self, text: str) -> list[str]:
        kept = self.scratch / "variables"
        # Exported, so that `declare -px` finds the ones that the step set.
        script = f'set -euo pipefail; cd "{self.folder}"; [ ! -e "{kept}" ] || . "{kept}"; set -a\n{text}\n'
        return ["bash", "-c", f'{script}set +a; declare -px >"{kept}.new"; mv "{kept}.new" "{kept}"']
