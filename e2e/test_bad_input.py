"""What acceptance says when it cannot look: no cluster, another cluster, no permission. Never a pass."""

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from e2e.faults.judging import Acceptance, World, accept, target_text

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("bad-input")]
INCONCLUSIVE = 10
#: A cluster that is not there is said so within.
QUICK_S = 30


def judged(world: World, folder: Path, *, server: str, environment: Mapping[str, str], namespace: str) -> Acceptance:
    """Run acceptance against a target that names this server."""
    target = folder / "target.toml"
    target.write_text(target_text(namespace, server, folder / "none.yaml"), encoding="utf-8")
    return accept(target, folder / "report", {**world.environment, **environment})


def kubeconfig(world: World, folder: Path, *, server: str | None = None, token: str | None = None) -> dict[str, str]:
    """Write a kubeconfig like the cluster's with another server or another user, and return KUBECONFIG."""
    found = yaml.safe_load(Path(world.environment["KUBECONFIG"]).read_text(encoding="utf-8"))
    if server:
        found["clusters"][0]["cluster"] = {"server": server}
    if token:
        found["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(found), encoding="utf-8")
    return {"KUBECONFIG": str(path)}


@contextlib.contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """Yield the URL of a server that notes each path it is asked for and answers 404."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def assert_inconclusive(run: Acceptance, cause: str, *mentions: str) -> None:
    """Every criterion is inconclusive for this cause, and the terminal says these words."""
    assert run.exit_code == INCONCLUSIVE, run.output
    assert run.verdicts, run.output
    assert {(each["status"], each["cause"]) for each in run.verdicts.values()} == {("inconclusive", cause)}, run.output
    for mention in mentions:
        assert mention in run.output, run.output


def test_acceptance_server_does_not_answer_is_unreachable(world: World, tmp_path: Path) -> None:
    """A closed port: said within seconds, with the server's address."""
    with listener() as (closed, _):
        pass
    started_s = time.monotonic()
    environment = kubeconfig(world, tmp_path, server=closed)
    run = judged(world, tmp_path, server=closed, environment=environment, namespace="carepath-demo")
    assert_inconclusive(run, "gate.unreachable", closed)
    assert time.monotonic() - started_s < QUICK_S


def test_acceptance_without_kubeconfig_is_unreachable(world: World, tmp_path: Path) -> None:
    """No configuration at all: the path that was looked at is named."""
    missing = tmp_path / "nothing-here"
    run = judged(
        world, tmp_path, server=world.server, environment={"KUBECONFIG": str(missing)}, namespace="carepath-demo"
    )
    assert_inconclusive(run, "gate.unreachable", str(missing))


def test_acceptance_of_another_server_reads_nothing(world: World, tmp_path: Path) -> None:
    """The kubeconfig leads to a server that the target does not name: refused, both named, not one request sent."""
    with listener() as (other, asked):
        run = judged(
            world,
            tmp_path,
            server=world.server,
            environment=kubeconfig(world, tmp_path, server=other),
            namespace="carepath-demo",
        )
    assert_inconclusive(run, "gate.wrong_cluster", other, world.server)
    assert asked == []


def test_acceptance_of_a_cluster_with_another_uid_is_refused(world: World, tmp_path: Path) -> None:
    """The address is right and the cluster behind it is another: its kube-system namespace tells."""
    target = tmp_path / "target.toml"
    text = target_text("carepath-demo", world.server, tmp_path / "none.yaml")
    target.write_text(
        text.replace(f'server = "{world.server}"', 'kube_system_uid = "00000000-0000-0000-0000-000000000000"'),
        encoding="utf-8",
    )
    run = accept(target, tmp_path / "report", world.environment)
    uid = world.api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
    assert_inconclusive(run, "gate.wrong_cluster", uid, "00000000-0000-0000-0000-000000000000")


def test_acceptance_without_permission_is_forbidden(world: World, tmp_path: Path) -> None:
    """A ServiceAccount that may read nothing: the first permission that is missing is named, and nothing passes."""
    hands = world.hands("e2e-forbidden")
    hands.delete(wait=True)
    try:
        hands.kubectl("create", "namespace", "e2e-forbidden")
        hands.kubectl("create", "serviceaccount", "nobody")
        token = hands.kubectl("create", "token", "nobody").strip()
        run = judged(
            world,
            tmp_path,
            server=world.server,
            environment=kubeconfig(world, tmp_path, token=token),
            namespace="e2e-forbidden",
        )
    finally:
        hands.delete(wait=False)
    assert_inconclusive(run, "gate.forbidden", "deployments", "e2e-forbidden")
    assert token not in run.output
