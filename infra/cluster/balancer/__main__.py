"""Runs the load balancer's controller for one instance: `python -m infra.cluster.balancer NAME`."""

import logging
import sys

from kubernetes import client, config

from infra.cluster.balancer.controller import Controller
from infra.cluster.instance import load_record
from infra.cluster.launcher import supervisor_of


def main() -> None:
    """Serve until the process is ended."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    (name,) = sys.argv[1:]
    record = load_record(name)
    if record is None:
        sys.exit(f"no instance {name}")
    instance = record.instance
    config.load_kube_config(str(instance.pki / "balancer.kubeconfig"))
    Controller(instance, supervisor_of(instance), client.CoreV1Api()).run()


if __name__ == "__main__":
    main()
