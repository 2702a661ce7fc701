from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis.registry_image import image_verdict, split_tag
from gate.records import ImageFacts, ImageUnread
from gate.verdict import Status

DIGEST = "sha256:" + "2" * 64
TAGGED = "localhost:5000/carepath-chat-api:v2.0"
PINNED = f"localhost:5000/carepath-chat-api@{DIGEST}"
FACTS = ImageFacts(reference=PINNED, digest=DIGEST, platforms=("linux/amd64",))
NODES = frozenset({"linux/amd64"})


def test_image_pinned_and_built_for_the_nodes_passes() -> None:
    """By digest, for amd64."""
    verdict = image_verdict(FACTS, reference=PINNED, platforms=NODES)

    assert verdict.status is Status.PASS
    assert verdict.reason == f"{PINNED} exists and is built for linux/amd64."


def test_image_by_tag_warns_with_the_digest_to_pin() -> None:
    """Incident 15: a tag was overwritten, and half the pods ran the old image."""
    verdict = image_verdict(FACTS, reference=TAGGED, platforms=NODES)

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.IMAGE_MUTABLE_TAG)
    assert verdict.reason == (
        f"{TAGGED} has tag v2.0 and no digest: a push may put another image behind it, and pods started later would "
        f"run that one."
    )
    assert verdict.remedy == f"Deploy {PINNED} instead."


def test_image_with_tag_and_digest_passes() -> None:
    """The digest decides; the tag is a note."""
    assert image_verdict(FACTS, reference=f"{TAGGED}@{DIGEST}", platforms=NODES).status is Status.PASS


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("localhost:5000/a/b:v1", ("localhost:5000/a/b", "v1")),
        ("localhost:5000/a/b", ("localhost:5000/a/b", "")),
        ("b", ("b", "")),
    ],
)
def test_image_tag_is_told_from_a_port(reference: str, expected: tuple[str, str]) -> None:
    """Both follow a colon."""
    assert split_tag(reference) == expected


def test_image_built_on_an_arm64_laptop_fails_for_amd64_nodes() -> None:
    """Incident 16: exec format error."""
    facts = replace(FACTS, platforms=("linux/arm64/v8",))

    verdict = image_verdict(facts, reference=PINNED, platforms=NODES)

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.IMAGE_WRONG_PLATFORM)
    assert verdict.reason == (
        f"{PINNED} is built for linux/arm64/v8, and nodes are linux/amd64: its containers end with an exec format "
        "error."
    )
    assert verdict.remedy == "docker build --platform linux/amd64 ... and push again."


def test_image_for_one_of_two_node_platforms_fails_for_the_other() -> None:
    """A mixed node group schedules on either."""
    verdict = image_verdict(FACTS, reference=PINNED, platforms={"linux/amd64", "linux/arm64"})

    assert verdict.cause is Cause.IMAGE_WRONG_PLATFORM
    assert "nodes are linux/arm64:" in verdict.reason


def test_image_for_several_platforms_passes_with_a_variant() -> None:
    """linux/arm64/v8 runs on a node that calls itself linux/arm64."""
    facts = replace(FACTS, platforms=("linux/amd64", "linux/arm64/v8"))

    assert image_verdict(facts, reference=PINNED, platforms={"linux/amd64", "linux/arm64"}).status is Status.PASS


@pytest.mark.parametrize(
    ("facts", "nodes", "why"),
    [
        (replace(FACTS, platforms=()), NODES, "the image does not state its platform"),
        (FACTS, frozenset[str](), "nothing is known about the nodes"),
    ],
)
def test_image_of_unknown_platform_is_inconclusive(facts: ImageFacts, nodes: frozenset[str], why: str) -> None:
    """Either side may be silent."""
    verdict = image_verdict(facts, reference=PINNED, platforms=nodes)

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == f"Whether {PINNED} runs on the nodes is unknown: {why}."


@pytest.mark.parametrize(
    ("kind", "status", "cause", "reason"),
    [
        (
            "not_found",
            Status.FAIL,
            Cause.IMAGE_NOT_FOUND,
            f"{TAGGED} does not exist in its registry: every pull would fail.",
        ),
        (
            "invalid_name",
            Status.FAIL,
            Cause.IMAGE_INVALID_NAME,
            f"{TAGGED} is not a valid image reference: the kubelet would not even try to pull it.",
        ),
        (
            "denied",
            Status.INCONCLUSIVE,
            Cause.IMAGE_DENIED,
            (
                f"The registry refused the gate's credentials for {TAGGED}: whether it exists, and whether nodes may "
                "pull it, is unknown."
            ),
        ),
        (
            "unreachable",
            Status.INCONCLUSIVE,
            Cause.IMAGE_REGISTRY_UNREACHABLE,
            f"The registry of {TAGGED} could not be asked: whether the image exists is unknown.",
        ),
    ],
)
def test_image_unread_fails_only_where_the_answer_is_final(
    kind: str, status: Status, cause: Cause, reason: str
) -> None:
    """Not found is the registry's word; refused credentials and silence are the gate's trouble."""
    unread = ImageUnread(reference=TAGGED, kind=kind, message="as the registry said", status_code=404)  # type: ignore[arg-type]

    verdict = image_verdict(unread, reference=TAGGED, platforms=NODES)

    assert (verdict.status, verdict.cause, verdict.reason) == (status, cause, reason)
    assert verdict.evidence[0].value == "as the registry said (HTTP 404)"
