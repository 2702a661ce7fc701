"""What a cached binary is keyed by, and how a build is made and fails; the compiler is a stand-in."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from infra import binaries
from infra.binaries import KUBE, KWOK, METRICS_SERVER, PAUSE, BuildError, Tool, binary, cache_key, go_program

COMPILER = """#!/bin/sh
echo "$PWD $GOFLAGS $CGO_ENABLED $GOTOOLCHAIN ${GOROOT:-no-goroot} $*" >>"$0.calls"
while [ "$1" != -o ]; do shift; done
printf program >"$2"
"""


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """Return a module without requirements."""
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module x\n", encoding="utf-8")
    (module / "main.go").write_text("package main\n", encoding="utf-8")
    return Tool("x", module)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a compiler that writes down its calls, and an empty cache."""
    path = tmp_path / "go"
    path.write_text(COMPILER, encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("CAREPATH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GOROOT", "/another/go")
    monkeypatch.setattr(binaries, "go_program", lambda: path)
    return path


def test_key_changes_with_everything_that_shapes_the_binary(tool: Tool) -> None:
    """Source, flags, package and compiler version; a file that the compiler does not read changes nothing."""
    first = cache_key(tool, "1.26.6")
    (tool.module / "README.md").write_text("text", encoding="utf-8")
    assert cache_key(tool, "1.26.6") == first
    others = {
        cache_key(tool, "1.26.7"),
        cache_key(replace(tool, ldflags="-s"), "1.26.6"),
        cache_key(replace(tool, package="example.org/cmd"), "1.26.6"),
    }
    (tool.module / "main.go").write_text("package main // changed\n", encoding="utf-8")
    others.add(cache_key(tool, "1.26.6"))
    assert len(others | {first}) == 5


def test_key_changes_with_a_setting_of_the_compiler(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A binary built with other GOFLAGS is another binary."""
    first = cache_key(tool, "1.26.6")
    monkeypatch.setitem(binaries.GO_ENVIRONMENT, "GOFLAGS", "-mod=mod")
    assert cache_key(tool, "1.26.6") != first


def test_binary_is_built_once_with_the_lock_respected(tool: Tool, compiler: Path) -> None:
    """The second call finds it; -mod=readonly, no C compiler, no other toolchain, no other Go's library."""
    path = binary(tool)
    assert binary(tool) == path
    assert path.read_text(encoding="utf-8") == "program"
    (call,) = compiler.with_name("go.calls").read_text(encoding="utf-8").splitlines()
    assert call.startswith(f"{tool.module} -mod=readonly 0 local no-goroot build -o ")
    assert call.endswith("-trimpath -buildvcs=false -ldflags=-s -w .")


def test_failed_build_shows_command_status_and_last_lines_and_leaves_no_binary(tool: Tool, compiler: Path) -> None:
    """The next call builds again instead of finding half a program."""
    compiler.write_text("#!/bin/sh\necho main.go:1: broken\nexit 3\n", encoding="utf-8")
    with pytest.raises(BuildError) as caught:
        binary(tool)
    text = str(caught.value)
    assert text.startswith(f"x: (cd {tool.module} && env CGO_ENABLED=0 GOFLAGS=-mod=readonly")
    assert text.endswith("\n  exit status 3\n  | main.go:1: broken")
    compiler.write_text(COMPILER, encoding="utf-8")
    assert binary(tool).exists()


def test_module_with_requirements_and_no_sums_is_refused(tool: Tool, compiler: Path) -> None:
    """Without go.sum nothing would hold the downloads to what was reviewed."""
    (tool.module / "go.mod").write_text("module x\nrequire example.org/y v1.0.0\n", encoding="utf-8")
    with pytest.raises(BuildError, match=r"x: .*go\.sum is missing"):
        binary(tool)
    assert not compiler.with_name("go.calls").exists()


def test_compiler_is_the_one_of_the_python_environment() -> None:
    """Not one that happens to be on PATH."""
    path = go_program()
    assert path.parts[-4:] == ("site-packages", "go", "bin", "go")
    assert path.exists()


def test_kubernetes_names_itself_as_the_version_it_is_built_from() -> None:
    """Clients judge version skew by it; the module file is the one source."""
    text = (KUBE.module / "go.mod").read_text(encoding="utf-8")
    (version,) = re.findall(r"^\tk8s\.io/kubernetes (v\S+)$", text, flags=re.MULTILINE)
    assert f"-X k8s.io/component-base/version.gitVersion={version} " in KUBE.ldflags
    minor = version.split(".")[1]
    assert KUBE.ldflags.endswith(f"version.gitMinor={minor}")


@pytest.mark.parametrize("tool", [KUBE, METRICS_SERVER, PAUSE, KWOK], ids=lambda tool: tool.name)
def test_tool_of_the_cluster_has_its_module_committed(tool: Tool) -> None:
    """Each is a folder with go.mod, and go.sum where it requires anything."""
    text = (tool.module / "go.mod").read_text(encoding="utf-8")
    assert text.startswith("module carepath/")
    assert (tool.module / "go.sum").exists() == ("require" in text)
