from dataclasses import replace
from pathlib import Path

import pytest

from gate.causes import Cause
from gate.readers.manifests import read_manifests
from gate.readers.models import MODELS, SETTINGS, model_facts, settings_schema
from gate.records import ContainerSpec, EnvVar, Hpa, Probe, Resources
from gate.sizing.scaling import scaling_verdict
from gate.target import Model, Speed, load_target
from gate.verdict import Status, Verdict
from tests.sizing.factories import HPA, QWEN, container, workload

ROOT = Path(__file__).parents[2]
SCHEMA = settings_schema(ROOT / SETTINGS)
#: 384 tokens at 8 to 22.5 a second: the deadline of 9 s ends every question.
SLOW = Model(name=QWEN.name, speed=Speed(threads=2, prefill_tok_s=100, decode_tok_s=18, measured="by a test"))
READY = Probe(kind="http", path="/ready")


def asks(request_m: int, *, limit_m: int = 2000, readiness: Probe | None = READY) -> ContainerSpec:
    """Return a container with a CPU request, and the 2 threads of its limit."""
    return replace(container(cpu_m=request_m, cpu_limit_m=limit_m), readiness=readiness)


def judge(of: ContainerSpec, *, hpa: Hpa | None = HPA, use: Model = SLOW) -> Verdict:
    """Return HPA-0 of Qwen3-4B."""
    return scaling_verdict(QWEN, workload(of), hpa, container="chat-api", schema=SCHEMA, use=use)


def test_scaling_of_a_request_far_below_the_use_is_pinned_by_one_question() -> None:
    """2000m for 9 of 15 s are 1200m, and 60 % of 250m are 150m: 8 replicas of 5."""
    verdict = judge(asks(250))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HPA_AT_MAXIMUM)
    assert verdict.reason == (
        "Inference uses 2000m, 800 % of the CPU request of 250m: one question of 9.0 s takes HPA/chat-api to its "
        "maximum of 5 replicas (60 % is its target)."
    )
    assert verdict.remedy == (
        "kubectl set resources deployment/chat-api -n carepath-demo -c chat-api --requests=cpu=2000m"
    )


def test_scaling_of_the_checklists_request_is_pinned_by_its_own_minimum() -> None:
    """Two busy replicas use 4000m, 6.7 times 60 % of 1000m; with the request that is right they are a load for 4."""
    verdict = judge(asks(1000))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.HPA_AT_MAXIMUM)
    assert verdict.reason == (
        "Inference uses 2000m, 200 % of the CPU request of 1000m: 2 busy replicas, which is HPA/chat-api's minimum, "
        "look like a load for 7, and it may have 5; 4 would be right."
    )


@pytest.mark.parametrize(("request_m", "status"), [(400, Status.FAIL), (500, Status.WARN), (2000, Status.PASS)])
def test_scaling_is_judged_by_the_autoscalers_formula(request_m: int, status: Status) -> None:
    """1200m / 240m = 5 replicas of 5; 1200m / 300m = 4, and two busy ones 14; 4000m / 1200m = 4."""
    assert judge(asks(request_m)).status is status


def test_scaling_of_the_right_request_passes_with_numbers() -> None:
    """The near miss: what the remedy of the fault sets."""
    assert judge(asks(2000)).reason == (
        "One question keeps 2000m busy for 9.0 to 9.0 s, and with a request of 2000m HPA/chat-api then wants 2 of 2 to "
        "5 replicas."
    )


def test_scaling_of_a_question_that_may_pin_warns() -> None:
    """2.6 to 7.2 s at 120 to 54 tokens/s: 347m would do for 3 of 5, 960m / 150m would not."""
    fast = Model(name=QWEN.name, speed=Speed(threads=2, prefill_tok_s=1000, decode_tok_s=130, measured="by a test"))

    verdict = judge(asks(250), use=fast)

    assert verdict.status is Status.WARN
    assert "may take HPA/chat-api to its maximum of 5" in verdict.reason


@pytest.mark.parametrize("readiness", [None, Probe(kind="http", path="/health")])
def test_scaling_of_a_load_that_counts_as_use_warns(readiness: Probe | None) -> None:
    """Incident 19: the pod is ready while its model loads, on 2000m for 5 replicas of 5."""
    verdict = judge(asks(400, readiness=readiness))

    assert any("A fresh pod is ready before its model is loaded" in each for each in verdict.symptoms)


def test_scaling_of_a_load_before_readiness_is_left_out() -> None:
    """The near miss: readiness waits for the model, and the autoscaler leaves the pod out until then."""
    assert not any("fresh pod" in each for each in judge(asks(400)).symptoms)


def test_scaling_without_a_cpu_request_has_no_percentage() -> None:
    """Incident 18, before the deploy."""
    verdict = judge(replace(asks(1000), requests=container().limits))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.HPA_NO_CPU_REQUEST)
    assert verdict.reason == (
        "Container chat-api has no CPU request, so that HPA/chat-api has nothing to take a percentage of."
    )
    assert verdict.remedy.endswith("--requests=cpu=2000m")


def test_scaling_without_an_autoscaler_does_not_apply() -> None:
    """A pass with the evidence of absence."""
    verdict = judge(asks(250), hpa=None)

    assert verdict.status is Status.PASS
    assert verdict.evidence[0].value == "none in the manifests"


def test_scaling_between_equal_bounds_cannot_be_pinned() -> None:
    """Minimum and maximum are one: there is nothing to drive up."""
    assert judge(asks(250), hpa=replace(HPA, max_replicas=2)).status is Status.PASS


@pytest.mark.parametrize(
    ("spec", "use"),
    [
        (asks(1000), Model(name=QWEN.name)),
        (replace(asks(1000), env=(EnvVar(name="LLM_THREADS", source="configMapKeyRef chat/threads"),)), SLOW),
    ],
)
def test_scaling_of_a_use_that_nobody_knows_is_inconclusive(spec: ContainerSpec, use: Model) -> None:
    """No node type and no speed, or threads that stand elsewhere."""
    verdict = judge(spec, use=use)

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)


def test_scaling_of_the_embedded_clusters_deploy_passes() -> None:
    """1000m for 2.1 to 5.9 of 15 s are at most 396m, and two replicas at 60 % of 400m have 480m."""
    target = load_target("local", ROOT)
    desired = read_manifests(ROOT / target.desired.manifests)
    deployment = desired.deployment("chat-api")
    assert deployment is not None

    verdict = scaling_verdict(
        model_facts(target.model.name, ROOT / MODELS),
        deployment,
        desired.hpa("chat-api"),
        container="chat-api",
        schema=SCHEMA,
        use=target.model,
    )

    assert verdict.reason == (
        "One question keeps 1000m busy for 2.1 to 5.9 s, and with a request of 400m HPA/chat-api then wants 2 of 2 to "
        "3 replicas."
    )
    assert verdict.status is Status.PASS


def test_scaling_by_another_metric_than_the_cpu_request_passes() -> None:
    """A queue's length is no share of a request; that the HPA has to target 60 % CPU is HPA-1's to say."""
    verdict = judge(asks(250), hpa=replace(HPA, cpu_target_percent=None))

    assert verdict.status is Status.PASS
    assert verdict.reason == ("HPA/chat-api does not scale by the CPU request: what inference uses cannot pin it.")


@pytest.mark.parametrize("refused", [replace(HPA, cpu_target_percent=0), replace(HPA, min_replicas=6)])
def test_scaling_that_kubernetes_refuses_fails(refused: Hpa) -> None:
    """No percentage of nothing, and no maximum below the minimum: the apply would fail."""
    verdict = judge(asks(2000), hpa=refused)

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.CONFIG_BAD_VALUE)
    assert verdict.reason.endswith(", which Kubernetes refuses.")


def test_scaling_of_a_container_with_a_limit_of_0_is_that_of_one_without() -> None:
    """Kubernetes sets no quota for it, and nothing is divided by it."""
    assert judge(asks(2000, limit_m=0)).reason == judge(replace(asks(2000), limits=Resources())).reason


def test_autoscaler_is_found_by_what_it_scales() -> None:
    """Its own name is free, and one of the Deployment's name may scale something else."""
    other = replace(HPA, name="chat-api", target_name="other")
    named = replace(HPA, name="chat-api-hpa")
    desired = replace(read_manifests(ROOT / "infra/terraform/rendered/demo.yaml"), hpas=(other, named))
    assert desired.scaler("chat-api") == named
    assert replace(desired, hpas=(other,)).scaler("chat-api") is None
