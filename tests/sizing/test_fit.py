from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.records import ContainerSpec, Deployment
from gate.sizing.fit import memory_verdict
from gate.sizing.offers import Planned
from gate.target import Model
from gate.verdict import Status, Verdict
from tests.sizing.factories import QWEN, USE, container, node, planned, snapshot, workload


def judge(of: Deployment | ContainerSpec, nodes: Planned | None = None, use: Model = USE) -> Verdict:
    """Return FIT-1 of Qwen3-4B on planned nodes."""
    deployment = of if isinstance(of, Deployment) else workload(of)
    return memory_verdict(QWEN, deployment, container="chat-api", use=use, planned=nodes)


def test_memory_on_the_checklists_t3_medium_fails_with_all_numbers() -> None:
    """4096 - 253 - 442 - 100 - 70 MiB are there, and both ways out are named with their price."""
    verdict = judge(workload(), planned("t3.medium", 2, "t3.large", "t3.xlarge"))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.NODE_TOO_SMALL)
    assert verdict.reason == (
        "A pod requests 9216 MiB of memory (Qwen3-4B-Thinking-2507 itself needs 2926 MiB) and a t3.medium node has "
        "3231 MiB for it: 5985 MiB are missing."
    )
    assert verdict.remedy == (
        "Use r6a.large nodes (USD 0.1134 an hour), the cheapest amd64 type that fits; or set requests.memory to "
        "3264Mi, which is what the model needs with a margin, and t3a.large (USD 0.0752 an hour) holds it."
    )
    shown = {each.object: each.value for each in verdict.evidence if each.object.startswith("InstanceType/")}
    assert shown["InstanceType/t3.large"] == (
        "needed 9216 MiB, there 7017 MiB, missing 2199 MiB, does not fit, USD 0.0832/h"
    )
    assert shown["InstanceType/t3.xlarge"].startswith("needed 9216 MiB, there 14731 MiB, missing 0 MiB, fits, USD 0.1")
    assert any(each.value.startswith("r6a.large, USD 0.1134/h (amd64 only") for each in verdict.evidence)


def test_memory_on_t3_xlarge_passes() -> None:
    """The near miss: the same pod, the type that the checklist names last."""
    verdict = judge(workload(), planned("t3.xlarge"))

    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "Qwen3-4B-Thinking-2507 needs 2926 MiB (2382 weights + 288 KV cache + 256 runtime); its limit is 10240 MiB, "
        "and a pod claims 9216 of the 14731 MiB that a t3.xlarge node has for it."
    )


@pytest.mark.parametrize(
    ("limit_mib", "status", "cause"),
    [
        (2925, Status.FAIL, Cause.MEMORY_DOES_NOT_FIT),
        (2926, Status.WARN, Cause.MEMORY_NEAR_LIMIT),
        (3250, Status.WARN, Cause.MEMORY_NEAR_LIMIT),  # 2925.6 / 0.9 = 3250.7
        (3251, Status.PASS, None),
    ],
)
def test_memory_limit_is_held_against_the_need(limit_mib: int, status: Status, cause: Cause | None) -> None:
    """Below the need it fails, without RES-1's tenth of margin it warns."""
    verdict = judge(container(request_mib=2926, limit_mib=limit_mib), planned("t3.xlarge"))

    assert (verdict.status, verdict.cause) == (status, cause)


def test_memory_limit_below_the_weights_says_when_it_is_killed() -> None:
    """The whole reason, and a command that mends it."""
    verdict = judge(container(request_mib=2048, limit_mib=2048), planned("t3.xlarge"))

    assert verdict.reason == (
        "Qwen3-4B-Thinking-2507 needs 2926 MiB (2382 weights + 288 KV cache + 256 runtime) and the limit is 2048 MiB: "
        "878 MiB are missing, it is OOM-killed while loading."
    )
    assert verdict.remedy == (
        "kubectl set resources deployment/chat-api -n carepath-demo -c chat-api --limits=memory=3264Mi"
    )


def test_memory_limit_below_mapped_weights_is_slow_not_deadly() -> None:
    """2164 MiB are anonymous with mapped weights: at 2500 nothing is killed, and each token reads the file again."""
    verdict = judge(container(request_mib=2926, limit_mib=2500, LLM_MMAP="true"), planned("t3.xlarge"))

    assert verdict.status is Status.FAIL
    assert verdict.reason.endswith("426 MiB are missing, mapped weights are dropped and read again for every token.")


def test_memory_limit_below_the_anonymous_part_of_mapped_weights_kills() -> None:
    """At 2163 MiB it is."""
    verdict = judge(container(request_mib=2926, limit_mib=2163, LLM_MMAP="true"), planned("t3.xlarge"))

    assert verdict.reason.endswith("763 MiB are missing, it is OOM-killed while loading.")


def test_memory_without_a_limit_warns() -> None:
    """A leak would then take the node."""
    verdict = judge(container(limit_mib=None), planned("t3.xlarge"))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.MEMORY_NO_LIMIT)
    assert verdict.reason == (
        "Qwen3-4B-Thinking-2507 needs 2926 MiB (2382 weights + 288 KV cache + 256 runtime) and the container has no "
        "memory limit: a leak takes the whole node down with it."
    )


@pytest.mark.parametrize(("request_mib", "status"), [(2925, Status.WARN), (2926, Status.PASS)])
def test_memory_request_below_the_need_warns(request_mib: int, status: Status) -> None:
    """What is not requested is not kept free."""
    verdict = judge(container(request_mib=request_mib, limit_mib=4096), planned("t3.xlarge"))

    assert verdict.status is status
    assert verdict.cause is (Cause.MEMORY_REQUEST_TOO_SMALL if status is Status.WARN else None)


def test_memory_between_measured_and_assumed_overhead_warns() -> None:
    """r5.large: 14941 MiB as measured, 14411 by the rule of thumb."""
    verdict = judge(container(request_mib=14412, limit_mib=16384), planned("r5.large"))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.NODE_MARGIN_THIN)
    assert verdict.reason == (
        "A pod requests 14412 MiB of memory (Qwen3-4B-Thinking-2507 itself needs 2926 MiB) and a r5.large node has "
        "14941 MiB for it by the overhead that was measured, but not by the 7.5 % rule: another kernel or image may "
        "not leave that much."
    )


@pytest.mark.parametrize(("cpu_m", "status"), [(1680, Status.PASS), (1681, Status.FAIL)])
def test_memory_fits_but_cpu_does_not(cpu_m: int, status: Status) -> None:
    """1930m less aws-node, kube-proxy and a CoreDNS."""
    verdict = judge(container(cpu_m=cpu_m), planned("r5.large"))

    assert verdict.status is status
    if status is Status.FAIL:
        assert verdict.reason == ("A pod requests 1681m CPU and a r5.large node has 1680m for it: 1m are missing.")


def test_memory_follows_the_context_that_the_deployment_sets() -> None:
    """LLM_CONTEXT_TOKENS=8192 with two parallel requests: 2304 MiB KV cache instead of 288."""
    verdict = judge(container(LLM_CONTEXT_TOKENS="8192", LLM_PARALLEL="2"), planned("t3.xlarge"))

    assert verdict.reason.startswith(
        "Qwen3-4B-Thinking-2507 needs 4942 MiB (2382 weights + 2304 KV cache + 256 runtime); "
    )


def test_memory_of_a_second_container_counts_on_the_node() -> None:
    """9216 MiB and a sidecar of 6000: 15216 of 14941."""
    other = replace(container(request_mib=6000), name="proxy")
    deployment = workload()
    template = replace(deployment.template, containers=(*deployment.template.containers, other))

    verdict = judge(replace(deployment, template=template), planned("r5.large"))

    assert verdict.status is Status.FAIL
    assert "A pod requests 15216 MiB" in verdict.reason


def test_memory_under_transformers_names_the_fp32_trap() -> None:
    """bf16 needs 8.4 GB; the fp32 figure stands beside it."""
    verdict = judge(workload(), planned("t3.xlarge"), Model(name=QWEN.name, engine="transformers"))

    assert verdict.status is Status.PASS
    assert any(each.value == "15345 MiB; bf16 must be asked for" for each in verdict.evidence)


@pytest.mark.parametrize(
    ("engine", "needs"),
    [
        ("transformers", "8228 MiB (7673 weights + 288 KV cache + 267 runtime)"),
        ("llama.cpp", "2926 MiB (2382 weights + 288 KV cache + 256 runtime)"),
        ("vllm", "2926 MiB (2382 weights + 288 KV cache + 256 runtime)"),  # CFG-1 names it; the target's holds
    ],
)
def test_memory_is_that_of_the_engine_in_the_environment(engine: str, needs: str) -> None:
    """LLM_ENGINE decides, whatever the target says: 2 bytes of 4,022,468,096 parameters are 7673 MiB."""
    verdict = judge(container(LLM_ENGINE=engine), planned("t3.xlarge"))

    assert verdict.reason.startswith(f"Qwen3-4B-Thinking-2507 needs {needs}; ")


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        (None, "the target names no node type"),
        (planned("t3.mediun"), "instance type 't3.mediun' is not in instance_facts.csv; near names: t3.medium, "),
    ],
)
def test_memory_without_a_known_node_is_inconclusive(nodes: Planned | None, why: str) -> None:
    """Unknown is not a pass."""
    verdict = judge(workload(), nodes)

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert why in verdict.reason


@pytest.mark.parametrize(("request_mib", "status"), [(15011, Status.PASS), (15012, Status.FAIL)])
def test_memory_on_a_read_node_is_held_against_its_allocatable(request_mib: int, status: Status) -> None:
    """What is free there is FIT-2's question."""
    cluster = snapshot((node("a"), node("b")))
    deployment = workload(container(request_mib=request_mib, limit_mib=16384))

    verdict = memory_verdict(QWEN, deployment, container="chat-api", use=USE, snapshot=cluster)

    assert verdict.status is status
    if status is Status.FAIL:
        assert verdict.reason == (
            "A pod requests 15012 MiB of memory (Qwen3-4B-Thinking-2507 itself needs 2926 MiB) and the largest node, "
            "a, can allocate 15011 MiB: 1 MiB are missing."
        )


def test_memory_on_cordoned_nodes_only_fails() -> None:
    """Each node says why it takes no pod."""
    cluster = snapshot((replace(node("a"), unschedulable=True), replace(node("b"), conditions=())))

    verdict = memory_verdict(QWEN, workload(), container="chat-api", use=USE, snapshot=cluster)

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.SCHEDULING_NO_NODES)
    assert verdict.reason.endswith("and no node takes pods: a is cordoned; b is not ready.")


def test_memory_of_a_node_without_figures_is_inconclusive() -> None:
    """A node that reports nothing is not a node of 0 MiB."""
    silent = node("a")
    silent = replace(silent, allocatable=replace(silent.allocatable, memory_bytes=None))

    verdict = memory_verdict(QWEN, workload(), container="chat-api", use=USE, snapshot=snapshot((silent,)))

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


def test_memory_of_a_missing_container_is_refused() -> None:
    """The message names what is there."""
    with pytest.raises(LookupError, match=r"no container 'chat'; it has \['chat-api'\]"):
        memory_verdict(QWEN, workload(), container="chat", use=USE)
