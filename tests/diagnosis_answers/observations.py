"""Exchanges with a healthy service, for tests to break one at a time.

``recorded`` answers are real: SmolLM2-135M-Instruct Q4_1, llama.cpp on 2 cores, 4 synthetic patients x 3 questions,
recorded 2026-11-22 while other work ran on the machine, so their timing carries real noise.
"""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

import json
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from gate.diagnosis.throttling import ThrottlingLimits
from gate.records import Answer, Identity, LogTail, PodMetrics, Readings, Reply
from gate.verdict import Verdict
from tests.diagnosis.factories import MIB, NEW_REPLICA_SET, NOW

MODEL = "SmolLM2-135M-Instruct"
POD_A = f"{NEW_REPLICA_SET}-aaaaa"
POD_B = f"{NEW_REPLICA_SET}-bbbbb"
SERVICE = "chat-api-service"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

#: What the table allows (RES-1).
THROTTLING = ThrottlingLimits(period_share=0.25, withheld_share=0.2)

#: The three runs in smollm2_answers.json.
RUNS = ("greedy", "temperature_0_2_first", "temperature_0_2_second")


def at(seconds: float) -> datetime:
    """Return the time that many seconds after the snapshot was read."""
    return NOW + timedelta(seconds=seconds)


def reply(pod: str | None = POD_A, **changes: Any) -> Reply:
    """Return a 200 of /triage after one second; ``pod`` None is the Service."""
    record = Reply(via=f"pod/{pod}" if pod else "service", path="/triage", status=200, elapsed_s=1.0, started_at=at(0))
    return replace(record, **changes)


def lost(trouble: str, pod: str | None = POD_A, **changes: Any) -> Reply:
    """Return an exchange to which no status came back."""
    return reply(pod, **{"status": None, "trouble": trouble} | changes)


def health(pod: str | None = POD_A, **changes: Any) -> Reply:
    """Return a 200 of /health."""
    return reply(pod, **{"path": "/health", "elapsed_s": 0.01} | changes)


def identity(pod: str = POD_A, **changes: Any) -> Identity:
    """Return what a pod with the right model declares."""
    record = Identity(
        reply=reply(pod, path="/version", elapsed_s=0.01),
        llm_mode=MODEL,
        model=MODEL,
        model_sha256=SHA256,
        engine="llama.cpp",
        loaded=True,
        load_seconds=0.2,
    )
    return replace(record, **changes)


def answer(pod: str | None = POD_A, *, seconds: float = 1.0, **changes: Any) -> Answer:
    """Return a complete warm answer of 50 tokens that took ``seconds``."""
    record = Answer(
        reply=reply(pod, elapsed_s=seconds),
        patient_mrn="MRN-001",
        query="What is my current diagnosis?",
        response="Your record names essential hypertension.",
        llm_mode=MODEL,
        inference_s=seconds,
        finish_reason="stop",
        prompt_tokens=180,
        completion_tokens=50,
        queue_ms=0.0,
    )
    return replace(record, **changes)


def refused(status: int | None, pod: str | None = POD_A, *, seconds: float = 0.02, **changes: Any) -> Answer:
    """Return a question that got no answer."""
    record = Answer(
        reply=reply(pod, status=status, elapsed_s=seconds, error=changes.pop("error", "")),
        patient_mrn="MRN-001",
        query="What is my current diagnosis?",
    )
    return replace(record, **changes)


@cache
def _recorded() -> dict[str, list[dict[str, Any]]]:
    text = Path(__file__).with_name("smollm2_answers.json").read_text(encoding="utf-8")
    runs: dict[str, list[dict[str, Any]]] = json.loads(text)
    return runs


def recorded(run: str = RUNS[0], pod: str | None = POD_A) -> list[Answer]:
    """Return the 12 answers of one recorded run as that pod's."""
    return [
        answer(
            pod,
            seconds=each["inference_s"] + 0.02,
            **each | {"inference_s": each["inference_s"]},
        )
        for each in _recorded()[run]
    ]


def metrics(pod: str = POD_A, **changes: Any) -> PodMetrics:
    """Return a reading of a pod that answered 40 users and is well; ``after`` in ``readings`` has worked for 10 s."""
    record = PodMetrics(
        reply=reply(pod, path="/metrics", elapsed_s=0.01),
        started_at=at(-600),
        requests={("user", "200"): 40, ("test", "429"): 12},
        refused={("test", "queue_full"): 12},
        reports={"up": 3, "down": 0},
        queue_wait_s=1.5,
        queue_length=0,
        held_bytes=200 * MIB,
        cpu_s=30.0,
        cfs_periods=400,
        throttled_periods=60,
        throttled_s=8.0,
    )
    return replace(record, **changes)


def worked(pod: str = POD_A, **changes: Any) -> PodMetrics:
    """Return the reading of the same pod after it computed for 10 s, clipped now and then."""
    later = metrics(pod, cpu_s=40.0, cfs_periods=500, throttled_periods=110, throttled_s=8.3)
    return replace(later, **changes)


def readings(**changes: Any) -> Readings:
    """Return two readings of both pods; changes are of the second pod's last one."""
    return Readings(before=(metrics(POD_A), metrics(POD_B)), after=(worked(POD_A), worked(POD_B, **changes)))


def log_tail(*lines: str, pod: str = POD_A, **changes: Any) -> LogTail:
    """Return the log of a pod that started well, with further lines."""
    loaded = '{"event": "Model loaded successfully", "level": "info", "load_seconds": 0.2}'
    record = LogTail(
        pod=pod, container="chat-api", previous=False, lines=('{"event": "started", "level": "info"}', loaded, *lines)
    )
    return replace(record, **changes)


def text(verdict: Verdict) -> str:
    """Return everything that a report could show of a verdict."""
    shown = (verdict.reason, verdict.remedy, *verdict.symptoms, *verdict.evidence, *verdict.details)
    return "\n".join(str(each) for each in shown)
