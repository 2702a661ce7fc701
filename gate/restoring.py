"""Restores what a drill that was killed left: the pods first, then Terraform's state, the history, Lease and journal.

Each step looks before it changes anything, so that a restore that was itself cut short is simply run again.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kubernetes.dynamic import DynamicClient

from gate.drilling import Drill, writer_of
from gate.journal import FOLDER, Journal, Lease, find_lease
from gate.readers.cluster import ClusterReader
from gate.readers.errors import DrillRefused, NotFound, WrongCluster
from gate.terraform import Terraform
from gate.waiting import wait_for_rollout

#: How long the restored version is looked at before it is called stable, and how long it may take to come up.
WINDOW_S = 5.0
TIMEOUT_S = 600.0


def journal_of(reader: ClusterReader, open_writer: Callable[[ClusterReader], DynamicClient] = writer_of) -> Journal:
    """Return the journal that a drill left on its Lease.

    Raises:
        NotFound: there is no Lease, or its drill had changed nothing yet.
        ReadError: it could not be read.
    """
    lease = find_lease(open_writer(reader), reader.namespace)
    found = lease.journal() if lease else None
    if found is None:
        raise NotFound(
            f"namespace {reader.namespace} has no Lease of a drill with a journal on it: there is nothing to restore"
        )
    return found


def restore(
    journal: Journal,
    reader: ClusterReader,
    *,
    root: Path,
    file: Path | None,
    force: bool,
    say: Callable[[str], object],
    open_writer: Callable[[ClusterReader], DynamicClient] = writer_of,
) -> bool:
    """Restore the state from before a drill, and return whether what runs then is stable.

    Args:
        journal: what the drill left.
        reader: of the cluster that the journal names.
        root: the project's folder.
        file: where the journal lies, removed in the end; None if it was read from the Lease.
        force: restore although the drill's process seems to run still.
        say: is told each step, a sentence each.
        open_writer: makes the client that writes.

    Raises:
        WrongCluster: the journal is of a cluster that was at this address before.
        DrillRefused: the drill still runs, or the history does not hold the template any more.
        ReadError: the API server refused or could not be reached, or Terraform failed.
    """
    here = reader.identity.kube_system_uid
    # Either may have been without the right to read it.
    if None not in {here, journal.kube_system_uid} and here != journal.kube_system_uid:
        raise WrongCluster(
            f"the journal is of the cluster with kube-system {journal.kube_system_uid}, {reader.identity.server} has "
            f"{here}: that one is gone, and what was to be restored with it; remove the file"
        )
    running = Drill(reader, open_writer(reader), journal.deployment)
    lease = find_lease(running.writer, journal.namespace)
    _refuse_alive(lease, force=force)
    what = f"deployment/{journal.deployment}: the template of revision {journal.revision}"
    say(f"{what} {'was brought back' if running.restore_from_history(journal) else 'is there already'}")
    if journal.environment is not None:
        say(f"terraform {journal.environment}: {_reapplied(journal, journal.environment, root)}")
    waited = wait_for_rollout(
        reader.snapshot,
        deployment=journal.deployment,
        window_s=WINDOW_S,
        timeout_s=TIMEOUT_S,
        read_log=reader.logs,
    )
    say(f"{waited.verdict.status}: {waited.verdict.reason}")
    for name in running.forget(journal.replica_sets):
        say(f"replicaset/{name}: a revision of the drill that still has pods, left")
    if lease is not None:
        lease.give_back()
    if file is not None:
        with suppress(FileNotFoundError):
            file.unlink()
    return waited.verdict.cause is None


def _refuse_alive(lease: Lease | None, *, force: bool) -> None:
    if lease is not None and lease.holder_lives and not force:
        raise DrillRefused(
            f"the drill that holds lease/{lease.held['metadata']['name']} still runs here ({lease.holder}: host and "
            f"process); stop it and it restores by itself, or say --force if that process is another by now"
        )


def _reapplied(journal: Journal, environment: str, root: Path) -> str:
    plan = Terraform(environment, root, root / FOLDER / f"{journal.target}.restore").apply_again()
    if not plan.effective:
        return "nothing to change"
    return f"applied again what was deployed before ({', '.join(each.name for each in plan.effective)})"
