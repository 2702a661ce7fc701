"""The few requests that the launcher and the load balancer's controller have for the API server.

Plain HTTP with a client certificate: importing the full client would take a tenth of the whole start, and all that is
needed is apply, get, watch for a change, and two writes. Foreign exceptions end here as `ApiError`.
"""

import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    """The API server refused a request or could not be reached, or something did not become ready."""


class Api:
    """The API server of one instance, asked with the identity `user` (`certificates.identities`)."""

    def __init__(self, instance: Instance, user: str = "admin") -> None:
        context = ssl.create_default_context(cafile=instance.pki / "ca.crt")
        context.load_cert_chain(instance.pki / f"{user}.crt", instance.pki / f"{user}.key")
        self._client = httpx.Client(
            base_url=instance.server, verify=context, trust_env=False, timeout=_REQUEST_TIMEOUT_S
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str) -> dict[str, Any]:
        """Return an object or a list.

        Raises:
            ApiError: it cannot be had.
        """
        with _translated(f"GET {path}"):
            return dict(_checked(self._client.get(path)).json())

    def post(self, path: str, document: Mapping[str, Any]) -> None:
        """Create an object.

        Raises:
            ApiError: it was refused.
        """
        with _translated(f"POST {path}"):
            _checked(self._client.post(path, json=document))

    def merge(self, path: str, document: Mapping[str, Any]) -> None:
        """Change fields of an object (RFC 7396 merge patch).

        Raises:
            ApiError: the change was refused.
        """
        headers = {"Content-Type": "application/merge-patch+json"}
        with _translated(f"PATCH {path}"):
            _checked(self._client.patch(path, headers=headers, json=document))

    def apply(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Apply objects server-side, so that a second time changes nothing.

        Raises:
            ApiError: one was refused.
        """
        for document in documents:
            path = _PATHS[document["kind"]].format(**document["metadata"])
            parameters = {"fieldManager": "carepath-cluster", "force": "true"}
            headers = {"Content-Type": "application/apply-patch+yaml"}
            with _translated(f"apply {path}"):
                _checked(self._client.patch(path, params=parameters, headers=headers, json=document))

    def wait_for_change(self, path: str, version: str, timeout_s: int) -> None:
        """Return when something in the list at `path` changes after resource version `version`, or `timeout_s` passed.

        Raises:
            ApiError: the watch could not be made.
        """
        parameters = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(timeout_s)}
        limit = httpx.Timeout(_REQUEST_TIMEOUT_S, read=timeout_s + _REQUEST_TIMEOUT_S)
        with (
            _translated(f"watch {path}"),
            self._client.stream("GET", path, params=parameters, timeout=limit) as answer,
        ):
            if answer.is_error:
                answer.read()
            _checked(answer)
            next(answer.iter_lines(), None)

    def wait_for(self, path: str, condition: str | None = None) -> None:
        """Wait until an object exists and, if given, its `condition` is True.

        Raises:
            ApiError: not within the deadline; the message has the last state.
        """
        deadline = time.monotonic() + _READY_DEADLINE_S
        while True:
            try:
                state = _missing(self.get(path), condition)
            except ApiError as error:
                state = str(error)
            if state is None:
                return
            if time.monotonic() > deadline:
                raise ApiError(f"{path}: not {condition or 'there'} within {_READY_DEADLINE_S:g} s: {state}")
            time.sleep(_POLL_S)


def _missing(document: Mapping[str, Any], condition: str | None) -> str | None:
    """Return what is missing, or None if nothing is."""
    if condition is None:
        return None
    for found in document.get("status", {}).get("conditions", []):
        if found["type"] == condition:
            return None if found["status"] == "True" else f"{found.get('reason')}: {found.get('message')}"
    return f"no condition {condition} yet"


@contextmanager
def _translated(request: str) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, ValueError) as error:
        raise ApiError(f"{request}: {type(error).__name__}: {error}") from error
    except ApiError as error:
        raise ApiError(f"{request}: {error}") from error


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        try:
            message = str(answer.json()["message"])
        except (ValueError, KeyError, TypeError):
            message = answer.text[:200]
        raise ApiError(f"HTTP {answer.status_code}: {message}")
    return answer
