"""examples/automation-api: its commands on the real CLI, as its README shows them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import cli_env

from .conftest import needs_cli
from .markdown import ROOT, blocks, document

EXAMPLE = "examples/automation-api/README.md"


@needs_cli
def test_the_example(tmp_path: Path, instances_api: Emulator) -> None:
    """A lost state is healed without another create. A locked stack is left alone, and does not stop others."""
    shutil.copytree(ROOT / "examples/automation-api", tmp_path / "pulumi-instances/examples/automation-api")
    project = tmp_path / "automation-api"
    env = {**os.environ, **cli_env(tmp_path), **instances_api.env}
    env |= {"PULUMI_BACKEND_URL": (project / "state").as_uri(), "PULUMI_CONFIG_PASSPHRASE": ""}

    def run(command: str, code: int = 0, directory: Path = project) -> str:
        done = subprocess.run(
            ["bash", "-ec", command], cwd=directory, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        # After a program that has failed, the SDK may write of its event loop.
        return done.stdout + (done.stderr if code else "")

    begin, lose = blocks(EXAMPLE, "sh")
    of_up, taken_over = blocks(EXAMPLE, "text")
    *lines, up = [line for line in begin.splitlines() if not re.match("python3 -m venv|pip install", line)]
    assert run("\n".join([*lines, up]), directory=tmp_path) == of_up
    made = {instance["token"] for instance in instances_api.instances()}
    assert run(lose) == taken_over
    assert {instance["token"] for instance in instances_api.instances()} == made
    lock = project / "state/.pulumi/locks/organization/customers/acme/another-run.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("{}")
    said = run(up, code=1)
    assert "acme: \n" in said
    assert "the stack is currently locked" in said
    assert re.findall(r"^(\w+): failed; once more", said, re.MULTILINE) == ["globex"]
    assert {instance["token"] for instance in instances_api.instances()} == made
    assert f"`{(recover := 'python deploy.py recover acme')}`" in document(EXAMPLE)
    assert run(recover).startswith("acme: {'same': 3}\n")
    assert f"`{(destroy := 'python deploy.py destroy')}`" in document(EXAMPLE)
    assert run(destroy) == "acme: {'delete': 3}\nglobex: {'delete': 2}\n"
    assert instances_api.instances() == []
    assert run("python deploy.py remove", code=1) == "usage: python deploy.py up|recover|destroy [acme|globex]…\n"
