"""Names, numbers, addresses and the record of an instance."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.cluster.instance import (
    Instance,
    InstanceError,
    Nodes,
    Programs,
    Record,
    Settings,
    checked_name,
    free_index,
    load_record,
)


@pytest.fixture
def record(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Return the record of an instance whose run folder exists."""
    monkeypatch.setenv("CAREPATH_RUN_DIR", str(instance.run.parent))
    instance.run.mkdir()
    chosen = replace(instance, settings=Settings(disk_gib=30, lb_idle_timeout_s=5, nodes=Nodes.SIMULATED))
    programs = Programs(Path("/cache/kube"), Path("/cache/metrics"), Path("/cache/kwok"))
    return Record(chosen, programs, ready=True, own_docker=False)


def test_first_instance_gets_a_load_balancer_name_as_an_elb_has() -> None:
    """The default instance answers as localhost, on the addresses that the documentation shows."""
    first = Instance("carepath", 0, Path("/run/x"))
    assert (first.host_ip, first.node_ip, first.loopback_ip) == ("10.90.0.1", "10.90.0.2", "127.0.0.1")
    assert first.ingress == {"hostname": "localhost"}
    assert first.registry_url == "http://127.0.0.1:5000"


def test_second_instance_shares_no_address_with_the_first(instance: Instance) -> None:
    """Subnet, interface and loopback address follow from the number; kube-proxy must not shortcut the address."""
    assert (instance.host_ip, instance.node_ip, instance.interface) == ("10.90.1.1", "10.90.1.2", "carepath1")
    assert instance.ingress == {"ip": "127.0.0.2", "ipMode": "Proxy"}
    assert instance.cgroup == "carepath-two"


@pytest.mark.parametrize("name", ["carepath", "a", "dev-2", "a" * 20])
def test_usable_name_is_returned_as_it_is(name: str) -> None:
    """Names that fit cgroups, files and socket paths are taken."""
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "Dev", "2nd", "-x", "a" * 21, "a/b", "..", "a b"])
def test_unusable_name_is_refused_with_what_would_be_right(name: str) -> None:
    """A name ends in paths and cgroups, so none that could leave its folder is taken."""
    with pytest.raises(InstanceError, match="up to 20 lower-case letters, digits and hyphens"):
        checked_name(name)


def test_default_name_always_gets_number_zero() -> None:
    """Its addresses are documented, so they do not depend on what else runs."""
    assert free_index("carepath", {1, 2}) == 0


def test_other_names_get_the_lowest_free_number_but_zero() -> None:
    """Zero stays free for the default name."""
    assert free_index("dev", set()) == 1
    assert free_index("dev", {0, 1, 2, 4}) == 3


def test_name_without_a_free_number_is_refused() -> None:
    """The message names the range and what is taken."""
    with pytest.raises(InstanceError, match=r"no free subnet for instance 'carepath'.*\[0\]"):
        free_index("carepath", {0})


def test_record_saved_is_loaded_the_same(record: Record) -> None:
    """`down` relies on it, whichever process wrote it."""
    record.save()
    assert load_record("two") == record


def test_record_missing_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No instance is no error."""
    monkeypatch.setenv("CAREPATH_RUN_DIR", str(tmp_path))
    assert load_record("two") is None


def test_record_damaged_is_an_error_that_names_the_file(record: Record) -> None:
    """A half-written record must not be taken for no instance: something may run."""
    (record.instance.run / "instance.json").write_text('{"name": "two"}', encoding="utf-8")
    with pytest.raises(InstanceError, match=r"instance\.json is damaged \('settings'\)"):
        load_record("two")
