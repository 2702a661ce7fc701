"""Runs a program to its end and keeps what a person needs when it fails: the command line, the status, the last lines.

Long-running components are `infra.cluster.process`'s; this is for commands that end by themselves.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# As many lines as fit a screen beside the message; the whole text is in the log file where there is one.
TAIL_LINES = 25
# Where Debian has mkfs, ip and haproxy; a shell that `su` or `sudo` opened may lack the sbin folders.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandError(Exception):
    """A program could not be started, failed, or took longer than it was given."""

    def __init__(self, args: Sequence[str], state: str, output: str) -> None:
        self.command = shlex.join(args)
        self.output = output
        super().__init__(f"{self.command}\n  {state}{indented_tail(output)}")


def indented_tail(text: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a program's output, indented under a message; empty if there are none."""
    return "".join(f"\n  | {line}" for line in text.rstrip().splitlines()[-lines:])


def run(
    args: Sequence[str | Path],
    *,
    timeout_s: float = 60,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
) -> str:
    """Run a command and return its standard output.

    `env` is added to the environment of this process, and the system's folders are searched after those of PATH.

    Raises:
        CommandError: it is not installed, its exit status was not 0, or `timeout_s` passed.
    """
    words = [str(arg) for arg in args]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=_environment(env or {}),
            cwd=cwd,
            check=False,
        )
    except OSError as error:
        raise CommandError(words, f"could not be started: {error}", "") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(words, f"did not end within {timeout_s:g} s", "") from error
    if done.returncode != 0:
        raise CommandError(words, f"exit status {done.returncode}", done.stderr or done.stdout)
    return done.stdout


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    environment = {**os.environ, **added}
    return {**environment, "PATH": f"{environment.get('PATH', '')}:{SYSTEM_PATH}"}
