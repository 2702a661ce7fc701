"""The launcher's requests to the API server: what is sent, and how its words reach a person."""

import json
from collections.abc import Callable

import httpx
import pytest

from infra.cluster import api as module
from infra.cluster.api import Api, ApiError
from infra.cluster.certificates import write_pki
from infra.cluster.instance import Instance
from infra.cluster.objects import system_objects

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def api(instance: Instance) -> Callable[[Handler], Api]:
    """Return a function that makes a client whose server is a function."""
    write_pki(instance)

    def client(handler: Handler) -> Api:
        made = Api(instance)
        made._client.close()
        made._client = httpx.Client(base_url=instance.server, transport=httpx.MockTransport(handler))
        return made

    return client


def node(status: str, message: str = "") -> dict[str, object]:
    """Return a node with one condition."""
    return {"status": {"conditions": [{"type": "Ready", "status": status, "reason": "R", "message": message}]}}


def test_refusal_is_told_in_the_servers_words(api: Callable[[Handler], Api]) -> None:
    """Method, path, status and message, chained to nothing foreign."""
    answer = httpx.Response(403, json={"message": "services is forbidden"})
    with pytest.raises(ApiError, match=r"^GET /api/v1/services: HTTP 403: services is forbidden$"):
        api(lambda _: answer).get("/api/v1/services")


def test_answer_that_is_no_status_object_is_cut(api: Callable[[Handler], Api]) -> None:
    """A proxy's page is not printed as a whole."""
    with pytest.raises(ApiError) as caught:
        api(lambda _: httpx.Response(502, text="x" * 5000)).get("/")
    assert len(str(caught.value)) < 250


def test_unreachable_server_is_an_error_of_ours(api: Callable[[Handler], Api]) -> None:
    """Httpx's exceptions end here."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ApiError, match="GET /readyz: ConnectError: refused"):
        api(refuse).get("/readyz")


def test_system_objects_are_applied_server_side_in_their_order(
    api: Callable[[Handler], Api], instance: Instance
) -> None:
    """DNS first: what waits for it is what a person would miss first."""
    seen: list[httpx.Request] = []

    def record(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    api(record).apply(system_objects(instance))
    assert [request.url.path for request in seen] == [
        "/api/v1/namespaces/kube-system/services/kube-dns",
        "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns-node",
        "/api/v1/namespaces/kube-system/services/metrics-server",
        "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/metrics-server-node",
        "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io",
    ]
    assert {request.headers["Content-Type"] for request in seen} == {"application/apply-patch+yaml"}
    assert json.loads(seen[0].content)["spec"]["clusterIP"] == "10.96.0.10"


def test_wait_for_a_condition_ends_when_it_is_true(
    api: Callable[[Handler], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent, then not ready, then ready: three questions."""
    answers = [
        httpx.Response(404, json={"message": "not found"}),
        httpx.Response(200, json=node("False", "no network")),
        httpx.Response(200, json=node("True")),
    ]
    monkeypatch.setattr(module, "_POLL_S", 0)
    api(lambda _: answers.pop(0)).wait_for("/api/v1/nodes/two-node", condition="Ready")
    assert answers == []


def test_wait_that_expires_names_the_limit_and_the_last_state(
    api: Callable[[Handler], Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An expired wait is a failure, with the kubelet's own reason."""
    monkeypatch.setattr(module, "_READY_DEADLINE_S", 0.0)
    with pytest.raises(ApiError, match=r"nodes/two-node: not Ready within 0 s: R: no network"):
        api(lambda _: httpx.Response(200, json=node("False", "no network"))).wait_for(
            "/api/v1/nodes/two-node", condition="Ready"
        )


def test_watch_ends_with_the_first_change(api: Callable[[Handler], Api]) -> None:
    """It asks from the version that the list had."""
    seen: list[httpx.URL] = []

    def stream(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(200, text='{"type": "ADDED"}\n{"type": "ADDED"}\n')

    api(stream).wait_for_change("/api/v1/services", "17", timeout_s=30)
    assert dict(seen[0].params) == {"watch": "true", "resourceVersion": "17", "timeoutSeconds": "30"}


def test_watch_that_is_refused_is_an_error(api: Callable[[Handler], Api]) -> None:
    """An expired version (410) leads to a new list, not to silence."""
    gone = httpx.Response(410, json={"message": "too old resource version"})
    with pytest.raises(ApiError, match="HTTP 410: too old resource version"):
        api(lambda _: gone).wait_for_change("/api/v1/services", "1", timeout_s=1)
