"""Takes the release checklist apart: a Markdown text comes in, the steps that a person would type leave, in order.

Pure. What a step does, and whether it worked, is not its business.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

CHECKLIST = Path(__file__).with_name("release-checklist.md")


@dataclass(frozen=True)
class Step:
    """One thing to type, or one edit to make.

    Attributes:
        section: the heading it stands under.
        box: the box or sub-box it belongs to.
        language: bash (typed) or hcl (edited into a file).
        text: the lines as they stand in the document.
        line: where its block begins, counted from 1.
    """

    section: str
    box: str
    language: str
    text: str
    line: int


def steps(document: str) -> list[Step]:
    """Return every step of a checklist; a block of shell lines is several steps, parted by blank lines and comments."""
    found: list[Step] = []
    section = box = above = ""
    for token in MarkdownIt("commonmark").parse(document):
        if token.type == "inline":
            if above == "heading_open":
                section, box = token.content, ""
            elif token.content.startswith("["):
                box = token.content.partition("]")[2].splitlines()[0].strip()
        elif token.type == "fence":
            parts = _commands(token.content) if token.info == "bash" else iter((token.content.rstrip(),))
            line = (token.map or [0])[0] + 1
            found += [Step(section, box, token.info, part, line) for part in parts]
        above = token.type
    return found


def _commands(block: str) -> Iterator[str]:
    part: list[str] = []
    for line in [*block.splitlines(), ""]:
        if line.strip() and not line.startswith("#"):
            part.append(line)
        elif part:
            yield "\n".join(part)
            part = []
