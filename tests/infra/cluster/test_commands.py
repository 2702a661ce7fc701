"""A command that fails keeps its command line, its status and its last lines."""

import pytest

from infra.commands import CommandError, run


def test_output_of_a_command_is_returned() -> None:
    """What it wrote to standard output, and nothing else."""
    assert run(["sh", "-c", "echo out; echo err >&2"]) == "out\n"


def test_failure_shows_a_pasteable_command_the_status_and_the_last_lines() -> None:
    """25 lines are enough to see a reason and few enough to read."""
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "seq 30 >&2; exit 3"])
    lines = str(caught.value).splitlines()
    assert lines[:3] == ["sh -c 'seq 30 >&2; exit 3'", "  exit status 3", "  | 6"]
    assert lines[-1] == "  | 30"


def test_program_that_is_not_there_is_an_error_of_ours() -> None:
    """OSError does not get through."""
    with pytest.raises(CommandError, match=r"no-such-program --flag\n  could not be started: .*No such file"):
        run(["no-such-program", "--flag"])


def test_command_that_takes_too_long_names_the_limit() -> None:
    """It is ended, too."""
    with pytest.raises(CommandError, match=r"sleep 60\n  did not end within 0\.05 s"):
        run(["sleep", "60"], timeout_s=0.05)


def test_added_variables_and_system_folders_reach_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell without the sbin folders finds mkfs all the same; the caller's folders come first."""
    monkeypatch.setenv("PATH", "/first")
    assert run(["sh", "-c", "echo $X $PATH"], env={"X": "1"}).startswith("1 /first:/usr/local/sbin:")
