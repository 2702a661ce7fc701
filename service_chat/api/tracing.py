"""One JSON line, one counter and one trace id for each request, as ASGI middleware.

A caller's trace id is taken over from `traceparent` (W3C Trace Context) or X-Trace-Id if it looks like one; anything
else is replaced, so that no text from outside reaches the logs. It is sent back as X-Trace-Id.
"""

import re
import time
import uuid
from contextvars import ContextVar
from typing import Literal

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_chat.reports import TRACE_ID
from service_chat.runtime import Runtime

_log = structlog.get_logger("service_chat.access")
_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$")
_TRACE_ID = re.compile(TRACE_ID)
_trace_id: ContextVar[str] = ContextVar("trace_id", default="")

# What the deploy gate calls itself (User-Agent). Its questions and its load drill are counted apart, so that an error
# rate says what users met; the word is that of OpenTelemetry's attribute user_agent.synthetic.type.
_TEST_AGENT = "carepath-gate"

# Asked every few seconds by kubelet and Prometheus: at INFO they would drown the rest.
_PROBES = frozenset({"/health", "/ready", "/metrics", "/version"})


def current_trace_id() -> str:
    """Return the trace id of the request being handled."""
    return _trace_id.get()


def trace_id_of(headers: Headers) -> str:
    """Return the caller's trace id, or a new one."""
    if parent := _TRACEPARENT.match(headers.get("traceparent", "")):
        return parent.group(1)
    given = headers.get("x-trace-id", "").lower()
    return given if _TRACE_ID.match(given) else uuid.uuid4().hex


def traffic_of(headers: Headers) -> Literal["user", "test"]:
    """Return who asks, as the metrics tell it apart; whoever does not say that it is a test is a user."""
    return "test" if headers.get("user-agent", "").startswith(_TEST_AGENT) else "user"


class RequestTelemetry:
    """Wraps the app; a pure ASGI middleware, because starlette's base class would hide a caller's disconnect."""

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace_id = trace_id_of(Headers(scope=scope))
        _trace_id.set(trace_id)
        structlog.contextvars.bind_contextvars(trace_id=trace_id)
        started_s = time.perf_counter()
        status: int | None = None

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                headers = MutableHeaders(scope=message)
                headers["X-Trace-Id"] = trace_id
                if self._runtime.draining:
                    headers["Connection"] = "close"  # the next request on this connection shall find another pod
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception:  # noqa: BLE001 # a bug can be of any type
            # The outermost place that knows the trace id. A bug is told here, once, and without its message; uvicorn
            # would log the whole traceback, which may quote a patient's record.
            _log.exception("unexpected error")
            if status is None:
                await JSONResponse({"detail": f"internal error; trace id {trace_id}"}, 500)(scope, receive, observed)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._runtime.metrics.requests.labels(route, str(status), traffic_of(Headers(scope=scope))).inc()
            log = _log.debug if route in _PROBES else _log.info
            log(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                ms=round((time.perf_counter() - started_s) * 1000, 1),
            )
            structlog.contextvars.clear_contextvars()
