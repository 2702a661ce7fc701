import pytest

from gate.records import Resources
from gate.sizing.choice import cheapest, decode_tok_s, size_table
from gate.sizing.instances import instance
from gate.verdict import Status
from tests.sizing.factories import MIB, QWEN, USE, planned

#: What the first rollout asked for one pod.
ASK = Resources(cpu_m=1000, memory_bytes=9216 * MIB, ephemeral_storage_bytes=0, pods=1)


def test_size_table_states_needed_there_and_missing() -> None:
    """Of t3.medium's 3301 MiB CoreDNS takes 70; t3.xlarge has 14801 - 70 and costs 730 * 0.1664 dollars a month."""
    medium, xlarge = size_table(
        QWEN, [instance("t3.medium"), instance("t3.xlarge")], ask=ASK, use=USE, planned=planned("t3.medium")
    )

    assert (medium.allocatable_mib, medium.needed_mib, medium.there_mib, medium.missing_mib) == (3301, 9216, 3231, 5985)
    assert medium.status is Status.FAIL
    assert (xlarge.there_mib, xlarge.missing_mib, xlarge.status) == (14731, 0, Status.PASS)
    assert xlarge.usd_per_month == pytest.approx(121.47, abs=0.01)


@pytest.mark.parametrize(
    ("memory_mib", "status"), [(14411, Status.PASS), (14412, Status.WARN), (14941, Status.WARN), (14942, Status.FAIL)]
)
def test_size_table_between_assumed_and_measured_overhead_warns(memory_mib: int, status: Status) -> None:
    """On r5.large, less CoreDNS: 14481 - 70 by the rule of thumb, 15011 - 70 as measured."""
    ask = Resources(cpu_m=500, memory_bytes=memory_mib * MIB, pods=1)

    row = size_table(QWEN, [instance("r5.large")], ask=ask, use=USE, planned=planned("r5.large"))[0]

    assert row.status is status


def test_decode_is_bandwidth_over_bytes_per_token() -> None:
    """8.9 GB/s over 2.497 GB weights and 0.302 GB KV cache of 2048 tokens."""
    assert decode_tok_s(QWEN, instance("t3.xlarge"), USE) == pytest.approx(3.18, abs=0.01)


@pytest.mark.parametrize("name", ["t3.medium", "g4dn.xlarge"])
def test_decode_unmeasured_on_the_cpu_is_not_predicted(name: str) -> None:
    """Nobody measured t3.medium with a 7B model, and g4dn's figure is its GPU's."""
    assert decode_tok_s(QWEN, instance(name), USE) is None


def test_cheapest_for_one_pod_is_the_least_price_that_holds_it() -> None:
    """r6a.large at 0.1134; r7g.large at 0.1071 is arm64, and the image is not."""
    found = cheapest(ASK, pods=1, planned=planned("t3.medium"), further_nodes=0)

    assert found is not None
    assert (found.type.name, found.count) == ("r6a.large", 2)


def test_cheapest_for_a_multi_platform_image_may_be_arm64() -> None:
    """With both platforms in the image, Graviton is cheaper."""
    of = planned("t3.medium", architectures=("amd64", "arm64"))

    found = cheapest(ASK, pods=1, planned=of, further_nodes=0)

    assert found is not None
    assert found.type.name == "r7g.large"


def test_cheapest_for_three_pods_weighs_more_nodes_against_larger_ones() -> None:
    """3 * 0.1134 against 2 r6a.xlarge at 2 * 0.2268, which hold two each."""
    found = cheapest(ASK, pods=3, planned=planned("t3.medium"))

    assert found is not None
    assert (found.type.name, found.count) == ("r6a.large", 3)
    assert found.usd_per_hour == pytest.approx(0.3402)


def test_cheapest_for_a_pod_larger_than_any_type_is_none() -> None:
    """No known CPU type has 300 GiB."""
    ask = Resources(cpu_m=1000, memory_bytes=300 * 1024 * MIB, pods=1)

    assert cheapest(ask, pods=1, planned=planned("t3.medium")) is None
