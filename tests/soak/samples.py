"""Soaks made by hand: one that is well, for tests to break one figure at a time."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from gate.diagnosis.soak import SoakBounds, soak_verdict
from gate.records import Asked, Cost, PodSample, SoakPlan, SoakSample
from gate.verdict import Verdict

START = datetime(2026, 11, 22, 6, 0, 0, tzinfo=UTC)
MIB = 2**20
EVERY_S = 15.0
LOOKS = 81
NODES = {"node-1": "r6a.large"}
BOUNDS = SoakBounds(
    memory_share=0.9, memory_days=7, latency_growth=0.5, error_share=0.01, p95_s=10, coverage=0.9, usd_per_month=None
)
COST = Cost(usd_per_month=83.0, told="USD 83 a month for 1.0 r6a.large on average")


def at(look: int) -> datetime:
    """Return when a look was taken."""
    return START + timedelta(seconds=look * EVERY_S)


def plan(looks: int = LOOKS) -> SoakPlan:
    """Return the plan of that many looks."""
    return SoakPlan(
        server="https://10.90.0.2:6443",
        namespace="carepath-demo",
        deployment="chat-api",
        lasts_s=(looks - 1) * EVERY_S,
        every_s=EVERY_S,
        started_at=START,
    )


def asked(look: int, seconds: float = 1.0, failure: str = "", *, counts: bool = True) -> Asked:
    """Return the question of a look; three questions come round, of which the second takes twice as long."""
    length = (1.0, 2.0, 1.0)[look % 3]
    return Asked(question=look % 3, seconds=seconds * length, failure=failure, counts=counts, cold=look == 0)


def pod(look: int, name: str = "a", /, **changes: object) -> PodSample:
    """Return a pod that is well: steady memory, one request answered between two looks."""
    values: dict[str, object] = {
        "pod": f"chat-api-{name}",
        "uid": f"uid-{name}",
        "node": "node-1",
        "ready": True,
        "restarts": 0,
        "limit_bytes": 1024 * MIB,
        "anonymous_bytes": 250.0 * MIB + (look % 5) * 4096,
        "answered": float(look),
        "errors": 0.0,
        "asked": asked(look),
    }
    return PodSample(**(values | changes))  # type: ignore[arg-type]  # a test names the fields that it changes


def soaked(change: Callable[[int], dict[str, object]] = lambda _: {}, looks: int = LOOKS) -> list[SoakSample]:
    """Return a soak of one pod whose fields a test changes look by look."""
    return [
        SoakSample(
            at=at(look), revision=3, desired=1, pods=(pod(look, "a", **change(look)),), nodes={"node-1": "r6a.large"}
        )
        for look in range(looks)
    ]


def judge(samples: Sequence[SoakSample], bounds: SoakBounds = BOUNDS, looks: int = LOOKS, cost: Cost = COST) -> Verdict:
    """Return the verdict of a soak of the usual plan."""
    return soak_verdict(plan(looks), samples, cost, bounds)
