"""The quickstart, which is the program of docs/getting-started.md: from a clone and on its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import requests
import yaml

from pulumi_instances.testing import StackDouble
from pulumi_instances.testing.emulator import Emulator

from .conftest import Open
from .markdown import ROOT, blocks, document, normalised

DOCUMENT = "docs/getting-started.md"


def test_the_document_shows_the_quickstart_verbatim() -> None:
    """It is examples/quickstart, in at most 12 lines."""
    program = (ROOT / "examples/quickstart/__main__.py").read_text()
    assert blocks(DOCUMENT, "python")[0] == program
    assert len(program.splitlines()) <= 12


def test_a_copy_deploys_and_leaves_nothing(tmp_path: Path, open_stack: Open, instances_api: Emulator) -> None:
    """On the CLI a copy prints what the document shows. A preview is empty then, and destroy leaves nothing."""
    copy = shutil.copytree(ROOT / "examples/quickstart", tmp_path / "elsewhere")
    with open_stack(copy) as stack:
        result = stack.up(color="never")
        printed = [normalised(line) for line in result.stdout.splitlines()]
        shown = blocks(DOCUMENT, "text")[0].splitlines()
        assert isinstance(stack, StackDouble) or [line for line in shown if normalised(line) not in printed] == []
        outputs = result.outputs
        held = {instance["your_mom"]: instance for instance in instances_api.instances()}
        assert held.keys() == {"dropbox", "sfdc"}
        assert outputs["ids"].value == {"files": str(held["dropbox"]["id"]), "crm": str(held["sfdc"]["id"])}
        assert outputs["files_token"].value == held["dropbox"]["token"]
        assert outputs["files_token"].secret
        [mark] = re.findall(r"`(pulumi:[^`]*#[^`]*)`", document(DOCUMENT))
        assert mark.rpartition(".")[0] in {tag.rpartition(".")[0] for tag in _tags_at_the_api(instances_api)}
        stack.preview(expect_no_changes=True)
        stack.destroy()
    assert instances_api.instances() == []


def _tags_at_the_api(api: Emulator) -> list[str]:
    headers = {"Authorization": f"User {api.user_secret}, Organization {api.organization_secret}"}
    listed = requests.get(f"{api.base_url}/instances", headers=headers, timeout=10).json()
    return [tag for instance in listed for tag in instance["tags"]]


def test_both_project_files_name_the_same_project() -> None:
    """A stack of the clone is also a stack of the quickstart in place: they differ in `main` only."""
    root, own = (yaml.safe_load(document(path)) for path in ("Pulumi.yaml", "examples/quickstart/Pulumi.yaml"))
    del own["template"]
    assert root == {**own, "main": "examples/quickstart"}
