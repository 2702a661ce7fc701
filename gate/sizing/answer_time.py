"""How long one question takes at given rates, what the service's deadline leaves of it, and which type is fast enough.

Arithmetic only: prompt over prefill rate, then thoughts and answer over decode rate. The fast edge is a replica with
one question; the slow edge shares it among as many as LLM_PARALLEL lets in, which halves the speed of two.
"""

from dataclasses import dataclass, replace

from gate.records import ModelFacts, Resources
from gate.sizing.answering import Run
from gate.sizing.choice import Choice, cheapest
from gate.sizing.instances import InstanceType, instance_types
from gate.sizing.offers import Planned
from gate.sizing.speed import Rates, rates_on


@dataclass(frozen=True, slots=True)
class AnswerTime:
    """One question on one kind of node."""

    where: str
    run: Run
    rates: Rates

    @property
    def fast_s(self) -> float:
        """Return the seconds of the longest answer at the high edge of the rates."""
        return self._seconds(self.rates.prefill_tok_s.high, self.rates.decode_tok_s.high)

    @property
    def slow_s(self) -> float:
        """Return the seconds of the longest answer at the low edge of the rates, every parallel place taken."""
        return self._seconds(*self._slow_rates())

    @property
    def band(self) -> str:
        """Return both as a clause."""
        return f"{self.fast_s:.1f} to {self.slow_s:.1f} s"

    def affordable(self, limit_s: float) -> int:
        """Return how many tokens of thought and answer together the low edge writes within a limit."""
        prefill, decode = self._slow_rates()
        return max(0, int((limit_s - self.run.prompt_tokens / prefill) * decode))

    def words_in_time(self, *, fast: bool, thinking: bool = True) -> float:
        """Return how many tokens of the answer are written before the deadline ends the question.

        Thoughts end at their budget or at their share of the time, whichever comes first; the prompt is read before.
        """
        prefill, decode = (self.rates.prefill_tok_s.high, self.rates.decode_tok_s.high) if fast else self._slow_rates()
        read_s = self.run.prompt_tokens / prefill
        budget = self.run.thinking_tokens if thinking else 0
        thought_s = max(read_s, min(read_s + budget / decode, self.run.thinking_share * self.run.deadline_s))
        return max(0.0, min(float(self.run.answer_tokens), (self.run.deadline_s - thought_s) * decode))

    def served_from_queue(self) -> int:
        """Return how many of those who wait are answered before their deadline, at the high edge."""
        rounds = int(self.run.deadline_s / self.fast_s) - 1
        return min(self.run.max_queue, max(0, rounds) * self.run.parallel)

    def _slow_rates(self) -> tuple[float, float]:
        parallel = self.run.parallel
        return self.rates.prefill_tok_s.low / parallel, self.rates.decode_tok_s.low / parallel

    def _seconds(self, prefill_tok_s: float, decode_tok_s: float) -> float:
        return self.run.prompt_tokens / prefill_tok_s + self.run.generated_tokens / decode_tok_s


def time_on(of: InstanceType, model: ModelFacts, run: Run) -> AnswerTime | None:
    """Return the time on nodes of a type, None where nobody measured it."""
    rates = rates_on(of, model, run)
    return AnswerTime(f"a {of.name} node", run, rates) if rates else None


@dataclass(frozen=True, slots=True)
class WayOut:
    """What would answer in time: a CPU type, else the fastest of them and the cheapest accelerator.

    Attributes:
        choice: the cheapest CPU type whose slow edge is under the limit; None if there is none in the table.
        run: how the service would run there: with a CPU limit of the whole node.
        fastest: of all CPU types that hold the pod, the one that writes most tokens in time.
        accelerator: the cheapest type with a GPU whose slow edge is under the limit.
    """

    choice: Choice | None
    run: Run | None
    fastest: AnswerTime | None
    accelerator: InstanceType | None


def way_out(model: ModelFacts, run: Run, *, ask: Resources, planned: Planned, limit_s: float) -> WayOut:
    """Search the table.

    Args:
        model: the model.
        run: how it is run; on another type the CPU limit is raised to what one pod finds free there, in whole CPUs.
        ask: what one pod claims: a type that does not hold it is no way out.
        planned: the image's platforms, and EKS's own pods.
        limit_s: what the slow edge must stay under.
    """
    times: dict[str, AnswerTime] = {}
    for of in instance_types().values():
        found = time_on(of, model, unbounded(run, of, planned))
        if found:
            times[of.name] = found
    choice = cheapest(
        ask,
        pods=1,
        planned=planned,
        further_nodes=0,
        meets=lambda of: of.name in times and times[of.name].slow_s < limit_s,
    )
    if choice is not None:
        return WayOut(choice, times[choice.type.name].run, None, None)
    fitting = [
        each
        for name, each in times.items()
        if (of := instance_types()[name]).architecture in planned.architectures
        and not of.has_gpu
        and (planned.offers(of)[0].free_at_least.memory_bytes or 0) >= (ask.memory_bytes or 0)
    ]
    accelerators = [
        of
        for name, each in times.items()
        if (of := instance_types()[name]).has_gpu and of.architecture in planned.architectures and each.slow_s < limit_s
    ]
    return WayOut(
        None,
        None,
        max(fitting, key=lambda each: each.affordable(limit_s), default=None),
        min(accelerators, key=lambda each: each.usd_per_hour, default=None),
    )


def unbounded(run: Run, of: InstanceType, planned: Planned) -> Run:
    """Return the same with a CPU limit of the whole CPUs that are free for one pod on such a node, all of them used."""
    free_m = max(each.free_at_least.cpu_m or 0 for each in planned.offers(of))
    return replace(run, threads_set=None, limit_m=max(1, free_m // 1000) * 1000)
