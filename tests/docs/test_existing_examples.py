"""The examples for existing instances."""

from __future__ import annotations

import shutil
from pathlib import Path

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator

from .conftest import Open
from .markdown import ROOT


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of an example's directory."""
    return Path(shutil.copytree(ROOT / "examples" / request.param, tmp_path / request.param))


@pytest.mark.parametrize("example", ["adopt-existing"], indirect=True)
def test_adopt_existing(example: Path, open_stack: Open, instances_api: Emulator) -> None:
    """It sends one PUT and no POST; afterwards the id may be removed from the program."""
    made = instances_api.add(your_mom="box", name="made by hand")
    with open_stack(example) as stack:
        stack.set_config("id", auto.ConfigValue(str(made)))
        outputs = stack.up().outputs
        assert (outputs["id"].value, outputs["token"].secret) == (str(made), True)
        stack.remove_config("id")
        stack.preview(expect_no_changes=True)
        assert [request.method for request in instances_api.writes] == ["PUT"]
        stack.destroy()
    assert instances_api.instances() == []


@pytest.mark.parametrize("example", ["lookup"], indirect=True)
def test_lookup(example: Path, open_stack: Open, instances_api: Emulator) -> None:
    """What others manage is found and stays as it is."""
    files = instances_api.add(your_mom="dropbox", name="Team files", tags=["eu"])
    crm = instances_api.add(your_mom="sfdc", name="crm", tags=["eu", "prod"])
    with open_stack(example) as stack:
        outputs = stack.up().outputs
        assert outputs["ids"].value == {"Team files": str(files), "crm": str(crm)}
        assert outputs["siblings"].value == 1
        assert outputs["files_token"].value == instances_api.instance(files)["token"]
        assert [name for name, output in outputs.items() if output.secret] == ["files_token"]
        stack.destroy()
    assert instances_api.writes == []
