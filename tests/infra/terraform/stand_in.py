"""A program that answers as terraform does, so that what is asked of it can be tested without it."""

import json
from pathlib import Path

from infra.tf.program import Terraform

_SCRIPT = """#!/bin/sh
# Called with -chdir=FOLDER COMMAND ..., or with `version`.
echo "$*" >> "{log}"
[ "$1" = version ] && {{ cat "{folder}/version.txt"; exit 0; }}
cd "${{1#-chdir=}}" || exit 1
shift
case $1 in
plan) for word; do case $word in -out=*) printf 'saved %s' "$*" > "${{word#-out=}}";; esac; done ;;
show) cat "{folder}/plan.json" ;;
console) cat >> "{log}"; cat "{folder}/console.txt" ;;
apply)
    [ -e "{folder}/broken" ] && {{ echo "Error: it broke" >&2; exit 1; }}
    echo "Apply complete! Resources: 1 added" ;;
esac
"""


def terraform_script(folder: Path, name: str = "terraform", version: str = "Terraform v1.11.4") -> Path:
    """Write the program; its answers are the files beside it, and `calls.log` has what it was asked."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(_SCRIPT.format(log=folder / "calls.log", folder=folder), encoding="utf-8")
    path.chmod(0o755)
    (folder / "version.txt").write_text(f"{version}\non linux_amd64\n", encoding="utf-8")
    (folder / "plan.json").write_text(json.dumps({"resource_changes": []}), encoding="utf-8")
    return path


def program(folder: Path, product: str = "Terraform") -> Terraform:
    """Return the stand-in as the rest of the code gets a program."""
    return Terraform(terraform_script(folder), product, "1.11.4", folder / "cli.tfrc")
