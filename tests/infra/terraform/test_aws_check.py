"""The checker of aws_* blocks, on typings written here in the form that the generated ones have."""

from functools import cache
from pathlib import Path

import pytest

from infra.tf.aws_check import Checked, checked
from infra.tf.blocks import BlocksError, blocks_of, references_of
from infra.tf.typings import Schema, TypingsError, schema_of

DOCS = "https://registry.example/providers/hashicorp/aws/5.100.0/docs/resources/lake"


def declared(name: str, spelling: str, *, block: bool = False) -> str:
    """Return one property as the generator writes it: the name in Terraform is in the link alone."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    note = f"    * {snake} block\n    *\n" if block else ""
    mark, kind = ("?", spelling[1:]) if spelling.startswith("?") else ("", spelling)
    comment = f"    /**\n{note}    * Docs: {{@link {DOCS}#{snake} Lake#{snake}}}\n    */\n"
    return f"{comment}    readonly {name}{mark}: {kind};\n"


LAKE = (
    "export interface LakeConfig extends cdktf.TerraformMetaArguments {\n"
    + declared("lakeName", "string")
    + declared("depthM", "?number")
    + declared("frozen", "?boolean | cdktf.IResolvable")
    + declared("streamIds", "?string[]")
    + declared("tags", "?{\n        [key: string]: string;\n    }")
    + declared("inflow", "?LakeInflow[] | cdktf.IResolvable")  # attribute of objects: written either way
    + declared("dam", "LakeDam", block=True)
    + declared("pier", "?LakePier[] | cdktf.IResolvable", block=True)
    + "}\nexport interface LakeInflow {\n"
    + declared("riverId", "?string")
    + "}\nexport interface LakeDam {\n"
    + declared("heightM", "number")
    + "}\nexport interface LakePier {\n"
    + declared("berths", "?number")
    + """}
export declare class LakeDamOutputReference extends cdktf.ComplexObject {
    get heightM(): number;
    get engineerArn(): string;
}
export declare class LakePierOutputReference extends cdktf.ComplexObject {
    get berths(): number;
}
export declare class LakePierList extends cdktf.ComplexList {
    get(index: number): LakePierOutputReference;
}
export declare class Lake extends cdktf.TerraformResource {
    get arn(): string;
    get lakeName(): string;
    get tags(): {
    get dam(): LakeDamOutputReference;
    get pier(): LakePierList;
}
"""
)

SOUND = """
resource "aws_lake" "this" {
  for_each = var.lakes # a comment may say aws_lake.this.nonsense

  lake_name  = each.key
  depth_m    = "12"
  frozen     = false
  stream_ids = ["a", aws_lake.other["x.y"].dam[0].engineer_arn]
  tags       = { Name = aws_lake.other[each.value.name].tags.Owner }

  inflow {
    river_id = 3
  }

  dam {
    height_m = var.height
  }

  dynamic "pier" {
    for_each = var.piers

    content {
      berths = pier.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "kubectl_manifest" "other" {
  anything = 1
}
"""


@cache
def lake() -> Schema:
    """Return the schema of the only resource of this provider."""
    return schema_of(LAKE)


def check(tmp_path: Path, text: str, name: str = "main.tf") -> Checked:
    """Return what is found in one file."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    return checked(
        [tmp_path / name], lambda kind: lake() if kind == "aws_lake" else None, ["aws_lake", "aws_pond"], tmp_path
    )


def test_file_that_agrees_has_no_problem(tmp_path: Path) -> None:
    """The near miss: every form that Terraform accepts, and blocks of another provider, which are not looked at."""
    found = check(tmp_path, SOUND)
    assert [str(problem) for problem in found.problems] == []
    assert (found.versions, found.blocks, found.arguments, found.references) == ({"5.100.0"}, 4, 8, 2)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("depth_m ", "depht_m ", "6: aws_lake has no argument depht_m; the nearest is depth_m"),
        ("height_m =", "heigth_m =", "16: aws_lake.dam has no argument heigth_m; the nearest is height_m"),
        ("      berths", "      births", "23: aws_lake.pier has no argument births; the nearest is berths"),
        ("  dam {", "  damm {", "15: aws_lake has no block damm; the nearest is dam"),
        ('"aws_lake" "this"', '"aws_lakes" "this"', "2: the provider has no aws_lakes; the nearest is aws_lake"),
        ("  lake_name  = each.key\n", "", "2: aws_lake needs the argument lake_name"),
        ('"12"', '"deep"', "6: aws_lake.depth_m is 'deep' and wants a number"),
        ("frozen     = false", 'frozen = "no"', "7: aws_lake.frozen is 'no' and wants true or false"),
        ('stream_ids = ["a", ', 'stream_ids = "a" #', "8: aws_lake.stream_ids is 'a' and wants a list"),
        ("lake_name  = each.key", "lake_name = []", "5: aws_lake.lake_name is [] and wants a single value"),
        ("tags       = {", 'tags = "x" # {', "9: aws_lake.tags is 'x' and wants a map"),
        ("  dam {", "  dam = {", "15: aws_lake.dam is a block: write dam { ... } without ="),
        ("  inflow {", "  frozen {", "11: aws_lake.frozen is an argument and no block: write frozen = ..."),
        (
            "  lifecycle {",
            "  dam {\n    height_m = 1\n  }\n  lifecycle {",
            "27: aws_lake.dam may stand once; it stands in line 15 too",
        ),
        (".engineer_arn", ".enginer_arn", "8: aws_lake.dam has no attribute enginer_arn; the nearest is engineer_arn"),
        ("].tags.", "].tagz.", "9: aws_lake has no attribute tagz; the nearest is tags"),
    ],
)
def test_fault_is_named_with_file_line_and_nearest_name(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """Each thing that the provider would refuse is told once more precisely than the provider would."""
    assert SOUND.count(old) == 1
    assert f"main.tf:{problem}" in [str(each) for each in check(tmp_path, SOUND.replace(old, new)).problems]


def test_missing_block_is_named_at_the_block_that_needs_it(tmp_path: Path) -> None:
    """What is not there has no line of its own."""
    found = check(tmp_path, 'resource "aws_lake" "this" {\n  lake_name = "x"\n}\n')
    assert [str(problem) for problem in found.problems] == ["main.tf:1: aws_lake needs the block dam"]


def test_reference_in_a_test_file_is_judged_too(tmp_path: Path) -> None:
    """The modules' own tests cannot run without the provider; what they read can be judged all the same."""
    found = check(
        tmp_path, 'run "x" {\n  assert { condition = aws_lake.this.dam[0].hight_m == 1 }\n}\n', "x.tftest.hcl"
    )
    assert [str(problem) for problem in found.problems] == [
        "x.tftest.hcl:2: aws_lake.dam has no attribute hight_m; the nearest is height_m"
    ]
    assert found.blocks == 0


def test_file_that_is_no_hcl_is_named(tmp_path: Path) -> None:
    """The parser's complaint keeps its file."""
    (tmp_path / "broken.tf").write_text('resource "aws_lake" {{{', encoding="utf-8")
    with pytest.raises(BlocksError, match=r"broken\.tf: no HCL: "):
        blocks_of(tmp_path / "broken.tf")


def test_index_of_a_reference_is_no_attribute() -> None:
    """What stands in brackets is looked up, not read."""
    (found,) = references_of("x = data.aws_lake.this[each.value.name].dam[0].height_m")
    assert (found.data, found.type, found.path) == (True, "aws_lake", ("dam", "height_m"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("export interface Lake {\n}\n", "have no resource with its Config record"),
        (LAKE.replace("LakeDam {", "LakeWeir {"), "names records that are declared elsewhere: LakeDam"),
        (LAKE.replace("#depth_m ", "#"), "the property depthM has no link"),
    ],
)
def test_typings_of_another_form_are_refused(text: str, problem: str) -> None:
    """A generator that changed its output must not make everything pass."""
    with pytest.raises(TypingsError, match=problem):
        schema_of(text)
