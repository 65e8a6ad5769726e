"""`make demo`, `make up` and `make destroy`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import needs_cli

# A proxy where nothing listens: what would leave this machine fails at once.
NO_NETWORK = {"https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1,localhost"}
STEPS = ["preview", "up", "preview --diff", "up", "refresh", "up", "preview", "secrets", "destroy"]


def run(clone: Path, tool: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", tool, *arguments],
        cwd=clone,
        env={**os.environ, **NO_NETWORK, **environment},
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def without_cli() -> str:
    """PATH without the directories that hold a `pulumi`."""
    return os.pathsep.join(
        directory for directory in os.environ["PATH"].split(os.pathsep) if not (Path(directory) / "pulumi").exists()
    )


def test_the_demo_succeeds_and_tells_each_step(clone: Path, engine: str) -> None:
    """Each step is announced in a line, and only Pulumi's home and the CLI's passphrase are left behind."""
    done = run(clone, "tools.demo", PULUMI_INSTANCES_ENGINE=engine)
    assert (done.returncode, done.stderr) == (0, "")
    told = [line.partition("] ")[2].partition(":")[0] for line in done.stdout.splitlines() if line.startswith("[")]
    assert told == STEPS
    assert "All as expected" in done.stdout
    assert {path.name for path in (clone / ".demo").iterdir()} - {"passphrase"} == {"home"}
    assert [path.name for path in clone.glob("Pulumi*.yaml")] == ["Pulumi.yaml"]


def test_without_cli_and_network_the_local_engine_is_used(clone: Path) -> None:
    """Nobody has to install anything or to clean up after a killed run: the demo says which engine it takes."""
    (clone / ".demo/demo").mkdir(parents=True)
    (clone / ".demo/demo/state.json").write_text('{"version": 3, "deploy')
    (clone / "Pulumi.demo.yaml").write_text("config:\n  quickstart:name: Shared files\n")
    done = run(clone, "tools.demo", PATH=without_cli())
    assert done.returncode == 0
    assert done.stdout.startswith("Engine: the local engine")


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        ("cli", "The demo failed: there is no `pulumi` on PATH, and the installer had no success"),
        ("clli", "The demo failed: PULUMI_INSTANCES_ENGINE is 'clli': set it to"),
    ],
)
def test_an_engine_that_cannot_be_had_is_one_line(clone: Path, choice: str, problem: str) -> None:
    """A forced engine is never silently another one."""
    done = run(clone, "tools.demo", PULUMI_INSTANCES_ENGINE=choice, PATH=without_cli())
    assert done.returncode == 1
    assert done.stderr.strip().startswith(problem)
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("answer", ["echo", "echo dev", "exit 3"])
def test_a_cli_of_no_version_is_one_line(clone: Path, tmp_path: Path, answer: str) -> None:
    """One that was built without a version prints an empty line."""
    (tmp_path / "pulumi").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "pulumi").chmod(0o755)
    for tool in (["tools.demo"], ["tools.play", "up"]):
        done = run(clone, *tool, PATH=os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
        assert done.returncode == 1
        [line] = done.stderr.strip().splitlines()
        assert f"`{tmp_path}/pulumi version` does not print a version that this SDK works with" in line


def test_ctrl_c_leaves_nothing(clone: Path) -> None:
    """Stopped in the middle of an operation, the demo removes its state, and says what to do."""
    with subprocess.Popen(
        [sys.executable, "-m", "tools.demo"],
        cwd=clone,
        env={**os.environ, "PULUMI_INSTANCES_ENGINE": "local"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "creating" in line:
                demo.send_signal(signal.SIGINT)
                break
        _, said = demo.communicate(timeout=60)
    assert (demo.returncode, said.strip()) == (130, "Stopped. `make demo` starts afresh.")
    assert not (clone / ".demo/demo").exists()


def test_up_outlives_the_command_until_destroy(clone: Path) -> None:
    """`make up` twice changes nothing the second time; `make destroy` leaves nothing; twice is fine."""
    first, second, gone, still_gone = (
        run(clone, "tools.play", operation, PULUMI_INSTANCES_ENGINE="local")
        for operation in ("up", "up", "destroy", "destroy")
    )
    assert [done.returncode for done in (first, second, gone, still_gone)] == [0, 0, 0, 0]
    assert "+ 3 created" in first.stdout
    assert "3 unchanged" in second.stdout
    assert "'Team files'" in second.stdout
    assert "The API holds: nothing." in gone.stdout


@needs_cli
@pytest.mark.parametrize(("first", "second"), [("local", "cli"), ("cli", "local")])
def test_an_engine_does_not_go_on_where_the_other_has_deployed(clone: Path, first: str, second: str) -> None:
    """This is so after `make up`, `make cli` and `make up`: the new state would hold none of the instances."""
    run(clone, "tools.play", "up", PULUMI_INSTANCES_ENGINE=first)
    for operation in ("up", "destroy"):
        done = run(clone, "tools.play", operation, PULUMI_INSTANCES_ENGINE=second)
        assert done.returncode == 1
        [line] = done.stderr.strip().splitlines()
        assert f"run `PULUMI_INSTANCES_ENGINE={first} make destroy` first" in line
    assert run(clone, "tools.play", "destroy", PULUMI_INSTANCES_ENGINE=first).returncode == 0
    assert run(clone, "tools.play", "up", PULUMI_INSTANCES_ENGINE=second).returncode == 0
