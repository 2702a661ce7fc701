"""Finds the embedded cluster that is up, and the images on it."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

from e2e.faults.app import Images
from e2e.faults.hands import HarnessError
from e2e.faults.judging import World
from infra.cluster.api import Api
from infra.cluster.environment import completed
from infra.cluster.instance import load_record
from infra.commands import run
from infra.paths import cluster_name

#: Nothing built yet: base image, wheelhouse, three images.
_BUILD_TIMEOUT_S = 1200


@contextmanager
def current_world(python: str) -> Iterator[World]:
    """Yield the cluster that is up, its images built and pushed if they were not.

    Args:
        python: the interpreter that runs the project.

    Raises:
        HarnessError: no embedded cluster is up.
        CommandError: the images could not be built.
    """
    record = load_record(cluster_name())
    if record is None:
        raise HarnessError(f"no embedded cluster {cluster_name()!r} is up: python -m infra.cluster up")
    environment = completed(record)
    built = run([python, "-m", "infra.images"], env=environment, timeout_s=_BUILD_TIMEOUT_S)
    with closing(Api(record.instance)) as api:
        yield World(
            api=api,
            environment=environment,
            server=record.instance.server,
            images=Images.of(json.loads(built)),
        )
