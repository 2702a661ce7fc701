"""What the AWS provider takes and gives, from the TypeScript typings that are generated of its own schema.

The provider itself is on no package registry; `@cdktf/provider-aws` is, and HashiCorp generates it from the schema of
one provider version. For each argument its declarations have Terraform's own name (in the link to the documentation),
whether it is required, its type, and whether it is a block. What a value may be is not in them, nor which arguments
exclude each other.

Enters: the text of one declaration file. Leaves: a `Schema`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_INTERFACE = re.compile(r"^export interface (\w+)(?: extends [\w.]+)? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_PROPERTY = re.compile(
    r"/\*\*(?P<comment>(?:(?!\*/).)*)\*/\s*readonly (?P<name>\w+)(?P<optional>\?)?: (?P<type>[^;{]+|\{[^}]*\})",
    re.DOTALL,
)
_ANCHOR = re.compile(r"#(\w+) ")
_BLOCK_COMMENT = re.compile(r"\* \w+ block$", re.MULTILINE)
_CLASS = re.compile(r"^export declare class (\w+) extends (cdktf\.\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_GETTER = re.compile(r"^    get (\w+)\(\): (\w+|\{)", re.MULTILINE)
_VERSION = re.compile(r"providers/hashicorp/aws/([0-9.]+)/docs")
_RESOURCE_CLASSES = ("cdktf.TerraformResource", "cdktf.TerraformDataSource", "cdktf.TerraformProvider")


class TypingsError(Exception):
    """A declaration file does not look as the ones this was written for."""


@dataclass(frozen=True)
class Field:
    """One argument or block.

    Attributes:
        required: Terraform refuses a block without it.
        block: written as `name { ... }`; an attribute of objects may be written either way.
        many: it may stand more than once, or holds a list.
        struct: name of the record that describes what is inside; None for a plain value.
        type: TypeScript's type of a plain value: string, number, boolean, and lists of these.
    """

    required: bool
    block: bool
    many: bool
    struct: str | None
    type: str


@dataclass(frozen=True)
class Schema:
    """A resource, data source or provider: its arguments, nested ones by struct, and what can be read of it."""

    version: str
    root: str
    structs: Mapping[str, Mapping[str, Field]]
    readable: Mapping[str, Mapping[str, str]]
    """Class -> attribute in Terraform's spelling, as far as TypeScript's tells it -> the class of what is inside."""
    root_class: str

    @property
    def fields(self) -> Mapping[str, Field]:
        """Return the arguments of the whole."""
        return self.structs[self.root]


def folded(name: str) -> str:
    """Return a name as it is alike in Terraform (vpc_id) and TypeScript (vpcId)."""
    return name.replace("_", "").lower()


def schema_of(declarations: str) -> Schema:
    """Return the schema in one declaration file.

    Raises:
        TypingsError: the file declares no resource, or not with the records that it names.
    """
    structs = {name: _fields(body) for name, body in _INTERFACE.findall(declarations)}
    classes = {name: (base, dict(_GETTER.findall(body))) for name, base, body in _CLASS.findall(declarations)}
    root_class = next((name for name, (base, _) in classes.items() if base in _RESOURCE_CLASSES), None)
    version = _VERSION.search(declarations)
    if root_class is None or f"{root_class}Config" not in structs or version is None:
        raise TypingsError("the declarations have no resource with its Config record and the provider's version")
    root = f"{root_class}Config"
    lost = {field.struct for fields in structs.values() for field in fields.values()} - {None} - structs.keys()
    if lost:
        raise TypingsError(f"{root} names records that are declared elsewhere: {', '.join(sorted(filter(None, lost)))}")
    return Schema(
        version=version[1],
        root=root,
        structs=structs,
        readable={
            name: {_snake(attribute): _inside(kind) for attribute, kind in getters.items()}
            for name, (_, getters) in classes.items()
        },
        root_class=root_class,
    )


def _fields(body: str) -> dict[str, Field]:
    fields = {}
    for match in _PROPERTY.finditer(body):
        anchor = _ANCHOR.search(match["comment"])
        if anchor is None:
            raise TypingsError(f"the property {match['name']} has no link that tells its name in Terraform")
        kind = match["type"].split(" | ")[0].strip()
        plain = kind.removesuffix("[]")
        fields[anchor[1]] = Field(
            required=match["optional"] is None,
            block=_BLOCK_COMMENT.search(match["comment"]) is not None,
            many=kind.endswith("[]"),
            struct=plain if plain[:1].isupper() else None,
            type="map" if kind.startswith("{") else kind,
        )
    return fields


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _inside(kind: str) -> str:
    """Return the class of one element: a list hands out references to its elements."""
    return f"{kind.removesuffix('List')}OutputReference" if kind.endswith("List") else kind
