"""What it costs to bring the model with the image, and what to fetch it at first start: `make option-b`.

Three ways on the embedded cluster, each from a node that has neither image: Option A (the model in the image), Option B
onto the pods' own disks, Option B onto a volume that they share. Per way: the image's size, the seconds until the first
pod is Ready and, scaled up after that, the second, and how often the hub's stand-in transferred the file. Registry and
hub are on this machine: what a real link adds is the sizes over its rate.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from e2e import option_b
from e2e.faults.hands import Hands
from infra.cluster.api import Api
from infra.cluster.environment import completed
from infra.cluster.instance import Instance, load_record
from infra.commands import run
from infra.images.registry import MANIFEST_TYPES, NAME_KEY, URL_KEY, ImageReference, Registry
from infra.model_hub import ModelHub
from infra.paths import DEFAULT_NAME, PROJECT

RESULTS = PROJECT / "benchmarks/results/model_cache.md"
NAMESPACE = "carepath-model-cache"
REPOSITORY = "carepath-chat-api"
IMAGE_A, IMAGE_B = f"{REPOSITORY}:v2.0", f"{REPOSITORY}:v2.0-option-b"


@dataclass(frozen=True)
class Way:
    """A name, an image of the project, and Terraform's model_cache."""

    name: str
    image: str
    model_cache: str


WAYS = (
    Way("A: the model in the image", IMAGE_A, option_b.NONE),
    Way("B: the pods' own disks", IMAGE_B, option_b.POD_DISK),
    Way("B: a volume they share", IMAGE_B, option_b.SHARED),
)


@dataclass(frozen=True)
class Row:
    """One run of one way; sizes in bytes."""

    way: Way
    pull_s: float
    first_s: float
    second_s: float
    transfers: int
    transferred_bytes: int


def main() -> None:
    """Measure, print the table, and keep it."""
    options = _options()
    record = load_record(options.cluster)
    if record is None:
        raise SystemExit(f"no embedded cluster {options.cluster!r} is up: python -m infra.cluster up")
    environment = completed(record)
    registry = Registry(environment[NAME_KEY], environment[URL_KEY])
    built = run([sys.executable, "-m", "infra.images"], env=environment, timeout_s=1200)
    references: dict[str, str] = json.loads(built)
    with closing(Api(record.instance)) as api, option_b.hub(record.instance) as hub:
        hands = Hands(NAMESPACE, api, environment)
        rows = []
        for number in range(1, options.runs + 1):
            for way in WAYS:
                hub.asked.clear()
                option_b.empty_folder(record.instance)
                _forget(record.instance)
                rows.append(_measured(way, hands, references[way.image], hub))
                print(f"run {number}: {_line(rows[-1])}")
        text = _table(rows, {name: _image_bytes(registry, references[name]) for name in (IMAGE_A, IMAGE_B)})
    print(text)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cluster", default=DEFAULT_NAME, help="embedded cluster to use (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of each way, in turns (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {RESULTS.relative_to(PROJECT)}")
    return parser.parse_args()


def _measured(way: Way, hands: Hands, image: str, hub: ModelHub) -> Row:
    wanted = option_b.documents(NAMESPACE, image, way.model_cache, hub.url, replicas=1)
    with option_b.deployed(hands, wanted, wait=True) as asked:
        first = option_b.starts(hands, 1, asked)
        scaled = option_b.scaled(hands, 2)
        both = option_b.starts(hands, 2, scaled, first)
    one = next(iter(first.values()))
    two = next(each for name, each in both.items() if name not in first)
    return Row(
        way=way,
        pull_s=one.pull_s,
        first_s=one.ready_s,
        second_s=two.ready_s,
        transfers=len(hub.transfers),
        transferred_bytes=sum(each.sent_bytes for each in hub.transfers),
    )


def _forget(instance: Instance) -> None:
    """Take every image of the service from the node, v1.0's too: they share layers, and the next pod shall pull all."""
    images = ("ctr", "--address", str(instance.containerd_socket), "--namespace", "k8s.io", "images")
    known = [line.split()[:3] for line in option_b.in_node(instance, *images, "list").splitlines()[1:]]
    # An image has several names: containerd drops the layers with the last of them.
    digests = {digest for name, _, digest in known if f"/{REPOSITORY}" in name}
    for name, _, digest in known:
        if digest in digests:
            option_b.in_node(instance, *images, "remove", "--sync", name)


def _image_bytes(registry: Registry, reference: str) -> int:
    """Return what a node transfers for an image: its layers, compressed."""
    image = ImageReference.parse(reference)
    answer = httpx.get(
        f"{registry.url}/v2/{image.repository}/manifests/{image.digest}", headers={"Accept": ", ".join(MANIFEST_TYPES)}
    )
    return sum(int(layer["size"]) for layer in answer.raise_for_status().json()["layers"])


def _line(row: Row) -> str:
    return (
        f"{row.way.name}: first pod {row.first_s:.1f} s (pull {row.pull_s:.1f} s), second {row.second_s:.1f} s, "
        f"{row.transfers} transfers of the model, {row.transferred_bytes / 1e6:.0f} MB"
    )


def _table(rows: Sequence[Row], image_bytes: Mapping[str, int]) -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        "# Bringing the model: with the image, or at first start",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `make option-b`, {os.cpu_count()} cores, {memory_gib:.0f} GiB.",
        "The embedded cluster with SmolLM2-135M-Instruct (98 MB); registry and the hub's stand-in on the same machine.",
        f"Medians of {len(rows) // len(WAYS)} runs, each from a node without either image. Seconds to Ready: of",
        "the first pod from the apply, the pull of its image within; of the second from the scale-up.",
        "",
        "| way | image, compressed MB | pull s | first pod Ready s | second pod Ready s | model transfers | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in WAYS:
        own = [row for row in rows if row.way == way]
        numbers = [
            f"{image_bytes[way.image] / 1e6:.0f}",
            *(
                f"{statistics.median(values):.1f}"
                for values in ([r.pull_s for r in own], [r.first_s for r in own], [r.second_s for r in own])
            ),
            f"{statistics.median(r.transfers for r in own):g}",
            f"{statistics.median(r.transferred_bytes for r in own) / 1e6:.0f}",
        ]
        lines.append(f"| {way.name} | {' | '.join(numbers)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
