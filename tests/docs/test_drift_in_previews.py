"""docs/settings.md, "Drift in previews": what the two front ends need for it, and what a preview then prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator

from .conftest import needs_cli
from .markdown import blocks

[OPTION], [COMMANDS] = blocks("docs/settings.md", "yaml"), blocks("docs/settings.md", "sh")
DYNAMIC, NATIVE = blocks("docs/settings.md", "text")
DYNAMIC_PROGRAM = 'from pulumi_instances import Instance\nInstance("files", your_mom="box", name="Team files")\n'
NATIVE_PROGRAM = "{type: instances:Instance, properties: {yourMom: box, name: Team files}}"

needs_yaml = pytest.mark.skipif(shutil.which("pulumi-language-yaml") is None, reason="no YAML host on PATH")


@needs_cli
@pytest.mark.parametrize(
    ("project", "commands", "shown"),
    [
        pytest.param(f"runtime: python\n{OPTION}", "", DYNAMIC, id="dynamic"),
        pytest.param(
            f"runtime: yaml\nresources: {{files: {NATIVE_PROGRAM}}}\n", COMMANDS, NATIVE, id="native", marks=needs_yaml
        ),
    ],
)
def test_a_preview_shows_drift_and_up_repairs_it(
    project: str, commands: str, shown: str, instances_api: Emulator, tmp_path: Path
) -> None:
    """The native package takes it up in a stack that exists, by the commands of the document."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")},
        **instances_api.env,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }

    def run(commands: str) -> str:
        done = subprocess.run(
            ["bash", "-e", "-c", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    (tmp_path / "Pulumi.yaml").write_text(f"name: drift\n{project}")
    (tmp_path / "__main__.py").write_text(DYNAMIC_PROGRAM)
    run("pulumi stack init dev; pulumi up --yes --skip-preview")
    run(commands)
    [made] = instances_api.instances()
    instances_api.change(made["id"], name="by hand")

    said = re.sub(r"\[id=\d+\]", "[id=4001]", run("pulumi preview --diff"))
    assert [line for line in shown.splitlines() if line not in said.splitlines()] == []
    run("pulumi up --yes --skip-preview")
    assert instances_api.instance(made["id"]) == made
