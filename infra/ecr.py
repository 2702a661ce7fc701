"""`python -m infra.ecr login | push`: the checklist's push to Amazon's registry, with immutable tags in mind.

An image that the local Docker engine has comes in, a reference by digest goes out: a tag is for people, a deploy names
the digest. The token that AWS gives goes to `docker login` on its standard input and is never an argument, so neither a
process list nor a log has it. Building is not its business.
"""

import base64
import re
from dataclasses import dataclass
from typing import Annotated, Any

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from gate.target import TargetError, load_target
from infra.commands import CommandError, run
from infra.images.registry import Registry, RegistryError
from infra.paths import PROJECT
from infra.progress import say

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
TargetOption = Annotated[
    str, typer.Option("--target", envvar="GATE_TARGET", help="Whose image_repository is pushed to.")
]
# 8 GB at 10 MB/s; the engine goes on by itself from where a push broke off.
_PUSH_DEADLINE_S = 1800
_REPOSITORY = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<name>\S+)"
)


class EcrError(Exception):
    """An image cannot be pushed; the message says what was found and what would do."""


@dataclass(frozen=True)
class Repository:
    """An ECR repository, by the parts of its address."""

    account: str
    region: str
    name: str
    url: str

    @classmethod
    def parse(cls, url: str) -> "Repository":
        """Take `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME` apart.

        Raises:
            EcrError: it is the address of another registry.
        """
        match = _REPOSITORY.fullmatch(url)
        if match is None:
            raise EcrError(f'"{url}" is no ECR repository (ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME)')
        return cls(**match.groupdict(), url=url)

    @staticmethod
    def named_by(reference: str) -> bool:
        """Return whether an image's reference, with or without a tag, is one of an ECR repository."""
        return _REPOSITORY.fullmatch(reference) is not None

    @property
    def registry(self) -> str:
        """Return the host that `docker login` is for."""
        return self.url.partition("/")[0]


def login(repository: Repository, client: Any) -> None:  # noqa: ANN401  # boto3 makes its clients' classes at run time
    """Log the Docker client in to the repository's registry, for twelve hours.

    Raises:
        ClientError: AWS refused.
        CommandError: docker did.
    """
    (answer,) = client.get_authorization_token()["authorizationData"]
    user, _, token = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
    run(["docker", "login", "--username", user, "--password-stdin", repository.registry], stdin=token)


def push(repository: Repository, image: str, tag: str, client: Any) -> str:  # noqa: ANN401  # same
    """Push `image` under `tag`, and under `latest` where that is free, and return the reference by digest.

    Raises:
        EcrError: the tag is taken and cannot be moved.
        ClientError: AWS refused, or there is no such repository.
        CommandError: docker could not push.
    """
    (found,) = client.describe_repositories(registryId=repository.account, repositoryNames=[repository.name])[
        "repositories"
    ]
    fixed = found["imageTagMutability"] == "IMMUTABLE"
    if fixed and digest_of(repository, tag, client):
        raise EcrError(f"{repository.url}:{tag} exists and its tags are immutable; push under a new tag (VERSION=...)")
    _pushed(image, f"{repository.url}:{tag}")
    if fixed and digest_of(repository, "latest", client):
        say(f"{repository.url}:latest stays where it is: tags of this repository are immutable")
    else:
        _pushed(image, f"{repository.url}:latest")
    digest = digest_of(repository, tag, client)
    if digest is None:
        raise EcrError(f"{repository.url}:{tag} was pushed and is not there; was it another account's registry?")
    return f"{repository.url}@{digest}"


def resolved(image: str, client: Any = None) -> str:  # noqa: ANN401  # same
    """Return `REPOSITORY:TAG` of ECR by the digest that the tag has now.

    Raises:
        EcrError: there is no such tag or repository, or AWS did not say.
    """
    url, _, tag = image.rpartition(":")
    repository = Repository.parse(url)
    try:
        digest = digest_of(repository, tag, client or _client(repository))
    except (BotoCoreError, ClientError) as error:
        raise EcrError(f"{image}: ECR does not say which digest the tag has: {error}") from error
    if digest is None:
        raise EcrError(f"{image}: {url} has no tag {tag}; push it (make push-chat), or name the image by its digest")
    return f"{url}@{digest}"


def digest_of(repository: Repository, tag: str, client: Any) -> str | None:  # noqa: ANN401  # same
    """Return the digest that a tag has in the registry, None if there is no such tag.

    Raises:
        ClientError: AWS refused.
    """
    try:
        answer = client.describe_images(
            registryId=repository.account, repositoryName=repository.name, imageIds=[{"imageTag": tag}]
        )
    except client.exceptions.ImageNotFoundException:
        return None
    return str(answer["imageDetails"][0]["imageDigest"])


def _pushed(image: str, reference: str) -> None:
    run(["docker", "tag", image, reference])
    say(f"pushing {reference}")
    run(["docker", "push", reference], timeout_s=_PUSH_DEADLINE_S)


def _repository(target: str) -> Repository:
    return Repository.parse(load_target(target, PROJECT).image_repository)


def _client(repository: Repository) -> Any:  # noqa: ANN401  # same
    return boto3.client("ecr", region_name=repository.region)


@app.command("login")
def login_command(target: TargetOption = "demo") -> None:
    """Log the Docker client in to the target's registry, if it is one of ECR."""
    try:
        url = load_target(target, PROJECT).image_repository
        if not Repository.named_by(url):
            registry = Registry.from_environment()
            registry.check_open()
            say(f"{registry.name}, the registry of {url}, is no ECR and asks for no login")
            return
        repository = Repository.parse(url)
        login(repository, _client(repository))
    except (RegistryError, EcrError, TargetError, CommandError, BotoCoreError, ClientError) as error:
        say(f"infra.ecr: {error}")
        raise typer.Exit(1) from error
    say(f"docker is logged in to {repository.registry} for 12 hours")


@app.command("push")
def push_command(
    image: Annotated[str, typer.Argument(help="REPOSITORY:TAG of the local Docker engine.")],
    target: TargetOption = "demo",
) -> None:
    """Push an image under its tag and as latest, and say by which digest to deploy it."""
    try:
        repository = _repository(target)
        reference = push(repository, image, image.rpartition(":")[2], _client(repository))
    except (EcrError, TargetError, CommandError, BotoCoreError, ClientError) as error:
        say(f"infra.ecr: {error}")
        raise typer.Exit(1) from error
    say(f'deploy it by its digest: chat_api_image = "{reference}"')


if __name__ == "__main__":
    app()
