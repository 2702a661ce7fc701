"""Which digest a tag has, asked of a registry that answers as the distribution API says."""

from collections.abc import Callable

import httpx
import pytest

from infra.images.registry import MANIFEST_TYPES, ImageReference, Registry, RegistryError

DIGEST = f"sha256:{'5a' * 32}"
REGISTRY = Registry("localhost:5000", "http://10.90.0.1:5000")
IMAGE = "localhost:5000/carepath-chat-api:v2.0"


def answering(manifest: httpx.Response, tags: httpx.Response | None = None) -> httpx.MockTransport:
    """Return a registry with one answer for manifests and one for the list of tags."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/tags/list"):
            assert tags is not None
            return tags
        assert request.method == "HEAD"
        assert request.url == "http://10.90.0.1:5000/v2/carepath-chat-api/manifests/v2.0"
        assert request.headers["Accept"].split(", ") == list(MANIFEST_TYPES)
        return manifest

    return httpx.MockTransport(handler)


def test_tag_is_replaced_by_its_digest() -> None:
    """The tag goes: beside a digest it would only suggest that it matters."""
    transport = answering(httpx.Response(200, headers={"Docker-Content-Digest": DIGEST}))
    assert REGISTRY.resolved(IMAGE, transport) == f"localhost:5000/carepath-chat-api@{DIGEST}"


@pytest.mark.parametrize("tag", ["", ":v2.0"])
def test_digest_is_kept_without_asking(tag: str) -> None:
    """A reference that has a digest needs no registry, not even one that is reachable."""

    def unreachable(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request)

    image = f"localhost:5000/carepath-chat-api{tag}@{DIGEST}"
    assert REGISTRY.resolved(image, httpx.MockTransport(unreachable)) == f"localhost:5000/carepath-chat-api@{DIGEST}"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (httpx.Response(200, json={"tags": ["v1.0", "latest"]}), "carepath-chat-api has latest, v1.0"),
        (
            httpx.Response(200, json={"tags": [f"v{n}" for n in range(11)]}),
            "v0, v1, v10, v2, v3, v4, v5, v6, v7, v8 ...",
        ),
        (
            httpx.Response(404, json={}),
            "it has no repository carepath-chat-api with tags. Push one: python -m infra.images",
        ),
        (
            httpx.Response(200, json={"tags": None}),  # what docker-registry 2.8 says once all are deleted
            "it has no repository carepath-chat-api with tags. Push one: python -m infra.images",
        ),
    ],
)
def test_tag_that_does_not_exist_names_those_that_do(tags: httpx.Response, expected: str) -> None:
    """The message is enough to see a typing error, or that nothing was pushed."""
    with pytest.raises(RegistryError) as caught:
        REGISTRY.resolved(IMAGE, answering(httpx.Response(404), tags))
    assert str(caught.value).startswith(f"{IMAGE}: not in the registry at http://10.90.0.1:5000; ")
    assert str(caught.value).endswith(expected)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (httpx.Response(500), 'gave 500 and Docker-Content-Digest ""; needed are 200 and a sha256 digest'),
        (httpx.Response(200), 'gave 200 and Docker-Content-Digest ""'),
        (
            httpx.Response(200, headers={"Docker-Content-Digest": "sha256:short"}),
            'Docker-Content-Digest "sha256:short"',
        ),
    ],
)
def test_answer_without_a_digest_is_refused(response: httpx.Response, expected: str) -> None:
    """Something else on that port (a proxy, another service) is no registry."""
    with pytest.raises(RegistryError) as caught:
        REGISTRY.resolved(IMAGE, answering(response))
    assert expected in str(caught.value)


def test_registry_that_does_not_answer_is_named_with_the_reason() -> None:
    """The address tried and httpx's own words are in the message; its exception is the cause."""

    def refused(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    with pytest.raises(RegistryError, match=r"http://10\.90\.0\.1:5000 did not answer: Connection refused") as caught:
        REGISTRY.resolved(IMAGE, httpx.MockTransport(refused))
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


def test_tag_of_another_registry_is_refused() -> None:
    """A tag is never looked up in a registry it does not name."""
    with pytest.raises(RegistryError, match=r"only tags of localhost:5000 .* ecr\.example by its digest"):
        REGISTRY.resolved("ecr.example/carepath-chat-api:v2.0")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("localhost:5000/a/b:v1", ("localhost:5000", "a/b", "v1", None)),
        ("registry.example/a", ("registry.example", "a", None, None)),
        (f"r.example/a@{DIGEST}", ("r.example", "a", None, DIGEST)),
        (f"r.example/a:v1@{DIGEST}", ("r.example", "a", "v1", DIGEST)),
    ],
)
def test_reference_is_taken_apart(text: str, parts: tuple[str, str, str | None, str | None]) -> None:
    """A port is not a tag, and a repository may have folders."""
    assert ImageReference.parse(text) == ImageReference(*parts)


@pytest.mark.parametrize(
    "text", ["", "carepath-chat-api:v2.0", "r.example/A:v1", "r.example/a:", "r.example/a@sha256:12"]
)
def test_text_that_is_no_reference_is_refused(text: str) -> None:
    """A name without a registry means different images to different readers."""
    with pytest.raises(RegistryError, match="is not REGISTRY/REPOSITORY:TAG"):
        ImageReference.parse(text)


SetEnvironment = Callable[[str | None, str | None], None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> SetEnvironment:
    """Return a function that sets or removes the two variables."""

    def choose(name: str | None, url: str | None) -> None:
        for key, value in (("CAREPATH_REGISTRY", name), ("CAREPATH_REGISTRY_URL", url)):
            monkeypatch.delenv(key, raising=False)
            if value is not None:
                monkeypatch.setenv(key, value)

    return choose


def test_registry_of_the_environment_is_both_variables(environment: SetEnvironment) -> None:
    """The name in references and the address differ: the engine and this process may be on different sides."""
    environment("localhost:5000", "http://10.90.0.1:5000/")
    assert Registry.from_environment() == REGISTRY


@pytest.mark.parametrize(
    ("name", "url", "missing"),
    [
        (None, None, "CAREPATH_REGISTRY and CAREPATH_REGISTRY_URL, which"),
        ("localhost:5000", None, "CAREPATH_REGISTRY_URL, which"),
        (None, "http://10.90.0.1:5000", "CAREPATH_REGISTRY, which"),
        ("", "http://10.90.0.1:5000", "CAREPATH_REGISTRY, which"),
    ],
)
def test_registry_of_an_incomplete_environment_names_what_is_missing(
    environment: SetEnvironment, name: str | None, url: str | None, missing: str
) -> None:
    """The message is the command that sets both."""
    environment(name, url)
    with pytest.raises(RegistryError) as caught:
        Registry.from_environment()
    assert str(caught.value) == (
        f'{missing} name the registry of the images, are not set; run: eval "$(python -m infra.cluster env)"'
    )


def test_registry_that_wants_a_login_is_not_open() -> None:
    """What cannot be pushed to without a login is noticed before the push."""
    REGISTRY.check_open(httpx.MockTransport(lambda _: httpx.Response(200)))
    with pytest.raises(RegistryError, match=r"answered 401 to GET /v2/, not 200"):
        REGISTRY.check_open(httpx.MockTransport(lambda _: httpx.Response(401)))
