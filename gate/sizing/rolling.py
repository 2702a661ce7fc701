"""Whether a rolling update of identical pods can run to its end on given nodes.

For identical pods, filling each node to its floor is exact; no search is needed. The update is played through as the
Deployment controller goes about it, old pods holding their room until new ones are ready, because an update with
maxUnavailable 0 that finds no room for one more pod stands still for ever beside nodes that would hold the end state.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gate.records import Deployment, Resources
from gate.sizing.offers import Offer, less, plus

#: Resources by which a pod is placed: field of Resources, the words of a reason, unit in that field.
PLACED_BY = ("memory_bytes", "cpu_m", "ephemeral_storage_bytes", "pods")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a rolling update may do at once, as whole pods."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def standing(self) -> int:
        """Return how many pods stand at the same time at least while the update makes progress."""
        return self.replicas + (1 if self.unavailable == 0 else 0)


def pace(deployment: Deployment, replicas: int) -> Pace:
    """Return the pace of an update of so many replicas.

    Per cents of surge round up, of unavailability down, and both at zero means one unavailable (k8s.io/kubernetes,
    pkg/controller/deployment/util, ResolveFenceposts).
    """
    if deployment.strategy == "Recreate":
        return Pace(replicas=replicas, surge=0, unavailable=replicas)
    surge = _pods(deployment.max_surge, replicas, up=True)
    unavailable = _pods(deployment.max_unavailable, replicas, up=False)
    return Pace(replicas=replicas, surge=surge, unavailable=unavailable or (0 if surge else 1))


def _pods(written: str, replicas: int, *, up: bool) -> int:
    if not written.endswith("%"):
        return int(written)
    share = int(written.removesuffix("%")) * replicas / 100
    return math.ceil(share) if up else math.floor(share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """The node that comes closest to taking one more pod, and what it lacks first."""

    offer: Offer
    resource: str
    asked: int
    free: int

    @property
    def missing(self) -> int:
        """Return asked minus free."""
        return self.asked - self.free


def slots(offer: Offer, ask: Resources) -> int:
    """Return how many such pods the node takes."""
    if offer.closed:
        return 0
    floors = [
        max(free, 0) // asked
        for name in PLACED_BY
        if (asked := getattr(ask, name)) and (free := getattr(offer.free, name)) is not None
    ]
    return min(floors, default=0)


def shortage(offers: Sequence[Offer], ask: Resources) -> Shortage | None:
    """Return what keeps one more pod out, on the open node that lacks the smallest share; None if it fits."""
    nearest: Shortage | None = None
    for offer in offers:
        if offer.closed:
            continue
        lacking = [
            Shortage(offer=offer, resource=name, asked=asked, free=max(free, 0))
            for name in PLACED_BY
            if (asked := getattr(ask, name)) and (free := getattr(offer.free, name)) is not None and free < asked
        ]
        if not lacking:
            return None
        worst = max(lacking, key=_share_missing)
        if nearest is None or _share_missing(worst) < _share_missing(nearest):
            nearest = worst
    return nearest


def _share_missing(of: Shortage) -> float:
    return of.missing / of.asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How far an update gets: ``placed`` new pods of ``pace.replicas``; ``offers`` are the nodes as it leaves them."""

    placed: int
    old_left: int
    offers: tuple[Offer, ...]
    done: bool


def roll(offers: Sequence[Offer], ask: Resources, at: Pace, old: Sequence[tuple[int, Resources]] = ()) -> Outcome:
    """Play an update through.

    Args:
        offers: the nodes with the old pods running.
        ask: what one new pod requests.
        at: the pace.
        old: of each running pod of ours, the index of its node in ``offers`` and what it requests. Those on the node
            with most of them go first, as the ReplicaSet controller ranks them.
    """
    nodes = list(offers)
    running = _by_rank(old)
    placed = 0
    while True:
        wanted = min(at.replicas - placed, at.replicas + at.surge - placed - len(running))
        put = _place(nodes, ask, wanted)
        placed += put
        gone = min(placed + len(running) - (at.replicas - at.unavailable), len(running))
        for _ in range(gone):
            index, requested = running.pop()
            nodes[index] = _freed(nodes[index], requested)
        if placed == at.replicas and not running:
            return Outcome(placed=placed, old_left=0, offers=tuple(nodes), done=True)
        if put <= 0 and gone <= 0:
            return Outcome(placed=placed, old_left=len(running), offers=tuple(nodes), done=False)


def _by_rank(old: Sequence[tuple[int, Resources]]) -> list[tuple[int, Resources]]:
    per_node: dict[int, int] = {}
    ranked = []
    for index, requested in old:
        per_node[index] = per_node.get(index, 0) + 1
        ranked.append((per_node[index], index, requested))
    return [(index, requested) for _, index, requested in sorted(ranked, key=lambda each: each[:2])]


def _place(nodes: list[Offer], ask: Resources, wanted: int) -> int:
    put = 0
    for index, offer in enumerate(nodes):
        take = min(slots(offer, ask), wanted - put)
        for _ in range(take):
            nodes[index] = _taken(nodes[index], ask)
        put += max(take, 0)
    return put


def _taken(offer: Offer, ask: Resources) -> Offer:
    return replace(offer, free=less(offer.free, ask))


def _freed(offer: Offer, requested: Resources) -> Offer:
    return replace(offer, free=plus(offer.free, requested))
