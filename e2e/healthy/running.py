"""Runs the streams beside each other, each rollout judged by acceptance in a process of its own, as CI runs it."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from e2e.faults.app import App, baseline
from e2e.faults.hands import Hands, HarnessError, free
from e2e.faults.judging import Acceptance, World, accept, target_text
from e2e.healthy.rollouts import Rollout
from gate.verdict import Status
from infra.cluster.api import ApiError
from infra.commands import CommandError

#: What says whether the rollout is well. LAT-1, LOG-1 and RES-1 judge the service, which shares two cores with others.
CRITERIA = ("POD-1", "POD-2", "HLT-1", "HPA-1", "LLM-1")
#: At the load balancer stand-in, below those of the soaks.
FIRST_PORT = 17800
#: With the cold one seven: each question about two patients at least. With one pair, LLM-1 called two answers of the
#: smallest model a template (2026-11-22); the default of a target (20) gives more.
ANSWERS_PER_POD = 6
#: A request that the start of Python does not exceed for long, and of which four streams fit one node.
CPU_REQUEST = "100m"


@dataclass(frozen=True)
class Judged:
    """One rollout and what was said of it.

    Attributes:
        stream: number of its namespace.
        rollout: which kind.
        statuses: by criterion of CRITERIA.
        problems: each verdict that is no pass and no warning, in a line; or why the rollout could not be judged.
        warnings: each warning, in a line: no alarm, and told all the same.
        seconds: from the start of acceptance to its end.
    """

    stream: int
    rollout: Rollout
    statuses: Mapping[str, str]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float


def run_streams(
    streams: Sequence[Sequence[Rollout]], world: World, tell: Callable[[Judged], None], *, at_once: int
) -> list[Judged]:
    """Run every stream to its end and return all rollouts, stream by stream."""
    with ThreadPoolExecutor(at_once) as pool:
        runs = pool.map(lambda pair: list(_stream(pair[0], pair[1], world, tell)), enumerate(streams))
        return [judged for run in runs for judged in run]


def _stream(number: int, rollouts: Sequence[Rollout], world: World, tell: Callable[[Judged], None]) -> Iterator[Judged]:
    hands = world.hands(f"healthy-{number}")
    hands.delete(wait=True)
    app = baseline(hands.namespace, FIRST_PORT + number, world.images, free(world.api), model=True)
    app.container["resources"]["requests"]["cpu"] = CPU_REQUEST
    try:
        for rollout in rollouts:
            try:
                rollout.begin(hands, app)
                accepted = _accepted(hands, world, app)
            except (HarnessError, CommandError, ApiError) as error:
                judged = Judged(number, rollout, {}, (f"could not be run: {error}",), (), 0.0)
            else:
                verdicts = {each: accepted.verdicts.get(each) for each in CRITERIA}
                statuses = {each: str(verdict["status"]) if verdict else "none" for each, verdict in verdicts.items()}
                judged = Judged(
                    stream=number,
                    rollout=rollout,
                    statuses=statuses,
                    problems=_told(accepted.told, statuses, {Status.FAIL, Status.INCONCLUSIVE, "none"}),
                    warnings=_told(accepted.told, statuses, {Status.WARN}),
                    seconds=accepted.over - accepted.began,
                )
            tell(judged)
            yield judged
    finally:
        hands.delete(wait=False)


def _accepted(hands: Hands, world: World, app: App) -> Acceptance:
    """Run acceptance on the namespace, as CI does, with enough questions for every pod there may be."""
    with tempfile.TemporaryDirectory(prefix="carepath-healthy-") as scratch:
        manifests, target = Path(scratch, "manifests.yaml"), Path(scratch, "target.toml")
        manifests.write_text(yaml.safe_dump_all(app.documents), encoding="utf-8")
        samples = ANSWERS_PER_POD * app.hpa["spec"]["maxReplicas"]
        registry = world.environment["CAREPATH_REGISTRY_URL"]
        text = target_text(hands.namespace, world.server, manifests, registry, samples=samples)
        target.write_text(text, encoding="utf-8")
        return accept(target, Path(scratch, "report"), world.environment, namespace=hands.namespace)


def _told(told: Callable[[str], str], statuses: Mapping[str, str], which: set[str]) -> tuple[str, ...]:
    return tuple(told(criterion) for criterion, status in statuses.items() if status in which)
