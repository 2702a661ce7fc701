"""Option B for real: pods without a model in their image fetch it at first start, from a stand-in of the hub."""

import time
from collections.abc import Iterator

import pytest

from e2e import option_b
from e2e.faults.app import MODEL
from e2e.faults.judging import World
from infra.cluster.api import ApiError
from infra.cluster.instance import Instance, load_record
from infra.model_hub import ModelHub
from infra.paths import cluster_name
from service_chat.catalogue import catalogue

# One for each test: a pod drains for half a minute, which nobody has to wait for.
SHARED, OWN = "carepath-option-b-shared", "carepath-option-b-own"
SIZE_BYTES = catalogue()[MODEL].weights_bytes

# The images may have to be built, and OpenTofu with them, on a machine that runs nothing else of e2e first.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def instance(world: World) -> Instance:
    """The cluster that is up, as the launcher knows it."""
    del world
    record = load_record(cluster_name())
    assert record is not None
    option_b.empty_folder(record.instance)
    return record.instance


@pytest.fixture
def hub(instance: Instance) -> Iterator[ModelHub]:
    """The stand-in of the hub, with the small model."""
    with option_b.hub(instance) as serving:
        yield serving


def test_option_b_two_pods_on_one_volume_download_once(world: World, hub: ModelHub) -> None:
    """Both pods become ready, one transfer feeds them; /health answers meanwhile and /ready says how far it is."""
    hub.rate_bytes_s = SIZE_BYTES / 6  # a download of six seconds: time to look at it
    hands = world.hands(SHARED)
    wanted = option_b.documents(SHARED, world.images.without_model, option_b.SHARED, hub.url, replicas=2)
    with option_b.deployed(hands, wanted) as asked:
        told = _while_downloading(world)
        pods = option_b.starts(hands, 2, asked)
        logs = {name: hands.kubectl("logs", name) for name in pods}
    assert told == ("ok", True)
    assert [(each.first_byte, each.sent_bytes) for each in hub.transfers] == [(0, SIZE_BYTES)]
    assert len(pods) == 2
    assert all("Loading SmolLM2 model for the first time..." in log for log in logs.values())
    assert all("Model loaded successfully" in log for log in logs.values())
    assert sum("Downloading model" in log for log in logs.values()) == 1


def test_option_b_two_pods_on_their_own_disks_download_twice(world: World, hub: ModelHub) -> None:
    """The near miss: without a volume to share, each pod pays for itself."""
    hands = world.hands(OWN)
    wanted = option_b.documents(OWN, world.images.without_model, option_b.POD_DISK, hub.url, replicas=2)
    with option_b.deployed(hands, wanted) as asked:
        pods = option_b.starts(hands, 2, asked)
    assert len(pods) == 2
    assert [(each.first_byte, each.sent_bytes) for each in hub.transfers] == [(0, SIZE_BYTES)] * 2


def _while_downloading(world: World) -> tuple[str, bool]:
    """Return what /health says of a pod whose /ready tells of a download, and whether one told of it."""
    pods = f"/api/v1/namespaces/{SHARED}/pods"
    deadline = time.monotonic() + option_b.START_TIMEOUT_S
    while time.monotonic() < deadline:
        for pod in world.api.get(pods)["items"]:
            address = f"{pods}/{pod['metadata']['name']}:8002/proxy"
            try:
                world.api.get(f"{address}/ready")
            except ApiError as error:  # 503 with the reason, or not there yet
                if "HTTP 503" in str(error) and "being downloaded, " in str(error):
                    return str(world.api.get(f"{address}/health")["status"]), True
        time.sleep(0.2)
    return "", False
