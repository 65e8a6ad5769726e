"""`make cli`, and the host of Python programs that it builds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.harness import cli_env
from tests.support.processes import until
from tools import install_cli

from .test_demo import NO_NETWORK, run

HOST = "pulumi-language-python"
needs_our_host = pytest.mark.skipif(
    not str(shutil.which(HOST)).startswith(str(install_cli.CACHE)), reason=f"`{HOST}` on PATH is not that of `make cli`"
)

GO = """\
#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
    list) echo "{sdk}" ;;
    build)
        while [ "$1" != -o ]; do shift; done
        mkdir -p "$2"
        for package in "$@"; do
            case $package in */cmd/*) touch "$2/${{package##*/}}" ;; esac
        done
        {then} ;;
esac
"""
"""A Go that notes how it is called, and builds empty files."""


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """A directory for PATH with that Go; the log of its calls is `log` beside it."""
    sdk = tmp_path / "sdk"
    for script in ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python"):
        (sdk / script).parent.mkdir(parents=True)
        (sdk / script).touch(mode=0o644)
    return put_go(tmp_path, "true")


def put_go(directory: Path, then: str) -> Path:
    tool = directory / "go" / "go"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(GO.format(log=directory / "log", sdk=directory / "sdk", then=then))
    tool.chmod(0o755)
    return tool.parent


def make_cli(clone: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run(clone, "tools.install_cli", *arguments, PATH=f"{path}:/usr/bin:/bin")


def test_without_go_and_network_it_is_one_line(clone: Path) -> None:
    done = make_cli(clone)
    assert done.returncode == 1
    assert done.stderr == (
        "make cli: no CLI: the official installer cannot be reached, and there is no `go` on PATH to build it with.\n"
    )
    assert list(clone.glob(".cache/cli/*")) == []


def test_an_unknown_version_is_one_line(clone: Path, go: Path) -> None:
    done = make_cli(clone, "3.1.0", path=go)
    assert done.stderr == f"make cli: no CLI 3.1.0: there are {' and '.join(install_cli.versions())}.\n"
    assert done.returncode == 2


@pytest.mark.parametrize("version", install_cli.versions())
def test_a_second_call_does_nothing(clone: Path, go: Path, tmp_path: Path, version: str) -> None:
    """Go is called by the first one only, and again when other modules are pinned."""
    assert make_cli(clone, version, path=go).returncode == 0
    binaries = clone / ".cache/cli" / version / "bin"
    assert {"pulumi", "pulumi-language-yaml", "pulumi-converter-yaml", f"{HOST}-exec"} < {
        path.name for path in binaries.iterdir()
    }
    assert os.access(binaries / f"{HOST}-exec", os.X_OK)
    calls = (tmp_path / "log").read_text()
    assert f"version.Version=v{version} " in calls
    assert calls.count("-mod=readonly ") == len(calls.splitlines()) == 3
    again = make_cli(clone, version, path=go)
    assert (again.returncode, again.stdout) == (0, f"The Pulumi CLI {version} is in .cache/cli/{version}/bin.\n")
    assert (tmp_path / "log").read_text() == calls
    with (clone / "tools/cli/yaml.sum").open("a") as sums:
        sums.write("\n")
    assert make_cli(clone, version, path=go).returncode == 0
    assert len((tmp_path / "log").read_text().splitlines()) == 6


def test_a_failed_build_leaves_nothing_but_its_reason(clone: Path, go: Path, tmp_path: Path) -> None:
    """It is in a file, as what Go prints is long."""
    put_go(tmp_path, "echo some reason >&2; exit 1")
    done = make_cli(clone, path=go)
    assert done.stderr == "make cli: no CLI: Go could not build it: .cache/cli/go.log says why.\n"
    assert done.returncode == 1
    assert [path.name for path in clone.glob(".cache/cli/*")] == ["go.log"]
    assert (clone / ".cache/cli/go.log").read_text() == "some reason\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_leaves_nothing(clone: Path, go: Path, tmp_path: Path, number: signal.Signals) -> None:
    put_go(tmp_path, "exec sleep 60")
    env = {**os.environ, **NO_NETWORK, "PATH": f"{go}:/usr/bin:/bin"}
    command = [sys.executable, "-m", "tools.install_cli"]
    with subprocess.Popen(command, cwd=clone, env=env, text=True, stderr=subprocess.PIPE) as building:
        until(lambda: list(clone.glob(".cache/cli/*/cli/bin/pulumi")))
        building.send_signal(number)
        _, said = building.communicate(timeout=60)
    assert (building.returncode, said.strip().partition(".")[0]) == (130, "Stopped")
    assert list(clone.glob(".cache/cli/*")) == []


def new_project(directory: Path, program: str, options: str = "{}") -> dict[str, str]:
    """Make a stack of this program, and return its environment."""
    directory.mkdir(exist_ok=True)
    (directory / "Pulumi.yaml").write_text(f"name: host\nruntime: {{name: python, options: {options}}}\n")
    (directory / "__main__.py").write_text(program)
    env = {**os.environ, **cli_env(directory)}
    subprocess.run(["pulumi", "stack", "init", "dev"], cwd=directory, env=env, capture_output=True, check=True)
    return env


UP = ("pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "dev")


@needs_our_host
@pytest.mark.parametrize(
    ("program", "options", "said"),
    [
        ("import os; print('printed', flush=True); os._exit(3)", "{}", ["printed", "non-zero exit code: 3"]),
        ("raise ValueError('raised')", "{}", ["ValueError: raised"]),
        ("", "{virtualenv: missing}", ["missing"]),
        ("", "{toolchain: conda}", ["unsupported toolchain option: conda"]),
    ],
)
def test_the_host_reports_how_a_program_failed(tmp_path: Path, program: str, options: str, said: list[str]) -> None:
    """What the program has shown itself is not followed by its exit status."""
    env = new_project(tmp_path, program, options)
    done = subprocess.run(UP, cwd=tmp_path, env=env, text=True, capture_output=True, timeout=60, check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert [text for text in said if text not in output] == []
    assert ("exit code" in output) == any("exit code" in text for text in said)


@needs_our_host
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes through /proc")
def test_the_host_and_its_program_end_with_the_engine(tmp_path: Path) -> None:
    """A killed engine asks nobody to end."""
    env = new_project(tmp_path, "import pathlib, time; pathlib.Path('began').touch(); time.sleep(600)")
    mark = f"PULUMI_HOME={env['PULUMI_HOME']}".encode()

    def running() -> list[int]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:
                continue  # it has ended, or is not ours
        return found

    with subprocess.Popen(UP, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as engine:
        until((tmp_path / "began").exists)
        assert len(running()) >= 3
        engine.send_signal(signal.SIGKILL)
    until(lambda: not running())
