"""Health, readiness, metrics, version: what Kubernetes, Prometheus and the deploy gate ask."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service_chat import __version__
from service_chat.api.schemas import Health, Readiness, Version
from service_chat.catalogue import MOCK
from service_chat.runtime import Runtime

router = APIRouter()


def runtime(request: Request) -> Runtime:
    """Return the app's runtime."""
    found: Runtime = request.app.state.runtime
    return found


RuntimeOf = Annotated[Runtime, Depends(runtime)]


@router.get("/health")
async def health() -> Health:
    """Say that the process is alive: also while the model loads, works, or the pod is being stopped."""
    return Health(status="ok")


@router.get("/ready", responses={503: {"model": Readiness}})
async def ready(at: RuntimeOf, response: Response) -> Readiness:
    """Say whether requests are wanted: not before the model is loaded, not once the pod is being stopped."""
    reason = at.not_ready_reason()
    if reason is None:
        return Readiness(status="ready")
    response.status_code = 503
    return Readiness(status="not ready", reason=reason)


@router.get("/metrics", response_class=Response)
async def metrics(at: RuntimeOf) -> Response:
    """Return the metrics that telemetry.py lists."""
    at.metrics.queue_length.set(at.admission.waiting)
    at.metrics.running.set(at.admission.running)
    return Response(generate_latest(at.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/version")
async def version(at: RuntimeOf) -> Version:
    """Return what runs here."""
    settings, loaded = at.settings, at.manager.loaded
    mocked = settings.llm_mode == MOCK
    return Version(
        service="chat-api",
        version=__version__,
        llm_mode=settings.llm_mode,
        model=None if mocked else settings.llm_mode,
        model_file=loaded.file if loaded else None,
        model_sha256=loaded.sha256 if loaded else None,
        engine=loaded.engine.name if loaded else "none",
        engine_version=loaded.engine.version if loaded else None,
        image=settings.image,
        loaded=loaded is not None,
        load_seconds=loaded.load_seconds if loaded else None,
        max_tokens=None if mocked else settings.effective_max_tokens,
        request_deadline_s=settings.request_deadline_s,
    )
