"""Images that cannot be had, do not run here, or are not the one meant."""

import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

import httpx

from e2e.faults.app import App
from e2e.faults.case import Act, Case, Change, nothing
from e2e.faults.conditions import both, ended, event, ready, waiting
from e2e.faults.hands import Hands, HarnessError
from gate.causes import Cause
from infra.commands import run

REPOSITORY = "localhost:5000/carepath-chat-api"
FOREIGN = "localhost:5000/carepath-foreign:v1.0"
MOVING = "rolling"

#: A program's file header (ELF, elf.h: 64 bit, little endian, executable) for AArch64 (e_machine 183), and no program.
_ARM_PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + (183).to_bytes(2, "little") + bytes(44)


def image(reference: str, *, policy: str = "IfNotPresent") -> Change:
    """Run this image."""

    def change(app: App) -> None:
        app.use(reference)
        app.container["imagePullPolicy"] = policy

    return change


def foreign_image(hands: Hands) -> None:
    """Push an image whose program is for another processor."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "root.tar"
        with tarfile.open(archive, "w") as tar:
            entry = tarfile.TarInfo("server")
            entry.mode, entry.size = 0o755, len(_ARM_PROGRAM)
            tar.addfile(entry, BytesIO(_ARM_PROGRAM))
        changes = ("--change", 'ENTRYPOINT ["/server"]', "--change", "USER 10001:10001")
        run(["/usr/bin/env", "docker", "import", *changes, archive, FOREIGN], env=hands.environment)
        run(["/usr/bin/env", "docker", "push", FOREIGN], env=hands.environment)


def registry_that_answers(status: int, port: int) -> Change:
    """Run a registry on the node that answers every request with this status."""
    program = f"""
import http.server
class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({status})
        self.send_header('WWW-Authenticate', 'Basic realm="carepath"')
        self.send_header('Content-Length', '0')
        self.end_headers()
    do_HEAD = do_GET
http.server.ThreadingHTTPServer(('0.0.0.0', {port}), Registry).serve_forever()
"""

    def change(app: App) -> None:
        app.enforce("privileged")  # for the host's network
        container = {
            "name": "registry",
            "image": app.images.mock,
            "command": ["python", "-c", program],
            "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
        }
        labels = {"app": "registry"}
        spec = {"hostNetwork": True, "terminationGracePeriodSeconds": 1, "containers": [container]}
        app.add(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "registry"},
                "spec": {
                    "replicas": 1,
                    "strategy": {"type": "Recreate"},
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": spec},
                },
            }
        )

    return change


def tagged(version: str) -> Act:
    """Let the moving tag name this version's image."""

    def act(hands: Hands) -> None:
        base = f"{hands.environment['CAREPATH_REGISTRY_URL']}/v2/carepath-chat-api/manifests"
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        try:
            found = httpx.get(f"{base}/{version}", headers={"Accept": kind}).raise_for_status()
            headers = {"Content-Type": found.headers["Content-Type"]}
            httpx.put(f"{base}/{MOVING}", content=found.content, headers=headers).raise_for_status()
        except httpx.HTTPError as error:
            raise HarnessError(f"the tag {MOVING} could not be moved to {version}: {error}") from error

    return act


def scaled_after_tagging(version: str) -> Act:
    """Move the tag, then add a replica that pulls it."""

    def act(hands: Hands) -> None:
        tagged(version)(hands)
        hands.kubectl("patch", "hpa", "chat-api", "--type", "merge", "--patch", '{"spec": {"minReplicas": 2}}')
        hands.wait_for(ready(2), timeout_s=60)

    return act


CASES = (
    Case(
        name="image-not-found",
        incidents=(21,),
        fault=image(f"{REPOSITORY}:v1.0.1"),
        near_miss=image(f"{REPOSITORY}:v1.0"),
        terminal_when=waiting("ErrImagePull", "ImagePullBackOff"),
        cause=Cause.IMAGE_NOT_FOUND,
        quick=True,
    ),
    Case(
        name="image-name-invalid",
        incidents=(21,),
        fault=image(f"{REPOSITORY}:v1.0:latest"),
        near_miss=image(f"{REPOSITORY}:v1.0", policy="Always"),
        terminal_when=waiting("InvalidImageName"),
        cause=Cause.IMAGE_INVALID_NAME,
    ),
    Case(
        name="image-never-pulled",
        fault=image(f"{REPOSITORY}:never-here", policy="Never"),
        near_miss=nothing,
        terminal_when=waiting("ErrImageNeverPull"),
        cause=Cause.IMAGE_NEVER_PULL,
    ),
    Case(
        name="registry-unreachable",
        fault=image("localhost:5999/carepath-chat-api:v1.0"),
        near_miss=nothing,
        terminal_when=event("Failed", "connection refused", times=3),
        cause=Cause.IMAGE_REGISTRY_UNREACHABLE,
    ),
    Case(
        name="registry-refuses",
        incidents=(21,),
        first=registry_that_answers(401, 5998),
        fault=image("localhost:5998/carepath-chat-api:v1.0"),
        near_miss=nothing,
        terminal_when=waiting("ErrImagePull", "ImagePullBackOff"),
        cause=Cause.IMAGE_DENIED,
    ),
    Case(
        name="registry-limits-the-rate",
        first=registry_that_answers(429, 5997),
        fault=image("localhost:5997/carepath-chat-api:v1.0"),
        near_miss=nothing,
        terminal_when=event("Failed", "429", times=3),
        cause=Cause.IMAGE_PULL_FAILED,
    ),
    Case(
        name="image-for-another-processor",
        incidents=(16,),
        prepare=foreign_image,
        fault=image(FOREIGN),
        near_miss=nothing,
        terminal_when=both(waiting("CrashLoopBackOff", "RunContainerError"), ended(1)),
        cause=Cause.IMAGE_WRONG_PLATFORM,
    ),
    Case(
        name="tag-moved-between-pods",
        incidents=(15,),
        prepare=tagged("v1.0"),
        first=image(f"{REPOSITORY}:{MOVING}", policy="Always"),
        fault=nothing,
        act=scaled_after_tagging("v2.0"),
        near_miss=nothing,
        near_act=scaled_after_tagging("v1.0"),
        terminal_when=ready(2),
        criterion="POD-2",
        cause=Cause.IMAGE_DIGEST_MISMATCH,
    ),
)
