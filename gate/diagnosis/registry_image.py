"""IMG-1: will the nodes find an image that they can run.

Enters: what the registry said when the gate asked. Leaves: a Verdict. What a kubelet said when it pulled is ``image``'s
to judge; here nothing has been pulled yet. The registry's "no such image" is known; its "not with these credentials"
and its silence are not, because nodes pull with credentials and routes of their own.
"""

from collections.abc import Collection, Iterator

from gate.causes import Cause
from gate.records import ImageFacts, ImageUnread
from gate.verdict import Evidence, Finding, Status, Verdict, inconclusive, judged, passed


def image_verdict(facts: ImageFacts | ImageUnread, *, reference: str, platforms: Collection[str]) -> Verdict:
    """Judge IMG-1.

    Args:
        facts: what the registry said about the image.
        reference: the image as the Deployment names it.
        platforms: ``OS/ARCH`` of the nodes that may get the pod; empty if nothing is known about them.
    """
    if isinstance(facts, ImageUnread):
        return _unread(facts, reference)
    evidence = (
        Evidence(f"image {reference}", "digest", facts.digest, facts.read_at),
        Evidence(f"image {reference}", "platforms", ", ".join(facts.platforms) or "not stated", facts.read_at),
        Evidence("Nodes", "platforms", ", ".join(sorted(platforms)) or "not known"),
    )
    findings = [*_platform_findings(facts, reference, platforms, evidence), *_tag_findings(facts, reference, evidence)]
    return judged(
        "IMG-1",
        findings,
        passed("IMG-1", f"{reference} exists and is built for {', '.join(sorted(platforms))}.", evidence),
    )


def _runs_on(image: ImageFacts, platform: str) -> bool:
    # A variant (linux/arm64/v8) is a refinement; nodes state none.
    return any(each == platform or each.startswith(f"{platform}/") for each in image.platforms)


def _platform_findings(
    facts: ImageFacts, reference: str, platforms: Collection[str], evidence: tuple[Evidence, ...]
) -> Iterator[Finding]:
    if not facts.platforms or not platforms:
        unknown = "the image does not state its platform" if not facts.platforms else "nothing is known about the nodes"
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"Whether {reference} runs on the nodes is unknown: {unknown}.",
            evidence,
            f"docker manifest inspect --verbose {reference}",
        )
        return
    wrong = sorted(each for each in platforms if not _runs_on(facts, each))
    if wrong:
        yield Finding(
            Status.FAIL,
            Cause.IMAGE_WRONG_PLATFORM,
            f"{reference} is built for {', '.join(facts.platforms)}, and nodes are {', '.join(wrong)}: "
            f"its containers end with an exec format error.",
            evidence,
            f"docker build --platform {wrong[0]} ... and push again.",
        )


def _tag_findings(facts: ImageFacts, reference: str, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    if "@" in reference:
        return
    repository, tag = split_tag(reference)
    written = f"tag {tag}" if tag else "no tag, which means latest,"
    yield Finding(
        Status.WARN,
        Cause.IMAGE_MUTABLE_TAG,
        f"{reference} has {written} and no digest: a push may put another image behind it, and pods started later "
        f"would run that one.",
        evidence,
        f"Deploy {repository}@{facts.digest} instead.",
    )


def split_tag(reference: str) -> tuple[str, str]:
    """Return repository and tag of a reference without digest; a colon before the last slash belongs to a port."""
    path, slash, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{path}{slash}{name}", tag


def _unread(unread: ImageUnread, reference: str) -> Verdict:
    code = f" (HTTP {unread.status_code})" if unread.status_code else ""
    evidence = (Evidence(f"image {reference}", "registry's answer", f"{unread.message}{code}", unread.read_at),)
    if unread.kind == "not_found":
        return Verdict(
            "IMG-1",
            Status.FAIL,
            f"{reference} does not exist in its registry: every pull would fail.",
            evidence,
            Cause.IMAGE_NOT_FOUND,
            "Push the image, or correct repository and tag in the Terraform variables.",
        )
    if unread.kind == "invalid_name":
        return Verdict(
            "IMG-1",
            Status.FAIL,
            f"{reference} is not a valid image reference: the kubelet would not even try to pull it.",
            evidence,
            Cause.IMAGE_INVALID_NAME,
            "Write it as HOST/REPOSITORY@sha256:DIGEST or HOST/REPOSITORY:TAG, in lower case.",
        )
    if unread.kind == "denied":
        return inconclusive(
            "IMG-1",
            Cause.IMAGE_DENIED,
            f"The registry refused the gate's credentials for {reference}: whether it exists, and whether nodes may "
            f"pull it, is unknown.",
            evidence,
            "Log in again (an ECR login lasts 12 hours: make ecr-login), and check the repository's name.",
        )
    return inconclusive(
        "IMG-1",
        Cause.IMAGE_REGISTRY_UNREACHABLE,
        f"The registry of {reference} could not be asked: whether the image exists is unknown.",
        evidence,
        "Check the registry's address in the target and the way to it, then run again.",
    )
