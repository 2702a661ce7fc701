"""Why an image is not there: texts of containerd 1.6, 1.7 and 2.x, of Docker and of ECR, as nodes report them."""

from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.image import pull_cause
from gate.diagnosis.pods import pod_fault
from tests.diagnosis import factories as make

REF = "localhost:5000/carepath-chat-api:v9"
PULL = f'rpc error: code = Unknown desc = failed to pull and unpack image "{REF}": '
REFUSED = 'failed to do request: Head "http://localhost:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused'


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (f'{PULL}failed to resolve reference "{REF}": {REF}: not found', Cause.IMAGE_NOT_FOUND),
        (f"failed to pull and unpack image: failed to resolve image: {REF}: not found", Cause.IMAGE_NOT_FOUND),
        ("Error response from daemon: manifest for x:v9 not found: manifest unknown", Cause.IMAGE_NOT_FOUND),
        ("name unknown: The repository with name 'x' does not exist in the registry", Cause.IMAGE_NOT_FOUND),
        (f"{PULL}no match for platform in manifest: not found", Cause.IMAGE_WRONG_PLATFORM),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", Cause.IMAGE_WRONG_PLATFORM),
        (
            'rpc error: code = Unknown desc = failed to parse image reference "a//b:v9": invalid reference format',
            Cause.IMAGE_INVALID_NAME,
        ),
        (
            'couldn\'t parse image reference "A/b:v9": repository name (library/A/b) must be lowercase',
            Cause.IMAGE_INVALID_NAME,
        ),
        (
            f"{PULL}pull access denied, repository does not exist: insufficient_scope: authorization failed",
            Cause.IMAGE_DENIED,
        ),
        (
            f"{PULL}failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized",
            Cause.IMAGE_DENIED,
        ),
        (f"{PULL}unexpected status from HEAD request to https://1.dkr.ecr/v2/: 403 Forbidden", Cause.IMAGE_DENIED),
        ("denied: Your authorization token has expired. Reauthenticate and try again.", Cause.IMAGE_DENIED),
        ("no basic auth credentials", Cause.IMAGE_DENIED),
        (PULL + REFUSED, Cause.IMAGE_REGISTRY_UNREACHABLE),
        (f"{PULL}dial tcp: lookup registry on 10.0.0.2:53: no such host", Cause.IMAGE_REGISTRY_UNREACHABLE),
        (f"{PULL}dial tcp 10.0.0.9:443: i/o timeout", Cause.IMAGE_REGISTRY_UNREACHABLE),
        (f"{PULL}http: server gave HTTP response to HTTPS client", Cause.IMAGE_REGISTRY_UNREACHABLE),
        (f"{PULL}unexpected status code: 503 Service Unavailable", Cause.IMAGE_REGISTRY_UNREACHABLE),
        (f"{PULL}write /var/lib/containerd/x: no space left on device", Cause.IMAGE_PULL_FAILED),
    ],
)
def test_pull_message_is_told_by_kind(message: str, cause: Cause) -> None:
    """Each runtime's and registry's words for the same thing have one cause."""
    assert pull_cause("ErrImagePull", message) is cause


@pytest.mark.parametrize(
    ("reason", "cause"),
    [("ErrImageNeverPull", Cause.IMAGE_NEVER_PULL), ("InvalidImageName", Cause.IMAGE_INVALID_NAME)],
)
def test_waiting_reason_suffices_where_it_says_all(reason: str, cause: Cause) -> None:
    """The kubelet's own reasons need no message."""
    assert pull_cause(reason, "") is cause


def pulling(reason: str, message: str, *, attempts: int = 1, waited_s: float = 20) -> PodFault | None:
    """Return the fault of a pod whose image was tried so often within that time."""
    spec = make.pod_spec(containers=(make.container_spec(image=REF),))
    pod = make.unready_pod(
        make.waiting(reason, message),
        spec=spec,
        conditions=make.unready_conditions(waited_s),
        created_at=make.ago(waited_s),
    )
    event = make.event("Failed", f'Failed to pull image "{REF}": {message}', pod, count=attempts)
    return pod_fault(make.rollout_snapshot(pod, events=(event,) if attempts else ()), pod)


def test_first_not_found_is_final_with_the_image_named() -> None:
    """Incident 21: no second pull finds what the registry does not have."""
    fault = pulling("ErrImagePull", f'{PULL}failed to resolve reference "{REF}": {REF}: not found')
    assert fault is not None
    assert fault.final
    assert fault.what == f"container chat-api: the registry has no image {REF}"


def test_first_invalid_name_is_final_with_the_name_quoted() -> None:
    """No registry is asked for a name that is none, so a second attempt meets the same."""
    fault = pulling("ErrImagePull", f'failed to parse image reference "{REF}": invalid reference format')
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.IMAGE_INVALID_NAME, True)
    assert fault.what == f"container chat-api: '{REF}' is no valid image name"


def test_first_denied_is_final() -> None:
    """Incident 21: expired credentials do not come back by pulling again."""
    fault = pulling("ErrImagePull", "denied: Your authorization token has expired. Reauthenticate and try again.")
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.IMAGE_DENIED, True)


@pytest.mark.parametrize(
    ("attempts", "waited_s", "final"),
    [
        (1, 20, False),
        (tolerances.PULL_ATTEMPTS - 1, 30, False),
        (tolerances.PULL_ATTEMPTS, 40, True),
        (0, tolerances.PULL_S - 1, False),
        (0, tolerances.PULL_S, True),
    ],
)
def test_unreachable_registry_is_given_three_attempts(attempts: int, waited_s: float, *, final: bool) -> None:
    """One slow or refused pull is not an outage; without events the time decides."""
    fault = pulling("ImagePullBackOff", PULL + REFUSED, attempts=attempts, waited_s=waited_s)
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.IMAGE_REGISTRY_UNREACHABLE, final)


def test_back_off_without_the_error_takes_it_from_the_event() -> None:
    """Before Kubernetes 1.31 the waiting message says only that it backs off."""
    pod = make.unready_pod(make.waiting("ImagePullBackOff", f'Back-off pulling image "{REF}"'))
    event = make.event("Failed", f'Failed to pull image "{REF}": {REF}: not found', pod)
    fault = pod_fault(make.rollout_snapshot(pod, events=(event,)), pod)
    assert fault is not None
    assert fault.cause is Cause.IMAGE_NOT_FOUND


def test_words_in_the_image_name_do_not_count() -> None:
    """An image may be called anything, also `denied-unauthorized:`."""
    image = "registry.test/no-such-host/access:connection-refused"
    spec = make.pod_spec(containers=(make.container_spec(image=image),))
    pod = make.unready_pod(make.waiting("ErrImagePull", f'failed to pull "{image}": something new'), spec=spec)
    fault = pod_fault(make.rollout_snapshot(pod), pod)
    assert fault is not None
    assert fault.cause is Cause.IMAGE_PULL_FAILED


def test_pull_that_goes_on_is_no_fault() -> None:
    """A large image takes its time: ContainerCreating is not a failure."""
    pod = make.unready_pod(make.waiting("ContainerCreating"))
    event = replace(make.event("Pulling", f'Pulling image "{REF}"', pod), type="Normal")
    assert pod_fault(make.rollout_snapshot(pod, events=(event,)), pod) is None
