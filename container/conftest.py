"""The bench on which the built image is run."""

import pytest

from gate.context import Gate
from gate.readers.bench import Bench
from gate.readers.errors import NotFound


@pytest.fixture(scope="session")
def bench(gate: Gate) -> Bench:
    """The image under test: of --image, else the one that the deploy declares, with its memory limit."""
    target = gate.target
    planned = target.desired.plan is not None and (gate.root / target.desired.plan).is_file()
    declaring = gate.desired if planned else gate.deployed
    declared = declaring.container(target.cluster.deployment, target.cluster.container)
    image = gate.image or (declared.image if declared else None)
    if image is None or target.container is None:
        raise NotFound(f"no image to run: name one with --image, or a deployment in {target.desired.manifests}")
    gate.image = image
    return Bench(
        image,
        target.container.patient_api_image,
        model=target.model.name,
        declared=declared,
        patients=target.acceptance.test_mrns,
    )
