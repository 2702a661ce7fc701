"""The push to ECR: a stand-in of AWS answers, and one of docker notes what it is told."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.ecr import EcrError, Repository, digest_of, login, push, resolved

URL = "123456789012.dkr.ecr.us-east-1.amazonaws.com/carepath-chat-api"
REPOSITORY = Repository.parse(URL)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """AWS without AWS: nothing of it is reached over a network."""
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "fake")
    with mock_aws():
        yield boto3.client("ecr", region_name="us-east-1")


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a docker first on PATH that notes its words and its standard input; return the note."""
    note = tmp_path / "docker.log"
    script = tmp_path / "docker"
    script.write_text(
        f'#!/bin/sh\necho "$*" >>"{note}"\n[ "$1" != login ] || cat >"{tmp_path}/stdin"\n', encoding="utf-8"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return note


def put(client: Any, tag: str, content: str) -> None:  # noqa: ANN401  # boto3 makes its clients' classes at run time
    """Let the stand-in have an image under a tag."""
    layers = [
        {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": f"sha256:{content * 64}", "size": 1}
    ]
    media = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media, "config": layers[0], "layers": layers}
    client.put_image(repositoryName=REPOSITORY.name, imageManifest=json.dumps(manifest), imageTag=tag)


def test_address_of_another_registry_is_refused() -> None:
    """An address without account and region is told apart before AWS is asked."""
    assert (REPOSITORY.account, REPOSITORY.region, REPOSITORY.name) == (
        "123456789012",
        "us-east-1",
        "carepath-chat-api",
    )
    with pytest.raises(EcrError, match=r'"localhost:5000/carepath-chat-api" is no ECR repository'):
        Repository.parse("localhost:5000/carepath-chat-api")


def test_login_hands_the_token_over_on_standard_input(client: Any, docker: Path) -> None:  # noqa: ANN401  # same
    """The token is in no argument list, and docker is told whose it is."""
    login(REPOSITORY, client)
    token = (docker.parent / "stdin").read_text(encoding="utf-8")
    told = docker.read_text(encoding="utf-8")
    assert told == "login --username AWS --password-stdin 123456789012.dkr.ecr.us-east-1.amazonaws.com\n"
    assert token
    assert token not in told


def test_push_into_a_mutable_repository_moves_latest(client: Any, docker: Path) -> None:  # noqa: ANN401  # same
    """Both tags of the checklist are pushed, and the answer is by digest."""
    client.create_repository(repositoryName=REPOSITORY.name)
    put(client, "v2.0", "a")  # what the stand-in of docker does not send
    put(client, "latest", "b")
    reference = push(REPOSITORY, "carepath-chat-api:v2.0", "v2.0", client)
    assert reference == f"{URL}@{digest_of(REPOSITORY, 'v2.0', client)}"
    assert docker.read_text(encoding="utf-8").splitlines() == [
        f"tag carepath-chat-api:v2.0 {URL}:v2.0",
        f"push {URL}:v2.0",
        f"tag carepath-chat-api:v2.0 {URL}:latest",
        f"push {URL}:latest",
    ]


def test_push_of_a_taken_immutable_tag_is_refused_before_docker_is_asked(client: Any, docker: Path) -> None:  # noqa: ANN401  # same
    """Gigabytes are not sent to be refused at their end."""
    client.create_repository(repositoryName=REPOSITORY.name, imageTagMutability="IMMUTABLE")
    put(client, "v2.0", "a")
    with pytest.raises(EcrError, match=r":v2\.0 exists and its tags are immutable; push under a new tag"):
        push(REPOSITORY, "carepath-chat-api:v2.0", "v2.0", client)
    assert not docker.exists()


def test_push_into_an_immutable_repository_leaves_latest(
    client: Any,  # noqa: ANN401  # same
    docker: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The new tag is pushed; latest, which cannot be moved, is named and left."""
    client.create_repository(repositoryName=REPOSITORY.name, imageTagMutability="IMMUTABLE")
    put(client, "latest", "b")
    tags = iter([None, f"sha256:{'b' * 64}", f"sha256:{'c' * 64}"])  # v2.0 before, latest, v2.0 after
    monkeypatch.setattr("infra.ecr.digest_of", lambda *_: next(tags))
    assert push(REPOSITORY, "carepath-chat-api:v2.0", "v2.0", client) == f"{URL}@sha256:{'c' * 64}"
    assert f"push {URL}:latest" not in docker.read_text(encoding="utf-8")
    assert "latest stays where it is" in "".join(capsys.readouterr())


def test_tag_that_is_not_there_has_no_digest(client: Any) -> None:  # noqa: ANN401  # same
    """Absence is None; a repository that is not there is AWS's own error."""
    client.create_repository(repositoryName=REPOSITORY.name)
    assert digest_of(REPOSITORY, "v9", client) is None


def test_tag_is_resolved_to_the_digest_it_has(client: Any) -> None:  # noqa: ANN401  # same
    """What is planned is the image and not the name it goes by today."""
    client.create_repository(repositoryName=REPOSITORY.name)
    put(client, "v2.0", "a")
    assert resolved(f"{URL}:v2.0", client) == f"{URL}@{digest_of(REPOSITORY, 'v2.0', client)}"
    assert Repository.named_by(f"{URL}:v2.0")
    assert not Repository.named_by("localhost:5000/carepath-chat-api:v2.0")


def test_tag_that_is_not_there_is_told_with_what_to_do(client: Any) -> None:  # noqa: ANN401  # same
    """A plan with an image that nobody pushed is refused before it is made."""
    client.create_repository(repositoryName=REPOSITORY.name)
    with pytest.raises(EcrError, match=r"carepath-chat-api has no tag v2\.0; push it \(make push-chat\)"):
        resolved(f"{URL}:v2.0", client)


def test_tag_of_a_repository_that_is_not_there_is_no_traceback(client: Any) -> None:  # noqa: ANN401  # same
    """AWS's own words are kept, behind the image they are about."""
    with pytest.raises(EcrError, match=r"v2\.0: ECR does not say which digest the tag has: .*RepositoryNotFound"):
        resolved(f"{URL}:v2.0", client)
