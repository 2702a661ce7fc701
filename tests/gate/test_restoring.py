"""What a drill that was killed left is restored by one command, from the file or from the Lease; twice does no harm."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from gate import restoring
from gate.causes import Cause
from gate.journal import Journal, journal_path, read_journal
from gate.plan.parse import Action, Plan
from gate.plan.parse import Change as PlannedChange
from gate.readers.errors import DrillRefused, Malformed, NotFound, WrongCluster
from gate.verdict import Evidence, Status, Verdict, passed
from gate.waiting import Waited
from tests.gate.drill_api import FakeApi, died, reader, replica_set, running, started

SEEN = (Evidence("Deployment/chat-api", "status.readyReplicas", "2"),)
STABLE = passed("POD-1", "All 2 pods run.", SEEN)
BROKEN = Verdict("POD-1", Status.FAIL, "Image v2 is not there.", SEEN, Cause.IMAGE_NOT_FOUND, "Push it.")


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[bool, list[str]]]:
    """Return a function that restores against the fake API, with a wait that ends at once."""

    def run(api: FakeApi, journal: Journal, verdict: Verdict = STABLE, **how: Any) -> tuple[bool, list[str]]:  # noqa: ANN401
        said: list[str] = []
        monkeypatch.setattr(restoring, "wait_for_rollout", lambda *_, **__: Waited(verdict, None, (), 0.0, 1))
        arguments: dict[str, Any] = {"root": tmp_path, "file": None, "force": False, "say": said.append} | how
        good = restoring.restore(journal, reader(), open_writer=lambda _: cast("Any", api), **arguments)
        return good, said

    return run


def test_restore_brings_back_template_history_lease_and_removes_the_journal(
    restored: Callable[..., tuple[bool, list[str]]], tmp_path: Path
) -> None:
    """The revision that the drill added is gone too, and a second restore finds nothing to do."""
    api, file = FakeApi(), tmp_path / "journal.json"
    died(api, file)
    api.sets.append(replica_set(3, "left by set env"))
    journal = read_journal(file)
    good, said = restored(api, journal, file=file)
    assert good
    assert said == [
        "deployment/chat-api: the template of revision 2 was brought back",
        "pass: All 2 pods run.",
    ]
    assert (api.mode, api.lease, file.exists()) == ("SmolLM2", None, False)
    assert [each["metadata"]["name"] for each in api.sets] == ["rs-1", "rs-2", "rs-7"]
    done = len(api.done)
    assert restored(api, journal)[1][0] == "deployment/chat-api: the template of revision 2 is there already"
    assert {verb for verb, _ in api.done[done:]} <= {"delete"}


def test_restore_from_the_lease_needs_no_file(restored: Callable[..., tuple[bool, list[str]]], tmp_path: Path) -> None:
    """Whoever finds the cluster half-way has the journal on the Lease, wherever the drill ran."""
    api = FakeApi()
    died(api, tmp_path / "elsewhere.json")
    found = restoring.journal_of(reader(), lambda _: cast("Any", api))
    assert restored(api, found)[0]
    assert (api.mode, api.lease) == ("SmolLM2", None)


def test_restore_without_lease_or_before_anything_changed_says_so() -> None:
    """Nothing was left: there is nothing to restore, and no file is made up."""
    with pytest.raises(NotFound, match="there is nothing to restore"):
        restoring.journal_of(reader(), lambda _: cast("Any", FakeApi()))


def test_restore_of_a_drill_that_still_runs_is_refused_unless_forced(
    restored: Callable[..., tuple[bool, list[str]]], tmp_path: Path
) -> None:
    """It restores by itself when it ends; a process number that another program has by now can be overruled."""
    api, file = FakeApi(), tmp_path / "journal.json"
    died(api, file)
    assert api.lease is not None
    api.lease["spec"]["holderIdentity"] = f"{socket.gethostname()}-{os.getpid()}"
    with pytest.raises(DrillRefused, match=f"still runs here .{socket.gethostname()}-{os.getpid()}: "):
        restored(api, read_journal(file), file=file)
    assert api.mode == "mock"
    assert restored(api, read_journal(file), file=file, force=True)[0]


def test_restore_in_another_cluster_is_refused(restored: Callable[..., tuple[bool, list[str]]], tmp_path: Path) -> None:
    """The address is the same, the cluster is not: nothing is patched into it."""
    api, file = FakeApi(), tmp_path / "journal.json"
    died(api, file)
    with pytest.raises(WrongCluster, match="that one is gone"):
        restored(api, replace(read_journal(file), kube_system_uid="another"), file=file)
    assert api.mode == "mock"


def test_restore_whose_template_left_the_history_says_which(
    restored: Callable[..., tuple[bool, list[str]]], tmp_path: Path
) -> None:
    """Then only a deploy brings it back; Lease and journal stay."""
    api, file = FakeApi(), tmp_path / "journal.json"
    died(api, file)
    del api.sets[1]
    with pytest.raises(DrillRefused, match="does not hold the template of revision 2 any more"):
        restored(api, read_journal(file), file=file)
    assert api.lease is not None
    assert file.exists()


def test_restore_that_does_not_come_up_is_no_success(
    restored: Callable[..., tuple[bool, list[str]]], tmp_path: Path
) -> None:
    """The template is back, and what runs is what it was: the reason is said."""
    api, file = FakeApi(), tmp_path / "journal.json"
    died(api, file)
    good, said = restored(api, read_journal(file), BROKEN, file=file)
    assert (good, said[-1]) == (False, "fail: Image v2 is not there.")


@pytest.mark.parametrize("changed", ["Deployment/chat-api", ""], ids=["changed", "the same"])
def test_restore_of_the_terraform_way_applies_again_what_was_deployed(
    restored: Callable[..., tuple[bool, list[str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """The state is brought back by an apply with the variables from before, if a plan finds anything to change."""
    done: list[str] = []
    change = PlannedChange(name="Deployment/chat-api", kind="Deployment", address="a", action=Action.UPDATE)

    class Program:
        """Terraform that is only asked."""

        def __init__(self, environment: str, root: Path, plans: Path) -> None:
            done.append(f"{environment} {plans.relative_to(root)}")

        def apply_again(self) -> Plan:
            """Find the Deployment changed, or nothing."""
            return Plan(changes=(change,) if changed else (), terraform_version="1.11")

    monkeypatch.setattr(restoring, "Terraform", Program)
    api, file = FakeApi(), tmp_path / "journal.json"
    died(api, file)
    _, said = restored(api, replace(read_journal(file), environment="local"), file=file)
    assert done == ["local reports/drills/local.restore"]
    told = "applied again what was deployed before (Deployment/chat-api)" if changed else "nothing to change"
    assert said[1] == f"terraform local: {told}"


def test_journal_of_each_target_has_a_file_of_its_own(tmp_path: Path) -> None:
    """A drill of one environment never overwrites the way back of another."""
    assert journal_path(tmp_path, "demo") == tmp_path / "reports/drills/demo.json"
    assert journal_path(tmp_path, "demo") != journal_path(tmp_path, "local")


@pytest.mark.parametrize(
    ("text", "problem"), [("{}", "at: Field required"), ("no JSON", "text: Invalid JSON"), ("[]", "text: Input")]
)
def test_journal_that_is_none_is_refused_by_its_keys(tmp_path: Path, text: str, problem: str) -> None:
    """A file that was cut short restores nothing, and says where it was found."""
    (tmp_path / "journal.json").write_text(text)
    with pytest.raises(Malformed, match=problem):
        read_journal(tmp_path / "journal.json")


def test_journal_that_is_missing_says_what_that_means(tmp_path: Path) -> None:
    """Most often the drill ended well."""
    with pytest.raises(NotFound, match="a drill that ended well leaves none"):
        read_journal(tmp_path / "journal.json")


def test_template_hash_is_that_of_its_replica_set(tmp_path: Path) -> None:
    """The controller's own label does not count, anything else does."""
    api = FakeApi()
    with started(api, tmp_path / "journal.json"):
        journal = read_journal(tmp_path / "journal.json")
    assert not running(api).restore_from_history(journal)
    running(api).set_environment("LLM_MODE", "other")
    assert running(api).restore_from_history(journal)
    assert api.mode == "SmolLM2"
