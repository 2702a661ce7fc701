from gate.causes import Cause
from gate.report.markdown import run_to_markdown
from tests.report.samples import bad, good, run, upgrade


def test_markdown_failure_block_in_order() -> None:
    """A failure reads: object and verdict, cause with its link, evidence, symptoms, what to do."""
    verdict = bad(
        "POD-1", Cause.IMAGE_NOT_FOUND, "Pod a has no image.", "kubectl get pod a", symptoms=("The Service is empty.",)
    )
    assert (
        "### ❌ POD-1: Pod a has no image.\n"
        "\n"
        "Cause: [`image.not_found`](../../notes/causes.md#imagenot_found)\n"
        "\n"
        "- Pod/chat-api status.phase = Pending (at 15:51:01)\n"
        "- also: The Service is empty.\n"
        "\n"
        "What to do:\n"
        "\n"
        "```\n"
        "kubectl get pod a\n"
        "```\n"
    ) in run_to_markdown(run(verdict, exit_code=1))


def test_markdown_summary_counts_and_header() -> None:
    """The summary starts with the outcome, says what was judged, and counts."""
    page = run_to_markdown(upgrade())
    assert page.startswith("# ❌ Deploy gate: 2 of 22 criteria failed\n")
    assert "| namespace | carepath-demo |" in page
    assert "| 17 | 2 | 2 | 1 | 1 |" in page
    assert "- TFP-1: the target has no plan" in page
    assert page.endswith("17 passed, 2 warned, 2 failed, 1 inconclusive\n")


def test_markdown_one_row_per_criterion() -> None:
    """Each criterion has its row in its tier's table, passed or not."""
    page = run_to_markdown(upgrade())
    rows = [line for line in page.splitlines() if line.startswith(("| ✅ | **", "| ❌ | **", "| ⚠️ | **", "| ❔ | **"))]
    assert len(rows) == 22


def test_markdown_foreign_markup_escaped() -> None:
    """A reason cannot become a heading, a link, a table cell, a mention or HTML."""
    page = run_to_markdown(run(good("POD-1", "# a | [b](http://c) <img src=x> @team\n## next"), exit_code=0))
    assert "\\# a \\| \\[b\\](http://c) \\<img src=x\\> \\@team \\#\\# next" in page


def test_markdown_remedy_with_fence_stays_inside() -> None:
    """A remedy that holds a code fence does not end its own."""
    page = run_to_markdown(run(bad("POD-1", Cause.PROBE_STARTUP_EXHAUSTED, "Late.", "a\n```\n# b"), exit_code=1))
    assert "````\na\n```\n# b\n````\n" in page
