"""The project's images: what each is built from, and bringing the registry to where it has all of them.

An image is current if the engine has one whose label names the hash of today's inputs, and the registry has that very
image under its tag. Everything else is built or pushed. What leaves is the reference by digest: a tag can be moved.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.images import base, wheelhouse
from infra.images.engine import Engine
from infra.images.keys import context_key
from infra.images.registry import Registry, RegistryError
from infra.paths import PROJECT
from infra.progress import say


@dataclass(frozen=True)
class ImageSpec:
    """An image of the project: the folder it is built from and the Dockerfile's arguments that tell it from others."""

    repository: str
    tag: str
    context: Path
    arguments: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Return REPOSITORY:TAG, the name it is built under."""
        return f"{self.repository}:{self.tag}"


CHAT_API = PROJECT / "service_chat"
IMAGES = (
    ImageSpec("carepath-patient-api", "v1.0", PROJECT / "infra/patient_api"),
    ImageSpec("carepath-chat-api", "v1.0", CHAT_API, (("VERSION", "1.0.0"),)),
    ImageSpec(
        "carepath-chat-api",
        "v2.0",
        CHAT_API,
        (("VERSION", "2.0.0"), ("DOWNLOAD_MODEL", "true"), ("MODEL", "SmolLM2-135M-Instruct")),
    ),
    # The checklist's other way: the same service, and the model comes at first start.
    ImageSpec(
        "carepath-chat-api", "v2.0-option-b", CHAT_API, (("VERSION", "2.0.0"), ("MODEL", "SmolLM2-135M-Instruct"))
    ),
)


class ImageNameError(Exception):
    """There is no such image; the message names those there are."""


def selected(names: Iterable[str]) -> tuple[ImageSpec, ...]:
    """Return the images called `names` (REPOSITORY or REPOSITORY:TAG), or all if there are no names.

    Raises:
        ImageNameError: a name is no image's.
    """
    wanted = set(names)
    unknown = wanted - {name for spec in IMAGES for name in (spec.name, spec.repository)}
    if unknown:
        known = ", ".join(spec.name for spec in IMAGES)
        raise ImageNameError(f"no image is called {', '.join(sorted(unknown))}; there are {known}")
    return tuple(spec for spec in IMAGES if not wanted or wanted & {spec.name, spec.repository})


def inputs_of(spec: ImageSpec) -> str:
    """Return a hash over all an image is made from: context, arguments, and both bases with their wheels."""
    bases = (base.runtime_key(), base.build_key(wheelhouse.wheelhouse_key()))
    return context_key(spec.context, (*bases, *(f"{key}={value}" for key, value in spec.arguments)))


def ensure(specs: Iterable[ImageSpec], engine: Engine, registry: Registry) -> dict[str, str]:
    """Build and push what is not current, and return each image's name with its reference by digest.

    Raises:
        BaseError: the base image cannot be made on this machine.
        CommandError: a download, a build or a push failed.
        RegistryError: the registry does not answer, or does not have what was pushed to it.
    """
    return {spec.name: _current(spec, engine, registry) or _made(spec, engine, registry) for spec in specs}


def _current(spec: ImageSpec, engine: Engine, registry: Registry) -> str | None:
    present = engine.image(f"{registry.name}/{spec.name}")
    if present is None or present.inputs != inputs_of(spec):
        return None
    try:
        resolved = registry.resolved(f"{registry.name}/{spec.name}")
    except RegistryError:
        return None  # a fresh registry has no image yet; one that does not answer is reported by the push
    return resolved if resolved in present.repo_digests else None


def _made(spec: ImageSpec, engine: Engine, registry: Registry) -> str:
    reference, inputs = f"{registry.name}/{spec.name}", inputs_of(spec)
    present = engine.image(reference)
    if present is None or present.inputs != inputs:
        base.ensure_runtime(engine)
        base.ensure_build(engine, wheelhouse.ensure(), wheelhouse.wheelhouse_key())
        say(f"building {spec.name}")
        arguments = {"BUILD_IMAGE": base.BUILD_TAG, "BASE_IMAGE": base.RUNTIME_TAG, **dict(spec.arguments)}
        engine.build(spec.context, spec.context / "Dockerfile", [spec.name, reference], arguments, inputs)
    say(f"pushing {reference}")
    engine.push(reference)
    resolved = registry.resolved(reference)
    pushed = engine.image(reference)
    if pushed is None or resolved not in pushed.repo_digests:
        raise RegistryError(
            f"{reference}: {registry.url} has {resolved}, which is not what was just pushed "
            f"({', '.join(pushed.repo_digests) if pushed else 'the engine lost it'}); "
            f"does {registry.name} mean another registry where the engine runs?"
        )
    return resolved
