"""Drills against a fake API: the way back, the Lease, the journal, and what happens when something goes wrong."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stamina
import urllib3
from kubernetes.dynamic.exceptions import ConflictError

from gate.journal import ANNOTATION, LEASE, LEASE_DURATION_S, MICRO_TIME, parse_journal, read_journal
from gate.readers.errors import Denied, DrillRefused, Unreachable
from tests.gate.drill_api import REVISION, FakeApi, held_lease, refused, replica_set, running, started, template
from tests.readers import fakes

KUBECTL = "kubectl rollout undo deployment/chat-api --to-revision=2 -n carepath-demo"


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    """Retry at once, as often as the code says."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


#: A drill's first writes: the Lease, and the journal on it.
TAKEN = [("create", "Lease"), ("replace", "Lease")]


def test_undo_brings_template_and_annotations_back_as_kubectl_does() -> None:
    """The revision's template without its hash; its annotations but for the bookkeeping, which stays."""
    api = FakeApi()
    running(api).undo(1)
    assert api.deployment is not None
    assert api.deployment["spec"] == {"replicas": 2, "template": template("mock")}
    assert api.deployment["metadata"]["annotations"] == {REVISION: "2", "kubernetes.io/change-cause": "v1.0"}
    assert api.sets[0]["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] == "hash1"


def test_undo_to_unknown_revision_is_refused_with_the_history() -> None:
    """Another Deployment's revision of that number does not count; nothing is patched."""
    api = FakeApi()
    with pytest.raises(DrillRefused) as caught:
        running(api).undo(7)
    assert str(caught.value) == "deployment/chat-api: revision 7 is not in its history; it holds 1, 2"
    assert api.done == []


def test_undo_forbidden_is_denied_with_verb_and_resource() -> None:
    """A missing right names itself."""
    api = FakeApi(failing={("patch", "Deployment"): refused(403, "User ci cannot patch deployments")})
    with pytest.raises(Denied) as caught:
        running(api).undo(1)
    assert str(caught.value) == (
        "not permitted: patch deployments.apps in namespace carepath-demo: User ci cannot patch deployments"
    )
    assert caught.value.status_code == 403


def test_undo_without_connection_is_unreachable() -> None:
    """What the HTTP pool raises is translated too."""
    api = FakeApi(failing={("get", "ReplicaSet"): urllib3.exceptions.ProtocolError("Connection aborted.")})
    with pytest.raises(Unreachable, match=r"^list replicasets\.apps: Connection aborted\.$"):
        running(api).undo(1)


def test_drill_holds_lease_and_journal_and_removes_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The way back is on disk and on the terminal before anything changes, and gone once the state is restored."""
    api, journal = FakeApi(), tmp_path / "reports" / "journal.json"
    with started(api, journal) as drilling:
        assert api.done == [("create", "Lease"), ("replace", "Lease")]
        assert api.lease is not None
        written = json.loads(journal.read_text())
        restore = f"python -m gate restore {journal}"
        assert {key: written[key] for key in ("server", "namespace", "revision", "restore", "kubectl")} == {
            "server": fakes.SERVER,
            "namespace": "carepath-demo",
            "revision": 2,
            "restore": restore,
            "kubectl": KUBECTL,
        }
        assert capsys.readouterr().err == f"drill: if this is killed, restore with: {restore}\n"
        noted = api.lease["metadata"]["annotations"][ANNOTATION]
        assert parse_journal(noted, "lease") == read_journal(journal)
        assert json.loads(noted)["restore"] == "python -m gate restore -n carepath-demo"
        drilling.undo(1)
        assert api.mode == "mock"
    assert api.mode == "SmolLM2"
    assert api.lease is None
    assert list(journal.parent.iterdir()) == []


def test_drill_whose_body_raises_restores_the_template(tmp_path: Path) -> None:
    """Whatever happens inside, the template, the annotations and the Lease are what they were."""
    api = FakeApi()
    before = copy.deepcopy(api.deployment)

    def fail_half_way() -> None:
        with started(api, tmp_path / "journal.json") as drilling:
            drilling.undo(1)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail_half_way()
    assert api.deployment == before
    assert api.lease is None


@pytest.mark.parametrize("fails", [RuntimeError("terraform"), None], ids=["raises", "ends well"])
def test_drill_that_applied_plans_brings_terraform_back_where_it_did_not_itself(
    tmp_path: Path, fails: Exception | None
) -> None:
    """A drill that comes to its end has applied what was before; one that raised half-way has not."""
    api, done = FakeApi(), []

    def body() -> None:
        how: dict[str, Any] = {"reapply": lambda: done.append(api.mode), "environment": "local"}
        with started(api, tmp_path / "journal.json", **how) as drilling:
            drilling.undo(1)
            if fails:
                raise fails

    if fails:
        with pytest.raises(RuntimeError, match="terraform"):
            body()
    else:
        body()
    assert done == (["SmolLM2"] if fails else [])
    assert (api.mode, api.lease) == ("SmolLM2", None)


def test_drill_that_ends_where_it_began_patches_nothing_more(tmp_path: Path) -> None:
    """Back and forth leaves the template as it was, under a new revision number: there is nothing to restore."""
    api = FakeApi()
    with started(api, tmp_path / "journal.json") as drilling:
        drilling.undo(1)
        drilling.undo(2)
    assert api.done == [*TAKEN, ("patch", "Deployment"), ("patch", "Deployment"), ("delete", "Lease")]


def test_drill_that_cannot_restore_keeps_its_journal_and_the_lease(tmp_path: Path) -> None:
    """The way back outlives a drill that could not go it itself, and nobody drills on what it left."""
    api, journal = FakeApi(), tmp_path / "journal.json"
    drilling = started(api, journal)
    drilling.__enter__().undo(1)
    api.failing["patch", "Deployment"] = refused(500, "etcdserver: request timed out")
    with pytest.raises(Unreachable, match="etcdserver: request timed out"):
        drilling.__exit__(None, None, None)
    assert json.loads(journal.read_text())["kubectl"] == KUBECTL
    assert api.lease is not None


def test_drill_without_deployment_is_refused(tmp_path: Path) -> None:
    """There must be something to drill on; the Lease is given back."""
    api = FakeApi(deployment=None)
    with pytest.raises(DrillRefused, match=r"^deployment/chat-api in namespace carepath-demo: there is none to"):
        started(api, tmp_path / "journal.json").__enter__()
    assert api.lease is None
    assert list(tmp_path.iterdir()) == []


def test_drill_beside_another_is_refused_with_holder_and_expiry(tmp_path: Path) -> None:
    """Two drills at once would restore each other's state."""
    lease = held_lease(expires_in_s=60)
    api = FakeApi(lease=lease)
    with pytest.raises(DrillRefused) as caught:
        started(api, tmp_path / "journal.json").__enter__()
    expires = datetime.strptime(lease["spec"]["acquireTime"], MICRO_TIME).replace(tzinfo=UTC) + timedelta(
        seconds=LEASE_DURATION_S
    )
    assert str(caught.value) == (
        f"lease/{LEASE} in namespace carepath-demo is held by ci-7-4242 until {expires:%H:%M:%S} UTC: another drill "
        "runs, or died; wait, or restore what it left: python -m gate restore -n carepath-demo"
    )
    assert api.lease == lease
    assert isinstance(caught.value.__cause__, ConflictError)


def test_drill_takes_an_expired_lease_over(tmp_path: Path) -> None:
    """A drill that died keeps nobody out for ever."""
    api = FakeApi(lease=held_lease(expires_in_s=-1))
    with started(api, tmp_path / "journal.json"):
        assert api.lease is not None
        assert api.lease["spec"]["holderIdentity"] != "ci-7-4242"
    assert api.done == [("create", "Lease"), ("replace", "Lease"), ("replace", "Lease"), ("delete", "Lease")]


def test_set_environment_changes_one_variable_of_every_container_in_place() -> None:
    """As `kubectl set env` does: the order of the others stays, a container without it gets it."""
    api = FakeApi()
    assert api.deployment is not None
    spec = api.deployment["spec"]["template"]["spec"]
    spec["containers"][0]["env"].append({"name": "PORT", "value": "8002"})
    spec["containers"].append({"name": "sidecar"})
    running(api).set_environment("LLM_MODE", "mock")
    spec = api.deployment["spec"]["template"]["spec"]
    assert [each["env"] for each in spec["containers"]] == [
        [{"name": "LLM_MODE", "value": "mock"}, {"name": "PORT", "value": "8002"}],
        [{"name": "LLM_MODE", "value": "mock"}],
    ]
    assert api.deployment["metadata"]["annotations"] == {REVISION: "2", "kubernetes.io/change-cause": "v2.0"}


def test_forget_deletes_the_drills_own_revisions_once_they_have_no_pods() -> None:
    """What was there stays, and so does the current template's; one with pods is waited for."""
    api, pauses = FakeApi(), []
    api.sets += [replica_set(3, "mine"), replica_set(4, "SmolLM2")]
    api.sets[3]["status"] = {"replicas": 1}

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        api.sets[3]["status"] = {"replicas": 0}

    assert running(api).forget(("uid-rs-1", "uid-rs-2"), sleep=pause) == ()
    assert [each["metadata"]["name"] for each in api.sets] == ["rs-1", "rs-2", "rs-7", "rs-4"]
    assert pauses == [1.0]


def test_forget_leaves_a_revision_that_keeps_its_pods_and_names_it() -> None:
    """A pod that does not go away is no reason to wait for ever, or to take it away."""
    api = FakeApi()
    api.sets.append(replica_set(3, "mine"))
    api.sets[3]["spec"]["replicas"] = 2
    pauses: list[float] = []
    assert running(api).forget(("uid-rs-1", "uid-rs-2"), limit_s=3, sleep=pauses.append) == ("rs-3",)
    assert (len(api.sets), pauses) == (4, [1.0, 1.0, 1.0])


def test_drill_takes_its_own_revision_out_of_the_history(tmp_path: Path) -> None:
    """After `set env` and back the next undo leads where it led before."""
    api = FakeApi()
    with started(api, tmp_path / "journal.json") as drilling:
        drilling.set_environment("LLM_MODE", "other")
        api.sets.append(replica_set(3, "other"))
        drilling.undo(2)
    assert [each["metadata"]["name"] for each in api.sets] == ["rs-1", "rs-2", "rs-7"]
    assert api.mode == "SmolLM2"


def test_drill_without_right_to_a_lease_is_denied(tmp_path: Path) -> None:
    """Without the Lease nothing is changed."""
    api = FakeApi(failing={("create", "Lease"): refused(403, "User ci cannot create leases")})
    with pytest.raises(Denied, match=r"create leases\.coordination\.k8s\.io in namespace carepath-demo: User ci"):
        started(api, tmp_path / "journal.json").__enter__()
    assert api.done == [("create", "Lease")]


def test_drill_whose_lease_was_deleted_ends_well(tmp_path: Path) -> None:
    """Somebody who thought that the drill was dead may have deleted its Lease."""
    api = FakeApi()
    with started(api, tmp_path / "journal.json"):
        api.lease = None
    assert ("delete", "Lease") in api.done
