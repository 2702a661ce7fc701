"""The release checklist taken apart, handled, and held against its output."""

from pathlib import Path

import pytest

from e2e.checklist.document import CHECKLIST, Step, steps
from e2e.checklist.handling import (
    HANDLING,
    Handling,
    HandlingError,
    all_answered,
    all_running,
    answers_as,
    astray,
    autoscaled,
    digest_pushed,
    edited,
    handled,
    loaded_without_errors,
    measured,
)
from e2e.checklist.record import Typed, markdown
from e2e.checklist.shell import Shell
from e2e.checklist.stand_ins import MODEL, replaced, stand_ins

DOCUMENT = CHECKLIST.read_text(encoding="utf-8")
PODS = "NAME       READY   STATUS    RESTARTS   AGE\nchat-api-1   {ready}     {status}   0          9s\n"


def test_document_is_taken_apart_at_comments_and_blank_lines() -> None:
    """A block of several commands is as many steps, each with the box it stands under."""
    text = "## Deploy\n\n- [ ] Watch it\n  ```bash\n  # first\n  one \\\n    more\n\n  # then\n  two\n  ```\n"
    assert steps(text) == [
        Step("Deploy", "Watch it", "bash", "one \\\n  more", 4),
        Step("Deploy", "Watch it", "bash", "two", 4),
    ]


def test_every_handling_belongs_to_one_step_of_the_checklist() -> None:
    """An entry that a changed document no longer has, or has twice, is noticed."""
    assert astray(HANDLING, steps(DOCUMENT)) == []
    assert astray([Handling("Build", r"^podman")], steps(DOCUMENT)) == [r"^podman"]


def test_step_that_two_entries_claim_is_refused() -> None:
    """Which of them holds would depend on their order."""
    (step,) = [each for each in steps(DOCUMENT) if each.text == "make tf-plan"]
    assert handled(step, HANDLING).section == "Deployment Phase"
    with pytest.raises(HandlingError, match=f"line {step.line}"):
        handled(step, [*HANDLING, Handling("Deployment", "tf-plan")])


def test_stand_ins_are_all_of_the_checklists_text() -> None:
    """Nothing is replaced that is not there, and no account or address of AWS is left."""
    found = stand_ins("localhost:5000", "10.90.0.2")
    assert [each.written for each in found if each.written not in DOCUMENT] == []
    assert "amazonaws" not in "".join(replaced(each.text, found) for each in steps(DOCUMENT))


def test_edit_replaces_the_assignment_and_keeps_the_rest() -> None:
    """The checklist's lines go where the file has that name already."""
    assert edited('a     = "old"\nb = 1\n', 'a = "new"  # why') == 'a     = "new"\nb = 1\n'
    with pytest.raises(HandlingError, match="c is assigned 0 times"):
        edited("b = 1\n", "c = 2")


@pytest.mark.parametrize(
    ("ready", "status", "problem"),
    [("1/1", "Running", ""), ("0/1", "Running", "chat-api-1 0/1 Running"), ("1/1", "Error", "chat-api-1 1/1 Error")],
)
def test_pods_are_held_against_running_and_ready(ready: str, status: str, problem: str) -> None:
    """A pod that runs and is not ready is not there for users."""
    assert all_running(PODS.format(ready=ready, status=status)) == problem
    assert all_running("No resources found") == "no pod"


def test_answer_of_another_mode_is_named() -> None:
    """The mock answers well and is not the model."""
    answer = '{"llm_mode":"mock","response":"Rest."}'
    assert answers_as("mock")(answer) == ""
    assert answers_as(MODEL)(answer) == f"mock answered, not {MODEL}"
    assert answers_as("mock")('{"detail":"busy"}').startswith("no answer")


def test_load_loop_with_one_refusal_fails() -> None:
    """Ten were asked, ten must be answered by the model."""
    answer = f'{{"llm_mode":"{MODEL}","response":"a"}}'
    assert all_answered(answer * 10) == ""
    assert all_answered(answer * 9 + '{"detail":"queue full"}').startswith("9 of 10 answered")


def test_log_needs_the_load_and_no_error() -> None:
    """Silence about the model is as bad as an error line."""
    loaded = '{"level": "info", "event": "Model loaded successfully"}'
    assert loaded_without_errors(loaded) == ""
    assert "Model loaded" in loaded_without_errors('{"level": "info"}')
    assert loaded_without_errors(f'{loaded}\n{{"level": "error"}}') == '{"level": "error"}'


def test_figures_that_are_missing_are_noticed() -> None:
    """Tables without figures look much like tables with them."""
    assert measured("NAME CPU(cores) MEMORY(bytes)\nchat-api-1 3m 90Mi\n") == ""
    assert measured("NAME CPU(cores) MEMORY(bytes)\n").startswith("no figures")
    assert autoscaled("chat-api cpu: 3%/60%") == ""
    assert autoscaled("chat-api cpu: <unknown>/60%").startswith("it reads no metrics")


def test_push_of_two_tags_ends_in_one_digest() -> None:
    """v2.0 and latest are the same image."""
    line = "v2.0: digest: sha256:{} size: 1\n"
    assert digest_pushed(line.format("a" * 64) * 2) == ""
    assert digest_pushed(line.format("a" * 64) + line.format("b" * 64)).startswith("two tags of one image")


def test_shell_keeps_variables_from_step_to_step(tmp_path: Path) -> None:
    """LB_URL is set in one block of the checklist and used in the next, and `cd` is not."""
    shell = Shell(tmp_path, {"PATH": "/usr/bin:/bin"}, tmp_path)
    (tmp_path / "below").mkdir()
    assert shell.run("LB_URL=$(echo it\\'s here); cd below", 10).status == 0
    done = shell.run('echo "$LB_URL"; pwd', 10)
    assert done.output == f"it's here\n{tmp_path}\n"
    failed = shell.run("false; echo unreached", 10)
    assert (failed.status, failed.output) == (1, "")


def test_foreground_step_ends_with_the_session(tmp_path: Path) -> None:
    """What would stand in a second terminal is ended, with what it started."""
    shell = Shell(tmp_path, {"PATH": "/usr/bin:/bin"}, tmp_path)
    log = shell.start("echo up; sleep 60")
    while "up" not in log.read_text(encoding="utf-8"):
        pass
    (process,) = shell._foreground
    shell.stop()
    assert process.returncode is not None


def test_record_names_what_was_replaced_and_each_step() -> None:
    """A reader sees what was typed, not what was meant."""
    step = Step("Build", "Build it", "bash", "cd service_chat\ndocker build \\\n  .", 36)
    page = markdown([Typed(step, step.text, 1.25)], stand_ins("localhost:5000", "localhost"), "2026-11-22, 2 cores")
    assert "| 36 | Build it | `docker build \\ ...` | 1.2 |" in page
    assert "2026-11-22, 2 cores. 1 of 1 steps worked, 1 s in all." in page
