"""Logs and metrics: the one place where their names and their rules stand.

Logs are JSON lines on stdout with time, level, event and trace_id. No log line and no label holds a question, an
answer, an MRN or any other field of a patient; requests are named by their route, not by their path.

Metrics (Prometheus, GET /metrics):

    carepath_chat_requests_total{route,status,traffic}
                                                    counter    finished requests; traffic: user, or test (the gate's)
    carepath_chat_refused_total{reason,traffic}     counter    requests without an answer, by errors.py's reason
    carepath_chat_feedback_total{rating}            counter    users' reports on answers, each once: up, down
    carepath_chat_answers_total{finish}             counter    answers, by why the generation ended
    carepath_chat_inference_seconds                 histogram  time the model worked for one answer
    carepath_chat_queue_seconds                     histogram  time an answered request waited for the model
    carepath_chat_queue_length                      gauge      requests waiting now
    carepath_chat_running                           gauge      requests the model works on now
    carepath_chat_tokens_total{kind}                counter    prompt, completion, thinking
    carepath_chat_model_info{mode,model,...}        gauge      1 for what is loaded
    carepath_chat_model_load_seconds                gauge      time the load took
    carepath_chat_memory_bytes{kind}                gauge      resident memory of the process: anonymous, file
    carepath_chat_container_memory_bytes{kind}      gauge      charged against the limit: anonymous, shared, file
    carepath_chat_cpu_periods_total                 counter    CFS periods of the container
    carepath_chat_cpu_throttled_periods_total       counter    periods in which it was stopped
    carepath_chat_cpu_throttled_seconds_total       counter    time it was stopped, added up over the CPUs
    process_start_time_seconds                      gauge      Unix time since which all counters count
    process_cpu_seconds_total                       counter    CPU time that the process used
    process_resident_memory_bytes                   gauge      prometheus_client's own, as are the three below
    process_virtual_memory_bytes                    gauge
    process_open_fds                                gauge
    process_max_fds                                 gauge
"""

import logging
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service_chat import resources
from service_chat.reports import Rating

# Up to the longest deadline anyone has asked of a CPU; 10 s is the bound that callers are promised.
_SECONDS = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 30, 60, 120, 300)

# Of a traceback, from the place of the error outwards: enough to find it.
_FRAMES = 8


class _Kernel(Collector):
    """Reads memory and throttling when asked, so that the figures are of that moment."""

    def collect(self) -> Iterable[Metric]:
        memory = GaugeMetricFamily("carepath_chat_memory_bytes", "Resident memory.", labels=["kind"])
        now = resources.memory()
        memory.add_metric(["anonymous"], now.anonymous_bytes)
        memory.add_metric(["file"], now.file_bytes)
        yield memory
        container = GaugeMetricFamily(
            "carepath_chat_container_memory_bytes", "Memory charged to the container.", labels=["kind"]
        )
        if (charged := resources.container_memory()) is not None:
            container.add_metric(["anonymous"], charged.anonymous_bytes)
            container.add_metric(["shared"], charged.shared_bytes)
            container.add_metric(["file"], charged.file_bytes)
        yield container
        cpu = resources.throttling()
        yield CounterMetricFamily("carepath_chat_cpu_periods", "CFS periods.", value=cpu.periods)
        yield CounterMetricFamily(
            "carepath_chat_cpu_throttled_periods", "CFS periods with throttling.", value=cpu.throttled_periods
        )
        yield CounterMetricFamily(
            "carepath_chat_cpu_throttled_seconds", "Time stopped, over all CPUs.", value=cpu.throttled_s
        )


class Metrics:
    """The service's metrics, in a registry of their own so that two apps in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Kernel())
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "carepath_chat_requests", "Finished requests.", ["route", "status", "traffic"], registry=self.registry
        )
        self.refused = Counter(
            "carepath_chat_refused", "Requests without an answer.", ["reason", "traffic"], registry=self.registry
        )
        self.feedback = Counter("carepath_chat_feedback", "Users' reports.", ["rating"], registry=self.registry)
        for rating in Rating:
            self.feedback.labels(rating)  # 0 is a figure; a series that is missing is none
        self.answers = Counter("carepath_chat_answers", "Answers.", ["finish"], registry=self.registry)
        self.inference_seconds = Histogram(
            "carepath_chat_inference_seconds", "Time the model worked.", buckets=_SECONDS, registry=self.registry
        )
        self.queue_seconds = Histogram(
            "carepath_chat_queue_seconds", "Time waited for the model.", buckets=_SECONDS, registry=self.registry
        )
        self.queue_length = Gauge("carepath_chat_queue_length", "Requests waiting.", registry=self.registry)
        self.running = Gauge("carepath_chat_running", "Requests at work.", registry=self.registry)
        self.tokens = Counter("carepath_chat_tokens", "Tokens.", ["kind"], registry=self.registry)
        self.model_info = Gauge(
            "carepath_chat_model_info",
            "What is loaded.",
            ["mode", "model", "file", "sha256", "engine"],
            registry=self.registry,
        )
        self.load_seconds = Gauge("carepath_chat_model_load_seconds", "Time the load took.", registry=self.registry)


def _exception_without_its_message(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace an exception by its type and where it came from: its message may quote a patient's record."""
    record = event.get("_record")
    exc_info = event.pop("exc_info", None) or (record.exc_info if isinstance(record, logging.LogRecord) else None)
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event["exception"] = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        event["frames"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def configure_logging(level: str) -> None:
    """Send the service's and its libraries' log lines to stdout as JSON, from `level` up."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _exception_without_its_message,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow=[])],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # httpx logs every URL it asks for at INFO, and the patient API's hold an MRN; httpcore's DEBUG lines do too.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], name != "uvicorn.access"
