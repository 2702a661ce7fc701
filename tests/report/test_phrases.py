import pytest

from gate.causes import Cause
from gate.report.phrases import cause_link, duration, facts
from tests.report.samples import header


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "< 0.1 s"),
        (0.1, "0.1 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (59.4, "59 s"),
        (60, "1 min 0 s"),
        (185.2, "3 min 5 s"),
    ],
)
def test_duration_length_decides_digits(seconds: float, told: str) -> None:
    """A duration is told with the digits that matter at its length."""
    assert duration(seconds) == told


def test_cause_link_heading_anchor() -> None:
    """A cause leads to its heading in the runbook, spelled as Markdown renderers spell anchors."""
    assert cause_link(Cause.IMAGE_NOT_FOUND) == "notes/causes.md#imagenot_found"


def test_facts_in_cluster_no_context_said() -> None:
    """A run inside a cluster has no context, and the header says so instead of leaving a gap."""
    told = dict(facts(header(context=None, kube_system_uid=None)))
    assert told["cluster"] == "https://10.90.0.2:6443 (no context: in-cluster, Kubernetes v1.34.4)"


def test_facts_no_cluster_said() -> None:
    """A run that read no cluster says so."""
    told = dict(facts(header(server=None, namespace=None, image=None, revision=None)))
    assert (told["cluster"], told["image"], told["gate"]) == ("none was read", "not known", "0.1.0")
    assert "namespace" not in told
