"""docs/fleets.md and examples/fleet."""

from __future__ import annotations

import os
import re
import shutil
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
from .markdown import ROOT, blocks, document, table

EXAMPLE = "examples/fleet/README.md"


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
def test_the_example(tmp_path: Path, api: Emulator, environment: dict[str, str]) -> None:
    """Its commands print what its README shows, and `destroy` leaves nothing."""
    project = Path(shutil.copytree(ROOT / "examples/fleet", tmp_path / "fleet"))
    (project / ".venv").symlink_to(Path(sys.prefix))

    def run(command: str, code: int = 0) -> str:
        return _run(command, project, environment, code)

    _, make_stacks, up, drift_and_heal, _, on_cluster = [block.strip() for block in blocks(EXAMPLE, "sh")]
    stacks, of_up = blocks(EXAMPLE, "text")
    assert run(make_stacks) == stacks
    assert _comparable(run(up)) == _comparable(of_up)
    drift, refresh, up_again = drift_and_heal.splitlines()
    assert "3 succeeded; no changes" in run(drift)
    api.change(api.instances()[0]["id"], name="renamed by hand")
    assert "2 succeeded, 1 drifted; ~1 differ" in run(drift, 2)
    assert "1 succeeded; ~1 update" in run(refresh)
    assert "1 succeeded; ~1 update" in run(up_again)
    assert run(on_cluster, 1).startswith("Error: --cluster tcp://127.0.0.1:8786: ")
    assert f"`{(destroy := 'pulumi-instances fleet destroy --yes')}`" in document(EXAMPLE)
    assert "-8 delete" in run(destroy)
    assert api.instances() == []


def _comparable(output: str) -> list[str]:
    """Return the lines of an output without machine and times, in any order."""
    return sorted(re.sub(r" on [\w.-]+ in [\d.]+ s|; \d+ s$", "", line) for line in output.splitlines())


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
