"""The app: everything built in one place, started in order and stopped in reverse.

Importing this module does nothing; settings come in, and a callback that is told when the model cannot be loaded.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from service_chat import __version__
from service_chat.admission import Admission
from service_chat.api import feedback, operations, triage
from service_chat.api.tracing import RequestTelemetry, traffic_of
from service_chat.errors import ServiceError
from service_chat.runtime import Runtime
from service_chat.services.model_manager import ModelLoadError, ModelManager
from service_chat.services.patients import PatientApi
from service_chat.settings import Settings
from service_chat.telemetry import Metrics

_log = structlog.get_logger("service_chat.app")


def create_app(
    settings: Settings,
    *,
    on_load_failure: Callable[[str], None],
    manager: ModelManager | None = None,
    patients: PatientApi | None = None,
) -> FastAPI:
    """Build the app.

    Args:
        settings: checked settings.
        on_load_failure: told the cause when the model cannot be loaded; the process should end, so that Kubernetes
            shows a crash with a reason instead of a pod that is never ready.
        manager: another owner of the model than the settings describe.
        patients: another client of the patient API than the settings describe.
    """
    at = Runtime(
        settings=settings,
        manager=manager or ModelManager(settings),
        patients=patients or PatientApi(str(settings.db_api_base_url), settings.db_api_timeout_s),
        admission=Admission(settings.llm_parallel, settings.max_queue),
        metrics=Metrics(),
        workers=ThreadPoolExecutor(max_workers=settings.llm_parallel, thread_name_prefix="inference"),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(at.patients.close)
            stack.callback(at.manager.close)
            stack.callback(at.workers.shutdown, wait=True, cancel_futures=True)
            loading = asyncio.create_task(_load(at, on_load_failure))
            stack.push_async_callback(_ended, loading)
            yield

    app = FastAPI(title="CarePath chat-api", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.runtime = at
    app.include_router(operations.router)
    app.include_router(triage.router)
    app.include_router(feedback.router)
    app.add_middleware(RequestTelemetry, runtime=at)
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    return app


async def _load(at: Runtime, on_load_failure: Callable[[str], None]) -> None:
    try:
        await asyncio.to_thread(at.manager.load)
    except ModelLoadError as error:
        name = at.settings.llm_mode
        _log.error("Model could not be loaded", model=name, cause=str(error))  # the cause says it all
        on_load_failure(f"{name}: {error}")
        return
    except Exception as error:  # noqa: BLE001 # whatever it is: a pod that loads for ever tells nobody anything
        _log.exception("Model could not be loaded", model=at.settings.llm_mode, cause=repr(error))
        on_load_failure(f"{at.settings.llm_mode}: {error!r}")
        return
    loaded = at.manager.loaded
    if loaded is None:  # closed again while it loaded
        return
    at.metrics.load_seconds.set(loaded.load_seconds)
    at.metrics.model_info.labels(
        at.settings.llm_mode,
        at.settings.llm_mode if at.settings.spec else "",
        loaded.file or "",
        loaded.sha256 or "",
        loaded.engine.name,
    ).set(1)


async def _ended(loading: asyncio.Task[None]) -> None:
    """Wait for a load that is under way: llama.cpp cannot be stopped in it, and closing it half loaded would crash."""
    await loading


def _body(detail: str, status: int, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status_code=status, headers=headers)


async def _service_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ServiceError):
        raise error
    at: Runtime = request.app.state.runtime
    at.metrics.refused.labels(error.reason, traffic_of(request.headers)).inc()
    level = _log.warning if error.status < 500 or error.retry_after_s is not None else _log.error  # noqa: PLR2004
    level("request refused", reason=error.reason, status=int(error.status))
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s is not None else None
    return _body(error.detail, error.status, headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Name the fields that are wrong, without their values: they may hold patient data."""
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
    return _body("; ".join(problems), 422)


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return _body(str(error.detail), error.status_code, dict(error.headers or {}))
