"""notes/checklist.md names nothing that does not exist, leaves out no box, and calls nothing judged that is not."""

import re
from dataclasses import dataclass

import pytest

from e2e.checklist.document import CHECKLIST
from gate.criteria import TIERS, criteria
from infra.paths import PROJECT

FILE = PROJECT / "notes/checklist.md"


def _sections() -> dict[str, int]:
    """Return the sections of the release checklist and how many boxes each has, boxes inside boxes among them."""
    counted: dict[str, int] = {}
    section = ""
    for line in CHECKLIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ").partition(" (")[0]
        elif re.match(r"\s*- \[.\] ", line):
            counted[section] = counted.get(section, 0) + 1
    return counted


SECTIONS = _sections()
HOW = {"judged", "command", "record", "by hand", "nothing yet"}
CRITERION = re.compile(r"\b[A-Z]{3,4}-\d+\b")
CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Box:
    """One row: its number, its section, its words, how it is held, and where."""

    number: int
    section: str
    text: str
    how: str
    where: str

    def __str__(self) -> str:
        """Return the number, which names the case of a test."""
        return str(self.number)

    @property
    def commands(self) -> list[str]:
        """Return what stands in code marks where it is held."""
        return CODE.findall(self.where)


def boxes() -> list[Box]:
    """Return the rows of every table."""
    found, section = [], ""
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif re.match(r"\| \d+ \|", line):
            number, text, how, where = (cell.strip() for cell in line.strip("|").split("|"))
            found.append(Box(int(number), section, text, how, where))
    return found


BOXES = boxes()


def make_targets() -> set[str]:
    """Return the Makefile's targets."""
    return set(re.findall(r"^([a-z0-9-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_box_of_the_checklist_has_its_row() -> None:
    """Sections and numbers are complete, in order, and no box stands twice in one section."""
    counted: dict[str, int] = {}
    for box in BOXES:
        counted[box.section] = counted.get(box.section, 0) + 1
    assert counted == SECTIONS
    assert [box.number for box in BOXES] == list(range(1, sum(SECTIONS.values()) + 1))
    assert len({(box.section, box.text) for box in BOXES}) == len(BOXES)


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_box_says_how_it_is_held_and_where(box: Box) -> None:
    """A judged box names a criterion, a command one that can be run, a record a file; an open one says so."""
    assert box.how in HOW
    assert box.where
    if box.how == "judged":
        assert CRITERION.search(box.where)
    if box.how == "command":
        assert any(re.match(r"(make|python|pytest|kubectl) ", command) for command in box.commands)
    if box.how == "record":
        assert any("/" in code or code.endswith((".md", ".example")) for code in box.commands)
    if box.how == "nothing yet":
        assert not CRITERION.search(box.where)


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_box_names_only_what_exists(box: Box) -> None:
    """Criteria are in the table, make targets in the Makefile, tiers and files where they are said to be."""
    assert set(CRITERION.findall(box.where)) <= set(criteria())
    for code in [*box.commands, *CODE.findall(box.text)]:
        if made := re.match(r"make ([a-z0-9-]+)", code):
            assert made[1] in make_targets(), code
        if tier := re.match(r"pytest -m (\w+)", code):
            assert tier[1] in TIERS, code
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+", code) and not code.startswith(("reports/", "deployment/")):
            assert (PROJECT / code).exists(), code
        if module := re.match(r"python -m ([\w.]+)", code):
            assert (PROJECT / module[1].replace(".", "/") / "__main__.py").is_file(), code
