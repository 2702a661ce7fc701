from pathlib import Path

import pytest

from e2e.faults.app import Free, Images, baseline
from e2e.faults.hands import HarnessError
from e2e.soaks import services
from e2e.soaks.running import AWAY_S, Soaked
from e2e.soaks.services import SERVICES, leaking, out_of_credits
from e2e.soaks.table import markdown
from gate.criteria import threshold

UID = "0f3c9a52-6c1e-4f0a-9d57-3f1a6c2b8e11"
GROUP = f"cpu/carepath/kubepods/burstable/pod{UID}/c0ffee"


def soaked(number: int, status: str, cause: str | None) -> Soaked:
    """Return what SOK-1 said of a service."""
    verdict = {
        "status": status,
        "cause": cause,
        "reason": "As it | is.",
        "details": {"figures": [{"of": "Soak", "figure": "samples taken, planned", "value": "78, 81"}]},
    }
    return Soaked(SERVICES[number], 0, verdict, "")


def test_services_are_one_that_is_well_and_one_for_each_drift() -> None:
    """What must be said stands beside each."""
    assert [(each.name, each.status.value, each.cause.value if each.cause else None) for each in SERVICES] == [
        ("steady", "pass", None),
        ("leaks", "fail", "memory.growing"),
        ("slows", "fail", "latency.drifting"),
    ]


def test_leak_is_beside_the_service_and_not_in_it() -> None:
    """The command alone differs, and the program it starts is the service's own."""
    images = Images(mock="c@sha256:1", model="c@sha256:2", without_model="c@sha256:4", patients="p@sha256:3")
    app = baseline("soak-leaks", 17900, images, Free(1000, 2**33, 50), model=True)
    before = dict(app.container)
    leaking(app)
    assert {key for key in app.container if app.container[key] != before.get(key)} == {"command"}
    compile(app.container["command"][2], "leak", "exec")
    assert 'run_module("service_chat"' in app.container["command"][2]


@pytest.mark.parametrize(
    ("file", "before", "after"), [("cpu.cfs_quota_us", "100000", "20000"), ("cpu.max", "100000 100000", "20000 100000")]
)
def test_credits_run_out_in_the_pods_own_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, before: str, after: str
) -> None:
    """Either version of cgroups; a container without a quota stays as it is."""
    mine, other = tmp_path / GROUP, tmp_path / GROUP.replace("c0ffee", "pause")
    for folder, quota in (
        (mine, before),
        (other, before.replace("100000", "-1", 1) if "max" not in file else "max 100000"),
    ):
        folder.mkdir(parents=True)
        (folder.parent / "tasks").write_text("1\n", encoding="ascii")  # the controllers' files beside the containers
        (folder / file).write_text(quota, encoding="ascii")
    monkeypatch.setattr(services, "hierarchies", lambda: (tmp_path,))
    out_of_credits(None, UID)  # type: ignore[arg-type]  # it needs no hands
    assert (mine / file).read_text(encoding="ascii") == after
    assert "20000" not in (other / file).read_text(encoding="ascii")


def test_pod_without_a_cgroup_is_the_harness_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that was not made must not look like one that was not found."""
    monkeypatch.setattr(services, "hierarchies", lambda: (tmp_path,))
    with pytest.raises(HarnessError, match="no cgroup"):
        out_of_credits(None, UID)  # type: ignore[arg-type]  # it needs no hands


def test_kill_leaves_enough_samples_of_the_usual_show() -> None:
    """Away for 45 s of 20 minutes, and the start of the process: within the tenth that may be missing."""
    assert 1 - threshold("SOK-1", "coverage") > (AWAY_S + 15) / 1200


def test_table_tells_each_service_and_what_was_not_as_expected() -> None:
    """A verdict that differs is told below; a bar in a reason does not break the table."""
    text = markdown([soaked(0, "pass", None), soaked(1, "pass", None)], "2 cores", 1200, 15)
    assert "1 of 2 right, side by side:\n20m, a look every 15s. The process that soaked `steady` was" in text
    assert "| the service as it is | pass | As it / is. | 78, 81 | - |" in text
    assert "## Not as expected\n\n- leaks: expected ('fail', 'memory.growing'), got ('pass', None): As it | is." in text
