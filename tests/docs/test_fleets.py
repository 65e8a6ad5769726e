"""docs/fleets.md."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from click import Option

from pulumi_instances.cli.fleet import fleet
from pulumi_instances.fleet.report import OPERATIONS, Outcome, Report, Status
from pulumi_instances.testing.emulator import Emulator

from .conftest import needs_cli
from .markdown import blocks, table


def test_the_options_are_those_of_the_command() -> None:
    """Each with the name of its value."""
    options = [each for each in fleet.params if isinstance(each, Option)]
    declared = {f"{each.opts[0]} {each.metavar or ''}".strip() for each in options}
    assert {row["option"] for row in table("docs/fleets.md", "option")} == declared


def test_the_report_has_the_keys_of_the_table() -> None:
    """Those of a stack, and the statuses and operations."""
    report = Report("up", [Outcome("acme", "failed")], 1.0).as_json()
    keys = [*report, *(f"stacks[].{key}" for key in report["stacks"][0])]
    rows = {row["key"]: row["value"] for row in table("docs/fleets.md", "key")}
    assert [*rows] == keys
    assert rows["stacks[].status"].replace("`", "") == _listed(get_args(Status))
    assert rows["operation"].replace("`", "") == _listed(OPERATIONS)
    assert {row["status"] for row in table("docs/fleets.md", "status")} == {*get_args(Status)} - {"succeeded"}


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


@pytest.fixture
def environment(tmp_path: Path, api: Emulator) -> dict[str, str]:
    """A shell with the settings of the account, a backend of its own, and our commands on PATH."""
    return {
        **os.environ,
        **api.env,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": tmp_path.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "fleet",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def _run(command: str, directory: Path, environment: dict[str, str], code: int = 0) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_cli
def test_the_program(tmp_path: Path, environment: dict[str, str]) -> None:
    """It runs over the stacks of the directory `shop` whose names match."""
    [program] = blocks("docs/fleets.md", "python")
    project = tmp_path / "shop"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: shop\nruntime: yaml\n")
    for stack in ("customer-1", "customer-2", "other"):
        _run(f"pulumi stack init {stack}", project, environment)
    (tmp_path / "program.py").write_text(program)
    assert _run("python program.py", tmp_path, environment) == "{'create': 2}\n"
