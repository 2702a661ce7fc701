"""Node types side by side: what one pod needs there, what is missing, what it costs, how fast it would answer.

The same rows stand as evidence under FIT-1 and FIT-2 and are what ``python -m gate size`` prints.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gate.records import ModelFacts, Resources
from gate.sizing.instances import InstanceType, allocatable, instance_types
from gate.sizing.offers import Offer, Planned
from gate.sizing.rolling import slots
from gate.sizing.units import HOURS_PER_MONTH, needed_mib, offered_mib
from gate.target import Model
from gate.verdict import Evidence, Status

#: How many nodes more than planned a suggestion may name; past that a larger type is the plainer answer.
FURTHER_NODES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRow:
    """One node type judged for one pod.

    Attributes:
        allocatable_mib: what EKS offers to pods on such a node.
        there_mib: the same less EKS's own pods, on the roomiest of the planned nodes.
        status: FAIL if memory or CPU is missing, WARN if it is only there by the measured, not by the assumed overhead.
        decode_tok_s: predicted tokens per second of one request at full context, None where nobody measured.
    """

    type: InstanceType
    allocatable_mib: int
    there_mib: int
    there_cpu_m: int
    needed_mib: int
    needed_cpu_m: int
    status: Status
    decode_tok_s: float | None

    @property
    def missing_mib(self) -> int:
        """Return needed minus there, at least 0."""
        return max(self.needed_mib - self.there_mib, 0)

    @property
    def usd_per_month(self) -> float:
        """Return the on-demand price of 730 hours."""
        return self.type.usd_per_hour * HOURS_PER_MONTH

    def evidence(self) -> Evidence:
        """Return the row as one line."""
        parts = [f"needed {self.needed_mib} MiB, there {self.there_mib} MiB, missing {self.missing_mib} MiB"]
        if self.needed_cpu_m > self.there_cpu_m:
            parts.append(f"CPU needed {self.needed_cpu_m}m, there {self.there_cpu_m}m")
        parts.append({Status.PASS: "fits", Status.WARN: "fits barely"}.get(self.status, "does not fit"))
        parts.append(f"USD {self.type.usd_per_hour:.4f}/h")
        if self.decode_tok_s is not None:
            parts.append(f"about {self.decode_tok_s:.1f} tokens/s (bandwidth measured by Spare Cores, CC BY-SA 4.0)")
        return Evidence(f"InstanceType/{self.type.name}", "memory for one pod", ", ".join(parts))


def size_table(
    model: ModelFacts, types: Iterable[InstanceType], *, ask: Resources, use: Model, planned: Planned
) -> tuple[SizeRow, ...]:
    """Return a row for each type, in the given order.

    Args:
        model: whose speed is predicted.
        types: the node types.
        ask: what one pod claims (memory in bytes, CPU in millicores).
        use: how the model is run.
        planned: how many nodes with which volume, and EKS's own pods; its node type is not looked at.
    """
    return tuple(_row(model, each, ask=ask, use=use, planned=planned) for each in types)


def _row(model: ModelFacts, of: InstanceType, *, ask: Resources, use: Model, planned: Planned) -> SizeRow:
    offers = planned.offers(of)
    roomiest = max(offers, key=lambda each: each.free.memory_bytes or 0)
    return SizeRow(
        type=of,
        allocatable_mib=offered_mib(allocatable(of, planned.nodes.volume_gib).memory_bytes or 0),
        there_mib=offered_mib(roomiest.free.memory_bytes or 0),
        there_cpu_m=roomiest.free.cpu_m or 0,
        needed_mib=needed_mib(ask.memory_bytes or 0),
        needed_cpu_m=ask.cpu_m or 0,
        status=_status(offers, ask),
        decode_tok_s=decode_tok_s(model, of, use),
    )


def _status(offers: Sequence[Offer], ask: Resources) -> Status:
    if any(slots(each.cautious(), ask) for each in offers):
        return Status.PASS
    return Status.WARN if any(slots(each, ask) for each in offers) else Status.FAIL


def decode_tok_s(model: ModelFacts, of: InstanceType, use: Model) -> float | None:
    """Return the tokens per second that the type's memory bandwidth allows one request.

    Each token reads all weights and the KV cache once; the bandwidth is the effective one of llama.cpp on a 7B model of
    the same quantization, so for another engine nothing is predicted.
    """
    if use.engine != "llama.cpp" or of.decode_gb_s is None or of.has_gpu:
        return None
    return of.decode_gb_s * 1e9 / (model.weights_bytes + model.kv_bytes_per_token * use.context_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """So many nodes of a type."""

    type: InstanceType
    count: int

    @property
    def usd_per_hour(self) -> float:
        """Return the on-demand price of all the nodes."""
        return self.count * self.type.usd_per_hour


def cheapest(
    ask: Resources,
    *,
    pods: int,
    planned: Planned,
    further_nodes: int = FURTHER_NODES,
    meets: Callable[[InstanceType], bool] = lambda _: True,
) -> Choice | None:
    """Return the cheapest nodes that hold so many pods by the cautious figures; None if no known type does.

    Types with an accelerator are left out: the service computes on CPUs. Fewer nodes than planned are not considered,
    their number is there for availability. Only types that ``meets`` accepts are looked at.
    """
    least = planned.nodes.count
    choices = [
        Choice(type=of, count=count)
        for of in instance_types().values()
        if of.architecture in planned.architectures and not of.has_gpu and meets(of)
        for count in range(least, least + further_nodes + 1)
        if sum(slots(each.cautious(), ask) for each in planned.offers(of, count)) >= pods
    ]
    return min(choices, key=lambda each: (each.usd_per_hour, each.count, each.type.name), default=None)
