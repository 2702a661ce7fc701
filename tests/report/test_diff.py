"""What changed since the last green run: which run that is, and which differences count."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gate.causes import Cause
from gate.report.diff import Difference, NoGreenRunError, differences, last_green
from gate.report.run import Run
from gate.report.write import write_report
from gate.verdict import Status, Verdict
from tests.report import samples

GOOD = samples.good("POD-1", "All 2 pods run.")
BROKEN = samples.bad("POD-1", Cause.IMAGE_NOT_FOUND, "Image v9 is not there.", "Push it.")


def run(*verdicts: Verdict, hours: float = 0, exit_code: int = 0, **header: Any) -> Run:  # noqa: ANN401
    """Return a run of these verdicts so many hours later."""
    made = samples.run(*(verdicts or (GOOD,)), exit_code=exit_code)
    start = samples.START + timedelta(hours=hours)
    return replace(
        made, header=replace(made.header, started_at=start, finished_at=start + timedelta(minutes=3), **header)
    )


def latency(*seconds: float, cold: float = 9.0) -> Verdict:
    """Return LAT-1 with these warm answers, a cold one and one that was refused."""
    rows = [{"seconds": each, "cold": False, "status": "ok"} for each in seconds]
    others = [{"seconds": cold, "cold": True, "status": "ok"}, {"seconds": 0.1, "cold": False, "status": "refused"}]
    return samples.good("LAT-1", "Warm p95 is low.").with_details(latencies=[*rows, *others])


def test_last_green_is_the_newest_before_of_the_same_target_with_a_tier_in_common(tmp_path: Path) -> None:
    """Not a failed one, not a later one, not another target's, not one that judged something else."""
    runs = {
        "old": run(hours=0),
        "green": run(hours=1),
        "failed": run(BROKEN, hours=2, exit_code=1),
        "other": run(hours=2, target="demo"),
        "container": run(samples.good("CON-1", "Not root."), hours=2),
        "now": run(BROKEN, hours=3, exit_code=1),
        "later": run(hours=4),
    }
    for name, each in runs.items():
        write_report(each, tmp_path / name)
    (tmp_path / "latest").symlink_to("now")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "report.json").write_text("{")
    assert last_green(runs["now"], tmp_path / "now") == (runs["green"], tmp_path / "green")
    with pytest.raises(NoGreenRunError) as caught:
        last_green(runs["old"], tmp_path / "old")
    assert str(caught.value) == (
        f"no earlier green run of target local with acceptance beside {tmp_path / 'old'}: of 7 other reports 2 are of "
        f"another target or tier, 1 cannot be read, the rest is not green or later; name one with --against"
    )


def test_run_that_warned_is_green(tmp_path: Path) -> None:
    """It let the deploy through."""
    warned = run(samples.bad("POD-1", Cause.CONTAINER_RESTARTED, "It restarted.", "Look.", status=Status.WARN))
    write_report(warned, tmp_path / "warned")
    assert last_green(run(hours=1), tmp_path / "now")[1] == tmp_path / "warned"


def test_differences_come_causes_first() -> None:
    """Cluster, image, environment, nodes, settings and gate before figures and verdicts."""
    before = run(environment={"LLM_MODE": "mock", "GONE": "x"}, nodes={"t3.large": 2})
    after = run(
        BROKEN,
        exit_code=1,
        kube_system_uid="another",
        image="r/chat:v9",
        environment={"LLM_MODE": "Qwen3", "NEW": "y"},
        nodes={"t3.large": 3},
        revision="abc",
    )
    assert [(each.kind, each.name, each.before, each.after) for each in differences(before, after)] == [
        ("cluster", "", before.header.kube_system_uid, "another"),
        ("image", "", samples.IMAGE, "r/chat:v9"),
        ("environment", "GONE", "x", "(none)"),
        ("environment", "LLM_MODE", "mock", "Qwen3"),
        ("environment", "NEW", "(none)", "y"),
        ("nodes", "t3.large", "2", "3"),
        ("gate", "", "6cbd2159113f", "abc"),
        ("verdict", "POD-1", "pass", "fail image.not_found"),
    ]


def test_runs_alike_do_not_differ() -> None:
    """Another sentence with other figures in it is no difference."""
    assert differences(run(), run(samples.good("POD-1", "All 3 pods run."))) == ()


@pytest.mark.parametrize(("now", "told"), [(1.2, False), (1.3, True), (0.7, True)])
def test_latency_is_told_where_it_moved_beyond_the_noise(now: float, told: bool) -> None:  # noqa: FBT001
    """A quarter and more, either way; the cold answer and the refused one are not in it."""
    found = differences(run(latency(*[1.0] * 20)), run(latency(*[now] * 20, cold=1.0)))
    assert [each.name for each in found] == (["LAT-1 warm p50", "LAT-1 warm p95"] if told else [])
    if told:
        assert str(found[0]) == f"latency     LAT-1 warm p50: 1.00 s -> {now:.2f} s  {now - 1:+.0%}"


def test_verdict_that_nobody_gave_any_more_is_worse_and_a_new_one_is_not() -> None:
    """A criterion that fell out of the run is no longer known to hold; of a tier that did not run nothing is said."""
    health = samples.good("HLT-1", "All healthy.")
    preflight = samples.good("FIT-1", "It fits.")
    (gone,) = differences(run(GOOD, health, preflight), run(GOOD))
    assert gone == Difference(kind="verdict", name="HLT-1", before="pass", after="not judged", worse=True)
    (new,) = differences(run(GOOD), run(GOOD, health))
    assert (new.before, new.after, new.worse) == ("not judged", "pass", False)


def test_verdict_that_got_better_is_told_and_not_worse() -> None:
    """Somebody may have mended it."""
    (found,) = differences(run(BROKEN, exit_code=1), run(GOOD))
    assert (found.before, found.after, found.worse, found.note) == ("fail image.not_found", "pass", False, "")
