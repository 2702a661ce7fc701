"""The app of a fault case is the rendered one, in a namespace of its own; every case changes it as it says."""

import json
from copy import deepcopy

import pytest

from e2e.faults.app import MODEL, App, Free, Images, baseline
from e2e.faults.case import Case
from e2e.faults.cases import CASES

IMAGES = Images(
    mock="r/chat@sha256:1", model="r/chat@sha256:2", patients="r/patients@sha256:3", without_model="r/chat@sha256:4"
)
FREE = Free(cpu_m=1500, memory_bytes=8 * 2**30, pods=50)


def app(*, model: bool = False) -> App:
    """Return the healthy app."""
    return baseline("fault-x", 18000, IMAGES, FREE, model=model)


@pytest.mark.parametrize(
    ("model", "image", "mode"),
    [(False, IMAGES.mock, "mock"), (True, IMAGES.model, "SmolLM2-135M-Instruct")],
)
def test_baseline_is_the_rendered_app_in_its_own_namespace(model: bool, image: str, mode: str) -> None:  # noqa: FBT001
    """Namespace, images by digest, LLM_MODE and port are the case's; nothing of the demo is left."""
    found = app(model=model)
    environment = {each["name"]: each["value"] for each in found.container["env"]}
    assert "carepath-demo" not in json.dumps(found.documents)
    assert found.container["image"] == environment["IMAGE"] == image
    assert environment["LLM_MODE"] == mode
    assert found.service["spec"]["ports"][0]["port"] == 18000
    assert (found.hpa["spec"]["minReplicas"], found.hpa["spec"]["maxReplicas"]) == (1, 2)
    assert {each["kind"] for each in found.documents} >= {"Namespace", "Deployment", "Service", "ServiceAccount"}


def test_baseline_is_new_each_time() -> None:
    """What one case changes is not seen by the next."""
    app().container["image"] = "changed"
    assert app().container["image"] == IMAGES.mock


def test_app_add_puts_the_document_before_the_deployments() -> None:
    """What a pod needs is there before the pod; a volume of the whole cluster gets no namespace."""
    found = app()
    found.add({"kind": "ConfigMap", "metadata": {"name": "settings"}})
    found.add({"kind": "PersistentVolume", "metadata": {"name": "disk"}})
    kinds = [each["kind"] for each in found.documents]
    assert kinds.index("ConfigMap") < kinds.index("Deployment")
    assert found.document("ConfigMap", "settings")["metadata"]["namespace"] == "fault-x"
    assert "namespace" not in found.document("PersistentVolume", "disk")["metadata"]


def test_app_document_unknown_names_what_is_there() -> None:
    """A case that reaches for something that was renamed says what it found."""
    with pytest.raises(LookupError, match=r"no Deployment/chat; there are Namespace/fault-x, .*Deployment/chat-api"):
        app().document("Deployment", "chat")


def test_app_setenv_none_takes_the_variable_away() -> None:
    """A variable is set once, and None removes it."""
    found = app()
    found.setenv(LLM_MODE="other", DRAIN_S=None)
    names = [each["name"] for each in found.container["env"]]
    assert names.count("LLM_MODE") == 1
    assert "DRAIN_S" not in names


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_breaks_the_app_where_the_near_miss_does_not(case: Case) -> None:
    """Fault and near miss apply to today's manifests, and differ in documents, in what is done or in what is asked."""
    broken, near = app(model=case.model), app(model=case.model)
    for each in (broken, near):
        if case.first:
            case.first(each)
    before = deepcopy(broken.documents)
    case.fault(broken)
    case.near_miss(near)
    asked_alike = case.samples == (case.near_samples or case.samples) and case.expects == MODEL
    done, near_done = (case.act, case.meanwhile), (case.near_act, case.near_meanwhile)
    assert broken.documents != before or any(done) or case.prepare or not asked_alike
    assert broken.documents != near.documents or done != near_done or not asked_alike


def test_cases_have_names_of_their_own_that_fit_a_namespace() -> None:
    """A name is a namespace's part: unique, and with its prefix within the 63 characters of a label (RFC 1123)."""
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert all(len(f"fault-{name}") <= 63 and name.replace("-", "").isalnum() and name.islower() for name in names)


def test_quick_cases_are_the_seven_of_every_run() -> None:
    """The subset of `make test`: image, free CPU, memory while loading, target port, mock, users' errors, the log."""
    assert {case.name for case in CASES if case.quick} == {
        "image-not-found",
        "cpu-not-free",
        "oom-while-loading",
        "target-port-unknown",
        "mode-left-on-mock",
        "users-met-errors",
        "patient-text-in-the-log",
    }
