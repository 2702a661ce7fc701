"""How long a container needs until its model is loaded, by hand-worked numbers."""

from dataclasses import replace

import pytest

from gate.records import Resources, StartTime
from gate.sizing.starting import start_time
from tests.sizing.factories import QWEN, USE, container


def start(
    *types: str, cpu_limit_m: int | None = 2000, downloads: bool | None = False, engine: str = "llama.cpp"
) -> StartTime:
    """Return the start of Qwen3-4B on nodes of these types, by default with the model in the image."""
    spec = replace(container(LLM_ENGINE=engine), limits=Resources(cpu_m=cpu_limit_m))
    return start_time(QWEN, spec, use=USE, downloads=downloads, node_types=types)


def test_start_on_a_measured_family_takes_its_slowest_and_fastest_size() -> None:
    """r5 decodes at 45.5/16 GB/s a core (8xlarge) to 14.6/2 (xlarge), the reference at 9.4: 1.29 and 3.31-fold."""
    found = start("r5.large")

    # 2.497 GB * (3.4 + 0.6) s * 9.4/7.3; 2.497 GB * (7.2 + 2.1) s * 9.4/2.84375 + 2.497 GB / 0.131 GB/s
    assert found.load.likely_s == pytest.approx(12.86, abs=0.01)
    assert found.load.most_s == pytest.approx(76.76 + 19.06, abs=0.02)
    assert found.process.likely_s == pytest.approx(2 * 9.4 / 7.3)
    assert found.download.most_s == 0
    assert found.basis == "2.50 GB of weights under llama.cpp, 2.8 to 7.3 GB/s per core of r5 nodes (Spare Cores)"


def test_start_in_a_mixed_node_group_takes_the_slower_family() -> None:
    """Nobody knows on which node the pod will be placed."""
    assert start("m7a.large", "r5.large") == start("r5.large")


@pytest.mark.parametrize(("types", "what"), [((), "an unknown node type"), (("x9.huge",), "x9.huge, which nobody")])
def test_start_on_an_unmeasured_type_counts_the_slowest_known(types: tuple[str, ...], what: str) -> None:
    """No figure is no reason for a figure in our favour; the embedded cluster's node has no type."""
    found = start(*types)

    assert what in found.basis
    assert found.load.most_s == start("r5.large").load.most_s


@pytest.mark.parametrize(("limit_m", "factor"), [(500, 2), (1000, 1), (4000, 1), (None, 1)])
def test_start_below_a_core_is_stretched(limit_m: int | None, factor: float) -> None:
    """Loading is one thread's work: half a core takes twice as long, a second core changes nothing."""
    limited = start("t3.xlarge", cpu_limit_m=limit_m)

    assert limited.load.likely_s == pytest.approx(factor * start("t3.xlarge").load.likely_s)
    assert ("stretched" in limited.basis) == (factor > 1)


@pytest.mark.parametrize(("downloads", "likely_s", "most_s"), [(False, 0, 0), (True, 93.6, 280.9), (None, 0, 280.9)])
def test_start_counts_the_download_that_is_asked_for(*, downloads: bool | None, likely_s: float, most_s: float) -> None:
    """Left to the image it may happen, and so counts in the worst case only."""
    found = start("t3.xlarge", downloads=downloads).download

    assert found.likely_s == pytest.approx(likely_s, abs=0.1)
    assert found.most_s == pytest.approx(most_s, abs=0.1)


def test_start_under_transformers_reads_two_bytes_a_parameter() -> None:
    """8.04 GB, and no rearranging."""
    found = start("t3.xlarge", engine="transformers")

    assert found.basis.startswith("8.04 GB of weights under transformers")
    assert found.load.most_s - found.load.likely_s > 8.04 / 0.131, "the disk alone takes a minute"
