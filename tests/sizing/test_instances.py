import pytest

from gate.sizing.instances import (
    UnknownInstanceTypeError,
    allocatable,
    allocatable_at_least,
    instance,
    instance_types,
)

MIB = 2**20


def test_allocatable_r5_large_is_what_a_real_node_showed() -> None:
    """16384 - 699 measured - (255 + 11 * 29) - 100 MiB, and 2000m - 70m."""
    offered = allocatable(instance("r5.large"), 20)

    assert (offered.memory_bytes, offered.cpu_m, offered.pods) == (15011 * MIB, 1930, 29)


@pytest.mark.parametrize(
    ("name", "cpu_m"),
    [
        ("m7a.medium", 940),  # 1 vCPU: 60m
        ("r5.large", 1930),  # 2: + 10m
        ("r5.xlarge", 3920),  # 4: + 2 * 5m
        ("r5.2xlarge", 7910),  # 8: + 4 * 2.5m
        ("r5.4xlarge", 15890),  # 16: + 8 * 2.5m
    ],
)
def test_allocatable_cpu_is_reserved_in_steps(name: str, cpu_m: int) -> None:
    """The first core gives up most, each further one less."""
    assert allocatable(instance(name), 20).cpu_m == cpu_m


@pytest.mark.parametrize(("volume_gib", "storage_bytes"), [(20, 18_242_267_924), (80, 76_224_326_324)])
def test_allocatable_storage_is_what_real_nodes_report(volume_gib: int, storage_bytes: int) -> None:
    """Both figures stand in dumps of EKS nodes with these volumes."""
    assert allocatable(instance("t3.medium"), volume_gib).ephemeral_storage_bytes == storage_bytes


def test_allocatable_pods_are_capped_and_memory_keeps_the_network_figure() -> None:
    """m5.4xlarge: 234 pods by its interfaces, 110 by the cap; 65536 - 2718 - (255 + 11 * 234) - 100 MiB."""
    offered = allocatable(instance("m5.4xlarge"), 20)

    assert (offered.pods, offered.memory_bytes) == (110, 59_889 * MIB)


def test_allocatable_pods_of_a_large_type_are_capped_higher() -> None:
    """From 30 vCPUs on the cap is 250, and the interfaces of an m5.8xlarge hold 234."""
    assert allocatable(instance("m5.8xlarge"), 20).pods == 234


def test_allocatable_at_least_takes_the_rule_of_thumb_where_it_is_lower() -> None:
    """7.5 % of 16384 MiB are 1229: 16384 - 1229 - 574 - 100."""
    assert allocatable_at_least(instance("r5.large"), 20).memory_bytes == 14_481 * MIB


def test_allocatable_at_least_takes_the_measured_figure_where_that_is_lower() -> None:
    """c5.large: 405 MiB were measured, 308 would be 7.5 % of 4096: 4096 - 405 - 574 - 100."""
    of = instance("c5.large")

    assert allocatable_at_least(of, 20) == allocatable(of, 20)
    assert allocatable(of, 20).memory_bytes == 3017 * MIB


def test_allocatable_of_an_unmeasured_type_is_the_rule_of_thumb() -> None:
    """Nobody measured c7i.large: 4096 - 308 - 574 - 100."""
    assert allocatable(instance("c7i.large"), 20).memory_bytes == 3114 * MIB


def test_allocatable_at_least_on_graviton_keeps_64_mib_more() -> None:
    """m7g.medium: 4096 - (308 + 64) - (255 + 11 * 8) - 100."""
    assert allocatable_at_least(instance("m7g.medium"), 20).memory_bytes == 3281 * MIB


def test_instance_misspelt_names_the_near_ones() -> None:
    """A typo is answered with what was probably meant."""
    with pytest.raises(UnknownInstanceTypeError) as caught:
        instance("t3.mediun")

    assert caught.value.near[0] == "t3.medium"
    assert str(caught.value) == (
        "instance type 't3.mediun' is not in instance_facts.csv; near names: t3.medium, t3a.medium, r7g.medium"
    )


def test_instance_like_no_other_names_none() -> None:
    """Where nothing is near, nothing is suggested."""
    with pytest.raises(UnknownInstanceTypeError) as caught:
        instance("embedded")

    assert str(caught.value) == "instance type 'embedded' is not in instance_facts.csv"


def test_instance_types_all_leave_memory_to_pods() -> None:
    """Every row of the table reads, and its arithmetic comes out positive and below the type's memory."""
    types = instance_types()

    assert len(types) == 127
    assert all(0 < (allocatable(of, 20).memory_bytes or 0) < of.memory_mib * MIB for of in types.values())
