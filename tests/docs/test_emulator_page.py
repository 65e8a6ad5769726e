"""docs/emulator.md: drift that is made by a click on the page, seen in a preview, and repaired."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import requests

from pulumi_instances.testing.emulator import Emulator

from .conftest import needs_cli
from .markdown import blocks, document


@needs_cli
def test_the_page_leads_to_drift_and_its_repair(instances_api: Emulator, tmp_path: Path) -> None:
    """Each block runs in a fresh directory, and the preview prints the lines that the document shows."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")},
        **instances_api.env,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    deploy, preview, repair = blocks("docs/emulator.md", "sh")
    settings = deploy.splitlines()[0]

    def run(block: str) -> str:
        command = ["bash", "-e", "-c", f"{settings}\n{block}"]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    project = tmp_path / "empty"
    project.mkdir()
    run(deploy)
    [made] = instances_api.instances()
    origin = {"Origin": instances_api.page_url.removesuffix("/")}

    def click(**form: str) -> None:
        form = {"id": made["id"], **form}
        requests.post(instances_api.page_url, form, headers=origin, timeout=20).raise_for_status()

    click(action="rename", name="by hand")

    said = re.sub(r"\[id=\d+\]", "[id=4001]", run(preview))
    [shown] = blocks("docs/emulator.md", "text")
    assert [line for line in shown.splitlines() if line not in said.splitlines()] == []
    run(repair)
    assert instances_api.instance(made["id"]) == made

    click(action="delete")
    [confirmed] = re.findall("`(INSTANCES_CONFIRM_GONE=true .*?)`", document("docs/emulator.md"))
    run(confirmed)
    assert [instance["name"] for instance in instances_api.instances()] == ["Team files"]
