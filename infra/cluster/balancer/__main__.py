"""Runs the load balancer's controller of one instance: `python -m infra.cluster.balancer NAME`, by the launcher."""

import logging
import sys

from infra.cluster.api import Api
from infra.cluster.balancer.controller import Controller
from infra.cluster.instance import load_record
from infra.cluster.process import Supervisor


def main() -> None:
    """Serve until the process is ended."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each request
    (name,) = sys.argv[1:]
    record = load_record(name)
    if record is None:
        sys.exit(f"there is no cluster {name}")
    instance = record.instance
    Controller(instance, Supervisor.of(instance), Api(instance, "balancer")).run()


if __name__ == "__main__":
    main()
