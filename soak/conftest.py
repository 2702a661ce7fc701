"""What a soak looks at: the Deployment at each tick, until its time is over."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from gate.context import Gate
from gate.readers.errors import Malformed, ReadError
from gate.records import SoakPlan
from gate.soaking import Look, SamplesFile, samples_file, soak


@pytest.fixture(scope="session")
def soaked(gate: Gate) -> Iterator[SamplesFile]:
    """The whole soak's samples in their file, taken up where an earlier process stopped and put away once judged."""
    options, target = gate.soak, gate.target
    if options is None:
        raise Malformed("the command line names no soak: pytest -m soak --for=24h")
    cluster = target.cluster
    wanted = SoakPlan(
        server=gate.reader.identity.server,
        namespace=cluster.namespace,
        deployment=cluster.deployment,
        lasts_s=options.lasts_s,
        every_s=options.every_s,
        started_at=datetime.now(UTC),
    )
    look = Look(gate.reader.snapshot, gate.chat, cluster.deployment, cluster.container, target.acceptance.test_mrns)
    gate.snapshot()  # so that the report says which cluster it was, whatever becomes of it
    with samples_file(options.file, wanted) as file:
        look.already(file.samples)
        soak(file, look)
        with suppress(ReadError):
            gate.use_snapshot(gate.reader.snapshot())  # the one that the diagnostics bundle shows
        yield file
        file.put_away()
