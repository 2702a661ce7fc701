"""Where the AWS provider's schema comes from, and which files are held against it: the outside of `aws_check`."""

import re
from functools import cache
from pathlib import Path

from infra import npm
from infra.paths import PROJECT
from infra.tf.aws_check import Checked, checked, type_of
from infra.tf.blocks import blocks_of, references_of
from infra.tf.typings import Schema, schema_of
from infra.tf.workspace import TERRAFORM


def check() -> Checked:
    """Hold every Terraform file of the project against the provider's schema.

    Raises:
        BlocksError: a file is no HCL.
        NpmError: the typings could not be had, or are other ones.
        CommandError: npm failed.
        TypingsError: the typings do not look as expected.
    """
    files = sorted(
        file for file in TERRAFORM.rglob("*") if file.suffix in {".tf", ".hcl"} and ".terraform" not in file.parts
    )
    paths = {_declarations(kind): kind for kind in _types(files)}
    package = npm.archive(npm.PROVIDER_AWS)
    declarations = {paths[path]: text.decode() for path, text in npm.members(package, paths.__contains__).items()}
    # Only for the nearest name to an unknown one: reading the whole package takes seconds.
    known = [_kind(path) for path in npm.names(package)] if len(declarations) < len(paths) else []

    @cache
    def schema(kind: str) -> Schema | None:
        return schema_of(declarations[kind]) if kind in declarations else None

    return checked(files, schema, [kind for kind in known if kind is not None], PROJECT)


def _types(files: list[Path]) -> set[str]:
    """Return every AWS type that a file declares or reads."""
    declared = {type_of(block) for file in files if file.suffix == ".tf" for block in blocks_of(file)}
    read = {
        f"data.{reference.type}" if reference.data else reference.type
        for file in files
        for reference in references_of(file.read_text(encoding="utf-8"))
    }
    return {kind for kind in declared | read if kind is not None}


def _declarations(kind: str) -> str:
    """Return the file that declares a type: data.aws_vpc is in lib/data-aws-vpc."""
    folder = "provider" if kind == "provider.aws" else kind.replace("data.aws_", "data_aws_").removeprefix("aws_")
    return f"lib/{folder.replace('_', '-')}/index.d.ts"


def _kind(path: str) -> str | None:
    """Return the type that a file declares, None for a file that declares none."""
    match = re.fullmatch(r"lib/(data-aws-)?([a-z0-9-]+)/index\.d\.ts", path)
    if match is None or match[2] == "provider":
        return None
    return f"{'data.' if match[1] else ''}aws_{match[2].replace('-', '_')}"
