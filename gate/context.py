"""What the tiers' fixtures stand on: one target, one reader, one Snapshot per run, and the slot for verdicts.

Knows no pytest: ``plugin`` makes a Gate per session and collects from it, ``__main__`` uses the same object. Readers
are imported where they are used, so that an offline preflight does not pay for a Kubernetes client.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gate.readers.cluster import ClusterReader
    from gate.records import Desired, Snapshot
    from gate.target import Target
    from gate.verdict import Verdict


@dataclass
class Gate:
    """The run's view of one target.

    Attributes:
        root: the project's folder; relative paths of the target start here.
        image: the image that the container tier judges, None for the one that the deploy declares.
        judged: verdicts handed over by the test that is running; the plugin empties it.
    """

    target: Target
    root: Path
    image: str | None = None
    judged: list[Verdict] = field(default_factory=list)
    _snapshot: Snapshot | None = None

    def judge(self, verdict: Verdict) -> None:
        """Hand over the verdict of the criterion under test; exactly one per test."""
        self.judged.append(verdict)

    @cached_property
    def reader(self) -> ClusterReader:
        """Return the connected cluster reader; the cluster's identity has been checked.

        Raises:
            ReadError: unreachable, denied, or another cluster than the target's.
        """
        from gate.readers.cluster import connect

        return connect(self.target.cluster)

    def snapshot(self) -> Snapshot:
        """Return the run's Snapshot, read once."""
        if self._snapshot is None:
            self._snapshot = self.reader.snapshot()
        return self._snapshot

    def use_snapshot(self, snapshot: Snapshot) -> None:
        """Make a newer Snapshot the run's, as after waiting for a rollout."""
        self._snapshot = snapshot

    @property
    def known_snapshot(self) -> Snapshot | None:
        """Return the Snapshot if one was read, without reading."""
        return self._snapshot

    @cached_property
    def desired(self) -> Desired:
        """Return what the deploy is meant to bring: of the saved plan where there is one, else of the manifests.

        Raises:
            ReadError: a file that is missing or unreadable, named.
        """
        from gate.readers.manifests import read_desired

        return read_desired(self.target.desired, self.root)
