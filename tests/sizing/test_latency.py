from dataclasses import replace
from pathlib import Path

import pytest

from gate.causes import Cause
from gate.readers.manifests import read_manifests
from gate.readers.models import MODELS, SETTINGS, model_facts, settings_schema
from gate.records import Condition, ContainerSpec, EnvVar, Node, Resources, Snapshot
from gate.sizing.latency import latency_verdict
from gate.sizing.offers import Planned
from gate.target import Model, Speed, load_target
from gate.verdict import Status, Verdict
from tests.sizing.factories import QWEN, USE, container, node, planned, snapshot, workload

ROOT = Path(__file__).parents[2]
SCHEMA = settings_schema(ROOT / SETTINGS)


def judge(
    of: ContainerSpec, nodes: Planned | None = None, *, use: Model = USE, cluster: Snapshot | None = None
) -> Verdict:
    """Return LAT-0 of Qwen3-4B."""
    return latency_verdict(
        QWEN, workload(of), container="chat-api", schema=SCHEMA, use=use, planned=nodes, snapshot=cluster
    )


def short() -> ContainerSpec:
    """Return a container that answers in 32 tokens without thoughts, with all of a large node's CPUs."""
    return container(request_mib=4096, cpu_limit_m=15000, MAX_TOKENS="32", THINKING_BUDGET_TOKENS="0", MAX_QUEUE="0")


def measured(decode_tok_s: float, prefill_tok_s: float = 1000, threads: int = 2) -> Model:
    """Return the target's model with speeds measured on its nodes."""
    speed = Speed(threads=threads, prefill_tok_s=prefill_tok_s, decode_tok_s=decode_tok_s, measured="by a test")
    return Model(name=QWEN.name, speed=speed)


def test_latency_of_the_checklists_deploy_on_t3_medium_fails_with_all_numbers() -> None:
    """160/4.54 + 384/2.56 to 160/2.62 + 384/1.61 s, and an honest no for every CPU type of the table."""
    verdict = judge(container(cpu_limit_m=2000), planned("t3.medium", 2, "t3.xlarge"))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LATENCY_OVER_TARGET)
    assert verdict.reason == (
        "Qwen3-4B-Thinking-2507 takes 185.2 to 299.1 s for 160 prompt + 128 thinking + 256 answer tokens on a "
        "t3.medium node with 2 threads; over the 9 s of REQUEST_DEADLINE_S and the 10 s of LAT-1: not one word of the "
        "answer comes in time."
    )
    assert verdict.remedy == (
        "No CPU type of the table is fast enough: lower MAX_TOKENS and THINKING_BUDGET_TOKENS together to 223, which a "
        "c7a.8xlarge node with a CPU limit of 31000m has time for, or serve it from a GPU (g5.xlarge, USD 1.0060 an "
        "hour; infra/terraform/envs/gpu), or take a smaller model or quantization."
    )
    assert verdict.symptoms[0] == (
        "A t3.medium earns CPU credits for 0.4 of its 2 vCPUs and a question keeps 2 busy: replicas busy for more than "
        "20% of the time pay USD 0.05 for each further vCPU-hour (unlimited), or answer 5.0 times slower: 926 s and "
        "more (standard)."
    )
    shown = {each.object: each.value for each in verdict.evidence}
    assert shown["InstanceType/t3.xlarge"] == "133.0 to 299.1 s"


def test_latency_of_a_short_answer_names_the_cheapest_type_that_is_fast_enough() -> None:
    """32 tokens without thoughts are too slow on t3.xlarge, and some type of the table writes them in time."""
    verdict = judge(short(), planned("m5.xlarge"))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LATENCY_OVER_TARGET)
    assert verdict.remedy == (
        "Use c7i-flex.2xlarge nodes (USD 0.3392 an hour) with a CPU limit of 7000m, the cheapest type that is fast "
        "enough, or take a smaller model or quantization."
    )


def test_latency_of_the_embedded_clusters_deploy_passes() -> None:
    """160/130 + 64/45 s measured on one core, at 125 % to 45 % of that; its nodes are no EC2 types."""
    target = load_target("local", ROOT)
    deployment = read_manifests(ROOT / target.desired.manifests).deployment("chat-api")
    assert deployment is not None

    verdict = latency_verdict(
        model_facts(target.model.name, ROOT / MODELS),
        deployment,
        container="chat-api",
        schema=SCHEMA,
        use=target.model,
    )

    assert verdict.reason == (
        "SmolLM2-135M-Instruct answers a question in 2.1 to 5.9 s on the target's nodes (160 prompt + 64 answer "
        "tokens, 1 thread), under the 9 s of REQUEST_DEADLINE_S and the 10 s of LAT-1."
    )


def test_latency_on_the_type_that_was_named_passes() -> None:
    """The near miss: the same deploy on the nodes that the remedy names, with that limit."""
    spec = replace(short(), limits=Resources(cpu_m=7000, memory_bytes=10 * 2**30))

    verdict = judge(spec, planned("c7i-flex.2xlarge"))

    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "Qwen3-4B-Thinking-2507 answers a question in 4.1 to 6.9 s on a c7i-flex.2xlarge node (160 prompt + 32 answer "
        "tokens, 7 threads), under the 9 s of REQUEST_DEADLINE_S and the 10 s of LAT-1."
    )


@pytest.mark.parametrize(
    ("decode_tok_s", "status"),
    [(110, Status.PASS), (90, Status.WARN), (40, Status.WARN), (34, Status.FAIL)],
)
def test_latency_band_under_across_and_over_the_limit(decode_tok_s: float, status: Status) -> None:
    """384 tokens in 9 s less the prompt's 0.13 to 0.36 s, at 45 to 125 % of what was measured."""
    verdict = judge(container(cpu_limit_m=2000, MAX_QUEUE="0"), use=measured(decode_tok_s))

    assert verdict.status is status


def test_latency_band_across_the_limit_says_so() -> None:
    """The whole reason of a warning."""
    verdict = judge(container(cpu_limit_m=2000, MAX_QUEUE="0"), use=measured(60))

    assert verdict.reason == (
        "Qwen3-4B-Thinking-2507 takes 5.2 to 14.6 s for 160 prompt + 128 thinking + 256 answer tokens on the target's "
        "nodes with 2 threads; it may end past the 9 s of REQUEST_DEADLINE_S and the 10 s of LAT-1."
    )
    assert (
        verdict.remedy
        == "Give the container more CPUs, or lower MAX_TOKENS and THINKING_BUDGET_TOKENS together to 233."
    )


def test_latency_of_more_threads_than_the_limit_has_cpus_is_throttled() -> None:
    """Incident 10: four threads on two CPUs. Fast enough nodes do not excuse it."""
    verdict = judge(container(cpu_limit_m=2000, LLM_THREADS="4"), use=measured(1000, threads=4))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.CPU_THROTTLED)
    assert verdict.reason == (
        "4 threads compute (LLM_THREADS=4) under a CPU limit of 2000m: CFS withholds 50% of their time, and all wait "
        "for the one that is stopped; RES-1 allows 20%."
    )
    assert verdict.remedy == (
        "Raise limits.cpu to 4000m, or let the service follow the limit: "
        "kubectl set env deployment/chat-api -n carepath-demo -c chat-api LLM_THREADS-"
    )


@pytest.mark.parametrize(("limit_m", "status"), [(4000, Status.PASS), (3500, Status.WARN), (3100, Status.FAIL)])
def test_latency_of_threads_is_throttled_by_res_1s_bound(limit_m: int, status: Status) -> None:
    """Four threads: an eighth withheld warns, more than a fifth fails."""
    verdict = judge(container(cpu_limit_m=limit_m, LLM_THREADS="4"), use=measured(1000, threads=4))

    assert verdict.status is status


def test_latency_of_thoughts_that_take_all_the_time_has_no_answer() -> None:
    """Incident 28: thoughts up to 99.9 % of the deadline leave 9 ms, which is no token at 80 tokens/s."""
    spec = container(cpu_limit_m=2000, THINKING_BUDGET_TOKENS="2000", THINKING_TIME_SHARE="0.999", MAX_QUEUE="0")

    verdict = judge(spec, use=measured(64))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_THINKING_UNFINISHED)
    assert verdict.reason == (
        "Thinking leaves no time for an answer: 2000 tokens of thought or 100% of REQUEST_DEADLINE_S=9 go by before it "
        "begins."
    )
    assert verdict.remedy == (
        "Leave thinking out: kubectl set env deployment/chat-api -n carepath-demo -c chat-api THINKING_BUDGET_TOKENS=0"
    )


def test_latency_of_thoughts_that_end_at_half_the_time_leaves_an_answer() -> None:
    """The near miss: the same budget under the default share is too slow, and not empty."""
    spec = container(cpu_limit_m=2000, THINKING_BUDGET_TOKENS="2000", MAX_QUEUE="0")

    verdict = judge(spec, use=measured(64))

    assert verdict.cause is Cause.LATENCY_OVER_TARGET
    assert "at best 256 of the answer's tokens come in time" in verdict.reason


def test_latency_of_a_queue_that_nobody_leaves_in_time_warns() -> None:
    """Incident 11: an answer takes 5 s of 9, so that the second is cut short whatever it waits for."""
    verdict = judge(container(cpu_limit_m=2000, REQUEST_DEADLINE_S="9"), use=measured(64))

    assert verdict.symptoms[0] == (
        "8 questions may wait (MAX_QUEUE) behind one that takes at least 4.9 s, and REQUEST_DEADLINE_S=9 counts the "
        "wait: whoever waits is cut short or refused at its end."
    )


def test_latency_of_a_queue_that_some_leave_in_time_is_told_as_evidence() -> None:
    """2.0 s each at best: three who wait are answered, the others are refused at their deadline."""
    verdict = judge(container(cpu_limit_m=2000), use=measured(160))

    assert verdict.status is Status.PASS
    queue = next(each for each in verdict.evidence if each.field == "queue")
    assert queue.value.startswith("MAX_QUEUE 8, of which 3 can be answered within REQUEST_DEADLINE_S=9")


@pytest.mark.parametrize(("parallel", "status"), [("1", Status.PASS), ("2", Status.WARN)])
def test_latency_of_parallel_requests_shares_the_speed(parallel: str, status: Status) -> None:
    """Two at the same time are half as fast each."""
    verdict = judge(container(cpu_limit_m=2000, LLM_PARALLEL=parallel), use=measured(160))

    assert verdict.status is status


@pytest.mark.parametrize(("limit_m", "warns"), [(1000, False), (2000, True)])
def test_latency_on_burstable_nodes_warns_where_more_is_used_than_earned(limit_m: int, warns: bool) -> None:  # noqa: FBT001
    """Incident 29: t3.xlarge earns 1.6 of its 4 vCPUs."""
    verdict = judge(container(cpu_limit_m=limit_m), planned("t3.xlarge"))

    assert any("earns CPU credits for 1.6" in each for each in verdict.symptoms) is warns


def test_latency_on_a_read_cluster_counts_the_slowest_type_that_takes_pods() -> None:
    """A fast node does not help the pod that lands on the slow one; a cordoned one is not looked at."""
    fast = node("fast", instance_type="m7a.8xlarge")
    slow = node("slow", instance_type="r5.large")
    closed = replace(node("closed", instance_type="t3.medium"), unschedulable=True)

    verdict = judge(container(cpu_limit_m=2000), cluster=snapshot((fast, slow, closed)))

    assert "on a r5.large node with 2 threads" in verdict.reason


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (node("plain", instance_type=""), "a node carries no instance type, and the target names no measured speed"),
        (node("tiny", instance_type="c7a.medium"), "nobody measured a c7a.medium"),
        (
            replace(node("down"), conditions=(Condition(type="Ready", status="False"),)),
            "no node was read that takes the pod, and the target names no node type",
        ),
    ],
)
def test_latency_on_nodes_that_nobody_measured_is_inconclusive(of: Node, why: str) -> None:
    """Unknown is never a pass."""
    verdict = judge(container(cpu_limit_m=2000), cluster=snapshot((of,)))

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == (
        "How long Qwen3-4B-Thinking-2507 takes for 160 prompt + 128 thinking + 256 answer tokens is unknown: "
        + why
        + "."
    )


def test_latency_of_a_length_from_a_config_map_is_inconclusive() -> None:
    """Its value is not read."""
    spec = replace(container(), env=(EnvVar(name="MAX_TOKENS", source="configMapKeyRef chat/tokens"),))

    verdict = judge(spec, planned("t3.xlarge"))

    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.reason == (
        "How long a question takes is unknown: MAX_TOKENS (from configMapKeyRef chat/tokens, not read)."
    )


def test_latency_of_a_container_that_is_not_there_names_those_that_are() -> None:
    """A misspelt container is the gate's bad input."""
    with pytest.raises(LookupError, match=r"has no container 'web'; it has \['chat-api'\]"):
        latency_verdict(QWEN, workload(), container="web", schema=SCHEMA, use=USE)
