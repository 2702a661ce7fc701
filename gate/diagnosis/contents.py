"""CON-5: nothing in an image that only its builder should know.

Pure: what `gate.readers.layers` found in the layers and in the history comes in, a Verdict leaves. A file that a later
layer deletes is still in the earlier one, and a build argument is in the history: both are read by everybody who may
pull the image. What was found is named by place and kind, never by value.
"""

from dataclasses import dataclass

from gate.causes import Cause
from gate.verdict import Evidence, Finding, Status, Verdict, inconclusive, judged, passed

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSecret:
    """Something that looks like a secret: what kind, and where (a layer's path, or a line of the history)."""

    kind: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageContents:
    """What was looked through.

    Attributes:
        image: the reference.
        layers: how many were read.
        files: regular files in them, also those that a later layer hides.
        history: lines of the history and of the configured environment.
        found: what looks like a secret, in the order it was found.
    """

    image: str
    layers: int
    files: int
    history: int
    found: tuple[FoundSecret, ...] = ()


def secrets_verdict(seen: ImageContents) -> Verdict:
    """Return CON-5."""
    image = f"image/{seen.image}"
    facts = (
        Evidence(image, "layers", f"{seen.layers}, with {seen.files} files"),
        Evidence(image, "history and environment", f"{seen.history} lines"),
    )
    if seen.layers == 0 or seen.files == 0:
        return inconclusive(
            "CON-5",
            Cause.GATE_NOT_MEASURED,
            f"{seen.image} shows {seen.layers} layers and {seen.files} files; an image that runs has more.",
            facts,
            "Pull or build the image again, and look at `docker save IMAGE | tar -t`.",
        )
    shown = tuple(Evidence(image, each.where, each.kind) for each in seen.found[:_SHOWN])
    findings = []
    if seen.found:
        first, further = seen.found[0], len(seen.found) - 1
        findings.append(
            Finding(
                Status.FAIL,
                Cause.IMAGE_HOLDS_SECRET,
                f"{seen.image} holds {first.kind} in {first.where}"
                f"{f', and {further} more' if further else ''}: whoever may pull the image can read it.",
                (*shown, *facts),
                "Give it to the build as a secret (`docker build --secret id=...`), build again, push, and withdraw "
                "the one that was shown: deleting it in a later layer does not take it out.",
            )
        )
    return judged(
        "CON-5",
        findings,
        passed(
            "CON-5",
            f"No key, token or credentials file in {seen.layers} layers with {seen.files} files, nor in the history.",
            facts,
        ),
    )
