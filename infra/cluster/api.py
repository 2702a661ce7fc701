"""The few requests the launcher itself has for the API server: apply its own objects, wait for the node.

Plain HTTP with the administrator's certificate: a second to import the full client would be a fifth of the start.
"""

import ssl
import time
from collections.abc import Sequence
from typing import Any

import httpx

from infra.cluster.instance import Instance

_PATHS = {
    "Service": "/api/v1/namespaces/{namespace}/services/{name}",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{name}",
    "APIService": "/apis/apiregistration.k8s.io/v1/apiservices/{name}",
}
_REQUEST_TIMEOUT_S = 10.0
# From the kubelet's start to a Ready node took 1.5 s on 2 cores; a busy machine needs many times that.
_READY_DEADLINE_S = 60.0
_POLL_S = 0.1


class ApiError(Exception):
    """The API server refused an object, or something did not become ready; the message has its answer."""


class Api:
    """The API server of one instance, asked as the administrator."""

    def __init__(self, instance: Instance) -> None:
        context = ssl.create_default_context(cafile=instance.pki / "ca.crt")
        context.load_cert_chain(instance.pki / "admin.crt", instance.pki / "admin.key")
        self._client = httpx.Client(
            base_url=instance.server, verify=context, trust_env=False, timeout=_REQUEST_TIMEOUT_S
        )

    def apply(self, documents: Sequence[dict[str, Any]]) -> None:
        """Apply objects server-side.

        Raises:
            ApiError: one was refused.
        """
        for document in documents:
            path = _PATHS[document["kind"]].format(**document["metadata"])
            try:
                answer = self._client.patch(
                    path,
                    params={"fieldManager": "carepath-cluster", "force": "true"},
                    headers={"Content-Type": "application/apply-patch+yaml"},
                    json=document,
                )
            except httpx.HTTPError as error:
                raise ApiError(f"apply {document['kind']} {document['metadata']['name']}: {error}") from error
            if answer.is_error:
                raise ApiError(f"apply {document['kind']} {document['metadata']['name']}: {_message(answer)}")

    def wait_for(self, path: str, condition: str | None = None) -> None:
        """Wait until an object exists and, if given, its `condition` is True.

        Raises:
            ApiError: not within the deadline; the message has the last state.
        """
        deadline = time.monotonic() + _READY_DEADLINE_S
        while True:
            try:
                state = _state(self._client.get(path), condition)
            except httpx.HTTPError as error:
                state = str(error)
            if state is None:
                return
            if time.monotonic() > deadline:
                raise ApiError(f"{path}: not {condition or 'there'} within {_READY_DEADLINE_S:g} s: {state}")
            time.sleep(_POLL_S)


def _state(answer: httpx.Response, condition: str | None) -> str | None:
    """Return what is missing, or None if nothing is."""
    if answer.is_error:
        return _message(answer)
    if condition is None:
        return None
    for found in answer.json().get("status", {}).get("conditions", []):
        if found["type"] == condition:
            return None if found["status"] == "True" else f"{found.get('reason')}: {found.get('message')}"
    return f"no condition {condition} yet"


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}: {answer.text[:200]}"
