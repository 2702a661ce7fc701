"""The only user of the Kubernetes client: its configuration, its authentication, its HTTP pool.

Leaves a Connection (``gate.readers.api``). The client's generated methods are not used: their models refuse unknown
fields, and ``kubernetes.stream`` swaps a method of the shared client while it connects, which two threads cannot share.
"""
# mypy: disallow-untyped-calls=False
# Most of kubernetes and websocket-client has no annotations.

import os
import re
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import urllib3
import websocket
import yaml
from kubernetes import config
from kubernetes.client import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTClientObject
from kubernetes.stream.ws_client import V4_CHANNEL_PROTOCOL, websocket_proxycare

from gate.readers.api import Response
from gate.readers.errors import Unreachable, excerpt, refusal

#: Beyond the round trip to another continent, a TCP and TLS handshake that takes longer goes nowhere.
CONNECT_TIMEOUT_S = 3.0

#: Connections kept for reuse: the parallel reads of one snapshot.
POOL_CONNECTIONS = 8

_CONNECTION = re.compile(r"^(<.*?>|HTTPS?Connection(Pool)?\(.*?\)): ")

IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def open_connection(context: str | None) -> "KubeConnection":
    """Return a connection by a kubeconfig context, by the current one, or by the pod's own service account.

    Nothing is sent yet.

    Args:
        context: the context's name; None takes the current one, and the in-cluster configuration without a kubeconfig.

    Raises:
        Unreachable: there is no such context, or no configuration at all; what there is instead is named.
    """
    paths = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    settings = Configuration()
    # Retries are the Api's business: the pool's own would sleep for as long as a Retry-After says.
    settings.retries = 0
    settings.connection_pool_maxsize = POOL_CONNECTIONS
    if context is None and not any(Path(path).is_file() for path in paths.split(os.pathsep)):
        return _in_cluster(settings, paths)
    try:
        contexts, current = config.list_kube_config_contexts(config_file=paths)
        known = {each["name"]: each["context"].get("cluster") for each in contexts}
        name = context or current["name"]
        if name not in known:
            raise Unreachable(f"kubeconfig {paths} has no context {name!r}; it has: {', '.join(sorted(known))}")
        config.load_kube_config(config_file=paths, context=name, client_configuration=settings, persist_config=False)
    except (config.ConfigException, yaml.YAMLError, OSError, KeyError, TypeError) as error:
        raise Unreachable(f"kubeconfig {paths} is not usable: {excerpt(str(error))}") from error
    return KubeConnection(settings, context=name, cluster_entry=known[name])


def _in_cluster(settings: Configuration, paths: str) -> "KubeConnection":
    if not IN_CLUSTER_TOKEN.is_file():
        raise Unreachable(f"no cluster is configured: there is no kubeconfig at {paths}, and this is no pod")
    try:
        config.load_incluster_config(client_configuration=settings)
    except config.ConfigException as error:
        raise Unreachable(f"the in-cluster configuration is not usable: {excerpt(str(error))}") from error
    return KubeConnection(settings, context=None, cluster_entry=None)


class KubeConnection:
    """An authenticated way to one API server; safe to use from several threads.

    Attributes:
        server: the API server's URL.
        context: the kubeconfig context, None in a cluster.
        cluster_entry: the name of the context's cluster entry, None in a cluster.
    """

    def __init__(self, settings: Configuration, *, context: str | None, cluster_entry: str | None) -> None:
        self.server = str(settings.host).rstrip("/")
        self.context = context
        self.cluster_entry = cluster_entry
        self._settings = settings
        self._pool = RESTClientObject(settings)
        self._refreshing = threading.Lock()

    def __repr__(self) -> str:
        """Return the server only: the settings hold a token."""
        return f"KubeConnection({self.server})"

    def fetch(self, path: str, query: Mapping[str, str], *, timeout_s: float) -> Response:
        """GET a path; see ``Connection.fetch``."""
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"accept": "application/json", **self._authorization()}
        try:
            answer = self._pool.request("GET", url, headers=headers, _request_timeout=(CONNECT_TIMEOUT_S, timeout_s))
            body = answer.read()
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            raise Unreachable(f"API server {self.server}: {_why(error)}") from error
        return Response(answer.status, {key.lower(): value for key, value in answer.headers.items()}, body)

    def websocket(self, path: str, query: Mapping[str, str], *, timeout_s: float) -> websocket.WebSocket:
        """Open a websocket; see ``Connection.websocket``."""
        url = f"ws{self.server.removeprefix('http')}{path}?{urlencode(query)}"
        options = {
            "header": [f"{key}: {value}" for key, value in self._authorization().items()],
            "subprotocols": [V4_CHANNEL_PROTOCOL],
            "timeout": timeout_s,
        }
        options = websocket_proxycare(options, self._settings, url, {})
        opened = websocket.WebSocket(sslopt=self._tls(), skip_utf8_validation=True)
        resource = f"pods/{path.rpartition('/')[2]}"
        namespace = path.split("/")[4] if path.startswith("/api/v1/namespaces/") else None
        try:
            opened.connect(url, **options)
        except websocket.WebSocketBadStatusException as error:
            said = error.resp_body or b""
            raise refusal(
                error.status_code, said, verb="get", resource=resource, namespace=namespace, named=True
            ) from error
        except (websocket.WebSocketException, OSError) as error:
            raise Unreachable(f"{resource} through {self.server}: {excerpt(str(error))}") from error
        return opened

    def _authorization(self) -> dict[str, str]:
        """Return the header; a token that has expired is fetched anew by the client's hook."""
        with self._refreshing:
            bearer = self._settings.auth_settings().get("BearerToken")
        return {bearer["key"]: bearer["value"]} if bearer and bearer["value"] else {}

    def _tls(self) -> dict[str, object]:
        settings = self._settings
        options: dict[str, object] = {
            "ca_certs": settings.ssl_ca_cert,
            "certfile": settings.cert_file,
            "keyfile": settings.key_file,
            "server_hostname": settings.tls_server_name,
            "check_hostname": settings.assert_hostname,
        }
        if not settings.verify_ssl:
            options |= {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
        return {key: value for key, value in options.items() if value is not None}


def _why(error: Exception) -> str:
    """Return the innermost reason: urllib3 wraps it in texts that repeat URL and pool."""
    inner: BaseException = error
    while isinstance(reason := getattr(inner, "reason", None), Exception):
        inner = reason
    # Its own texts begin with the connection object, which repeats the server's address.
    return excerpt(_CONNECTION.sub("", str(inner)))
