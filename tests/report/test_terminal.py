import pytest

from gate.causes import Cause
from gate.report.terminal import lines, render_terminal
from gate.verdict import Evidence, Status
from tests.report.samples import START, bad, good, run, upgrade


def test_terminal_failure_block_whole() -> None:
    """A failure's block says what, on what evidence, what to do and where to read on."""
    verdict = bad(
        "POD-1",
        Cause.IMAGE_NOT_FOUND,
        "Pod a has no image.",
        "kubectl get pod a",
        symptoms=("No endpoint.", "No answer."),
    )
    printed = lines(run(verdict, exit_code=1))
    start = printed.index("FAIL POD-1 Pod a has no image.")
    assert printed[start : start + 5] == [
        "FAIL POD-1 Pod a has no image.",
        "  seen    Pod/chat-api status.phase = Pending (at 15:51:01)",
        "  do      kubectl get pod a",
        "  why     notes/causes.md#imagenot_found; also: No endpoint. (+1 more)",
        "",
    ]


def test_terminal_block_never_above_five_lines() -> None:
    """However much evidence and however many symptoms there are, a block has five lines and says what it leaves out."""
    evidence = tuple(Evidence(f"Pod/chat-api-{number}", "phase", "Pending", START) for number in range(200))
    verdict = bad(
        "POD-1",
        Cause.SCHEDULING_INSUFFICIENT_MEMORY,
        "Nothing\nfits.",
        "Add\na node.",
        evidence=evidence,
        symptoms=tuple(f"Symptom {number}." for number in range(50)),
    )
    printed = lines(run(verdict, exit_code=1))
    start = printed.index("FAIL POD-1 Nothing fits.")
    block = printed[start : printed.index("", start)]
    assert len(block) == 5
    assert block[2].endswith("(and 198 more in the report)")


def test_terminal_one_line_per_criterion() -> None:
    """Every criterion has one line, cut to the width; what did not pass names its cause there."""
    printed = lines(upgrade(), width=100)
    rows = [line for line in printed if line.startswith(("  PASS", "  WARN", "  FAIL", "  INCONCLUSIVE"))]
    assert len(rows) == 22
    assert max(map(len, rows)) <= 100
    assert (
        "  FAIL          LLM-1   model.answers_as_mock: Every pod answers with the target's model, never the mock  "
        "(8.6 s)" in lines(upgrade())
    )


def test_terminal_header_says_what_was_judged() -> None:
    """Cluster, context, namespace, image and settings stand above the verdicts."""
    printed = lines(upgrade())
    assert printed[2].startswith(
        "cluster   https://10.90.0.2:6443 (context carepath, Kubernetes v1.34.4, kube-system 0f3c"
    )
    assert printed[3] == "namespace carepath-demo"
    assert "differs   allow_mutation=True, acceptance.latency_samples=24" in printed
    assert "left out  TFP-1: the target has no plan" in printed


@pytest.mark.parametrize("color", [True, False])
def test_terminal_color_only_when_allowed(color: bool) -> None:  # noqa: FBT001  # parametrized
    """Escape codes appear only where the caller allows them, and the text is the same."""
    printed = render_terminal(upgrade(), color=color)
    assert ("\x1b[" in printed) is color
    assert "2 of 22 criteria failed (exit code 1)" in printed


@pytest.mark.parametrize(
    ("sample", "headline"),
    [
        (run(exit_code=10), "Nothing was judged: zero checks are not success (exit code 10)"),
        (run(good("POD-1", "Fine."), exit_code=0), "The criterion holds (exit code 0)"),
        (run(good("POD-1", "Fine."), good("POD-2", "Fine."), exit_code=0), "All 2 criteria hold (exit code 0)"),
        (
            run(
                good("POD-1", "Fine."),
                bad("POD-2", Cause.IMAGE_MUTABLE_TAG, "Tag.", "Pin.", status=Status.WARN),
                exit_code=0,
            ),
            "All 2 criteria hold, 1 with a warning (exit code 0)",
        ),
        (
            run(bad("POD-2", Cause.GATE_FORBIDDEN, "No.", "Grant.", status=Status.INCONCLUSIVE), exit_code=10),
            "Nothing failed, but 1 of 1 criterion could not be judged (exit code 10)",
        ),
        (
            run(good("POD-1", "Fine."), exit_code=2, interrupted=True),
            "Interrupted after 1 criterion: the rest is unknown (exit code 2)",
        ),
        (run(exit_code=5), "Nothing can be said for sure: no test was collected (exit code 5)"),
    ],
)
def test_terminal_headline_outcome_in_words(sample: object, headline: str) -> None:
    """Each way a run can end has its own sentence."""
    assert headline in lines(sample)  # type: ignore[arg-type]  # parametrized with runs
