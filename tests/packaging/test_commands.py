"""The commands of a clone, what they end in, and their locks."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nox.project
import pytest
from packaging.requirements import Requirement

from tools import install_cli

from .conftest import ROOT


def make(*arguments: str) -> str:
    """The output of `make`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "CLI"))}
    done = subprocess.run(["make", *arguments], cwd=ROOT, env=environment, text=True, capture_output=True, check=True)
    return done.stdout


def test_each_command_can_be_planned() -> None:
    """`make` alone lists them. No target lacks a prerequisite."""
    targets = [line.split()[1] for line in make("--no-print-directory").splitlines()]
    assert {"help", "check", "test", "release"} < {*targets}
    for target in targets:
        make("--dry-run", target)


def test_the_cli_of_a_clone_comes_after_path() -> None:
    """A `pulumi` of the user is used before that of `make cli`."""
    shown = make("--eval", "shown: ; @echo $$PATH", "shown").strip()
    assert shown == f"{os.environ['PATH']}:{ROOT}/.cache/cli/{install_cli.newest()}/bin"


def test_the_last_lines_say_that_the_engine_was_not_there() -> None:
    """They count what did not run and what ran on the double, and pytest's own count is still the very last line."""
    path = os.pathsep.join(
        directory for directory in os.environ["PATH"].split(os.pathsep) if not (Path(directory) / "pulumi").exists()
    )
    env = {**os.environ, "PATH": path, "CI_STARTED": str(time.time() - 600)}
    tests = ("tests/docs/test_quickstart.py", "tests/acceptance/test_inline.py")
    command = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:xdist", *tests]
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, timeout=120, check=True)
    assert re.sub(r"\d+", "N", "\n".join(done.stdout.splitlines()[-6:-1])) == (
        "THE PULUMI ENGINE WAS NOT THERE: N tests did not run. `make cli` brings it.\n"
        "  not run: N of tests/acceptance\n"
        "  not run: N of tests/docs\n"
        "  passed: N on the local engine, a test double\n"
        "  N minutes since .ci/run began"
    )
    assert re.fullmatch(r"\d+ passed, \d+ skipped in .*", done.stdout.splitlines()[-1])


@pytest.mark.parametrize("lock", ["dev", "bench", "docs"])
def test_a_lock_holds_every_dependency(lock: str) -> None:
    """It is made from pyproject.toml: each requirement is pinned, within its bounds, with hashes."""
    table: dict[str, Any] = nox.project.load_toml(ROOT / "pyproject.toml")
    project = table["project"]
    needed = {
        "dev": [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())],
        **table["dependency-groups"],
    }
    text = (ROOT / f"requirements/{lock}.txt").read_text()
    pinned: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w-]+)==(\S+)(?: ;.*)? \\\n    --hash=sha256:", text, re.MULTILINE):
        pinned.setdefault(name, []).append(version)
    for requirement in map(Requirement, needed[lock]):
        if requirement.name == "pulumi-instances":  # an extra of ours that holds another
            continue
        versions = pinned[requirement.name.lower().replace("_", "-")]
        assert all(version in requirement.specifier for version in versions), requirement
