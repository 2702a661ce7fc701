"""Why an image cannot be pulled, or cannot run on its node, from the words of containerd, Docker and the kubelet.

Order matters: containerd reports an image without the node's platform as ``not found`` too, and registries answer
``denied`` for a repository that does not exist, which nobody but its owner can tell apart; the remedy then names both.
Texts: containerd 1.6, 1.7 and 2.x (core/remotes/docker, client pull), moby 20.10 to 28, Amazon ECR user guide
("Troubleshooting errors with Docker commands").
"""

import re
from collections.abc import Mapping

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.wording import count, duration, quote, seconds_between
from gate.records import ContainerSpec, ContainerStatus, Pod, Snapshot
from gate.verdict import Evidence

#: Waiting reasons of the kubelet's image manager (pkg/kubelet/images/types.go) and of the CRI (cri-api, errors.go).
PULL_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)

_KINDS: tuple[tuple[Cause, re.Pattern[str]], ...] = (
    (
        Cause.IMAGE_WRONG_PLATFORM,
        re.compile(r"no match(?:ing manifest)? for (?:platform|[a-z]+/[a-z0-9])", re.IGNORECASE),
    ),
    (Cause.IMAGE_INVALID_NAME, re.compile(r"invalid reference format|couldn't parse image", re.IGNORECASE)),
    (
        Cause.IMAGE_DENIED,
        re.compile(
            r"pull access denied|authorization failed|failed to authorize|authorization token has expired"
            r"|unauthorized:|authentication required|no basic auth credentials|401 Unauthorized|403 Forbidden"
            r"|access to the resource is denied|insufficient_scope",
            re.IGNORECASE,
        ),
    ),
    (
        Cause.IMAGE_NOT_FOUND,
        re.compile(r"not found|manifest unknown|name unknown|does not exist|code = NotFound", re.IGNORECASE),
    ),
    (
        Cause.IMAGE_REGISTRY_UNREACHABLE,
        re.compile(
            r"connection refused|no such host|i/o timeout|deadline exceeded|no route to host|network is unreachable"
            r"|TLS handshake|x509|HTTP response to HTTPS client|connection reset|registry is unavailable"
            r"|50[0-9] [A-Z]|server misbehaving|unexpected EOF|: EOF",
            re.IGNORECASE,
        ),
    ),
)

_FINAL_AT_ONCE = frozenset(
    {
        Cause.IMAGE_NOT_FOUND,
        Cause.IMAGE_DENIED,
        Cause.IMAGE_INVALID_NAME,
        Cause.IMAGE_NEVER_PULL,
        Cause.IMAGE_WRONG_PLATFORM,
    }
)

#: The cause alone does not say enough; the end of the message does.
_QUOTED = frozenset({Cause.IMAGE_DENIED, Cause.IMAGE_REGISTRY_UNREACHABLE, Cause.IMAGE_PULL_FAILED})

_WHAT: Mapping[Cause, str] = {
    Cause.IMAGE_NOT_FOUND: "the registry has no image {image}",
    Cause.IMAGE_DENIED: "the registry refuses the image {image}: no or expired credentials, or no such repository",
    Cause.IMAGE_INVALID_NAME: "{image!r} is no valid image name",
    Cause.IMAGE_NEVER_PULL: "the image {image} is not on the node and imagePullPolicy is Never",
    Cause.IMAGE_WRONG_PLATFORM: "the image {image} has no variant for the node's platform{platform}",
    Cause.IMAGE_REGISTRY_UNREACHABLE: "the node cannot reach the registry of {image}{attempts}",
    Cause.IMAGE_PULL_FAILED: "the image {image} cannot be pulled{attempts}",
}

_REMEDY: Mapping[Cause, str] = {
    Cause.IMAGE_NOT_FOUND: "Push the image, or correct repository and tag in the template: "
    "kubectl get deployment -n {namespace} -o wide",
    Cause.IMAGE_DENIED: "Check that the repository exists, then the node's right to pull (on EKS: the node role's "
    "AmazonEC2ContainerRegistryPullOnly) or the imagePullSecrets.",
    Cause.IMAGE_INVALID_NAME: "Correct the image name in the template.",
    Cause.IMAGE_NEVER_PULL: "Set imagePullPolicy: IfNotPresent, or load the image on to the node.",
    Cause.IMAGE_WRONG_PLATFORM: "Build for the nodes' platform: docker build --platform linux/{arch} ...",
    Cause.IMAGE_REGISTRY_UNREACHABLE: "Check name, port, TLS and network from the node to the registry.",
    Cause.IMAGE_PULL_FAILED: "Read the whole message: kubectl describe pod {pod} -n {namespace}",
}


def pull_cause(reason: str, message: str) -> Cause:
    """Return which kind of pull failure a waiting reason and its message tell of."""
    if reason == "ErrImageNeverPull":
        return Cause.IMAGE_NEVER_PULL
    if reason == "InvalidImageName":
        return Cause.IMAGE_INVALID_NAME
    return next((cause for cause, words in _KINDS if words.search(message)), Cause.IMAGE_PULL_FAILED)


def image_fault(snapshot: Snapshot, pod: Pod, status: ContainerStatus, spec: ContainerSpec | None) -> PodFault | None:
    """Return why the container's image is not there, None if it is not waiting for it."""
    state = status.state
    if state.kind != "waiting" or state.reason not in PULL_REASONS:
        return None
    pulls = [
        event
        for event in snapshot.events_of("Pod", pod.name)
        if event.reason == "Failed" and event.message.startswith("Failed to pull image")
    ]
    # Before Kubernetes 1.31 the back-off message did not repeat the error: then only the event has it.
    newest = pulls[-1].message if pulls else ""
    image = spec.image if spec else status.image
    words = f"{state.message} {newest}".replace(image, "")  # a name may hold any of the words looked for
    cause = pull_cause(state.reason, words)
    attempts = sum(event.count for event in pulls)
    scheduled = pod.condition("PodScheduled")
    waited_s = seconds_between(scheduled.at if scheduled else pod.created_at, snapshot.read_at) or 0.0
    node = snapshot.node(pod.node)
    arch = node.architecture if node and node.architecture else ""
    facts = {
        "image": image,
        "platform": f" (linux/{arch})" if arch else "",
        "attempts": f" ({count(attempts, 'attempt')} in {duration(waited_s)})" if attempts else "",
        "namespace": snapshot.namespace,
        "pod": pod.name,
        "arch": arch or "amd64",
    }
    said = quote(newest or state.message)
    what = _WHAT[cause].format(**facts)
    if cause in _QUOTED:
        what += f": {quote(_innermost(newest or state.message))}"
    return PodFault(
        pod=pod.name,
        cause=cause,
        container=status.name,
        what=f"container {status.name}: {what}",
        evidence=(
            Evidence(
                f"Pod/{pod.name}", f"container {status.name} state.waiting.reason", state.reason, snapshot.read_at
            ),
            Evidence(
                f"Pod/{pod.name}", f"container {status.name} state.waiting.message", said or "none", snapshot.read_at
            ),
        ),
        remedy=_REMEDY[cause].format(**facts),
        final=cause in _FINAL_AT_ONCE or attempts >= tolerances.PULL_ATTEMPTS or waited_s >= tolerances.PULL_S,
    )


def _innermost(message: str) -> str:
    """Return the end of a pull error: each layer puts its own words in front of what really happened."""
    return ": ".join(message.split(": ")[-3:])
