"""examples/policy: what its README shows, for both types, on the real CLI."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE
from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import PLUGINS, answering_python, cli_env
from tests.support.policies import make_environment, needs_policies

from .markdown import ROOT, blocks

EXAMPLE = "examples/policy/README.md"
PASSWORD = "me:s3cret"

pytestmark = needs_policies

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, instances_api: Emulator) -> Run:
    """A function that runs a line of the README in a project, beside a pack made as the README says."""
    env = {**os.environ, **cli_env(tmp_path), **instances_api.env}
    env["PATH"] = os.pathsep.join([str(answering_python()), env["PATH"]])
    project = tmp_path / "project"
    project.mkdir()

    def run(command: str, code: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=project, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    [make_pack, _, _] = [block.strip() for block in blocks(EXAMPLE, "sh")]
    (tmp_path / "pulumi-instances").symlink_to(ROOT)  # the clone
    run(f"{make_pack} --generate-only")
    make_environment(project / "policy")
    return run


@pytest.mark.parametrize(("language", "kind"), [("python", INSTANCE_TYPE), ("yaml", NATIVE_TYPE)])
def test_the_example(language: str, kind: str, run: Run, tmp_path: Path, instances_api: Emulator) -> None:
    """A violation creates nothing; what passes is deployed as it is declared, marked, and encrypted in the state."""
    project = tmp_path / "project"
    [program] = blocks(EXAMPLE, language)

    def write(program: str) -> None:
        main = "" if language == "python" else PLUGINS + program
        (project / "Pulumi.yaml").write_text(f"name: shop\nruntime: {language}\n{main}")
        (project / "__main__.py").write_text(program)

    write(program)
    run("pulumi stack init dev")
    _, preview, up = (block.strip() for block in blocks(EXAMPLE, "sh"))
    violation, passed = (block.replace(NATIVE_TYPE, kind) for block in blocks(EXAMPLE, "text"))
    said = run(preview, code=1)
    assert violation in _shortened(said)
    assert PASSWORD not in said
    assert instances_api.writes == []

    passes = {
        "python": ('"Files", ', '"Files", name="billing-files", tags=["owner:billing"], '),
        "yaml": ("yourMom: dropbox", 'yourMom: dropbox\n      name: billing-files\n      tags: ["owner:billing"]'),
    }
    write(program.replace(*passes[language]))
    run("pulumi up --yes --skip-preview")  # the configuration is in the state in plain
    assert PASSWORD in _state(tmp_path)
    writes = len(instances_api.writes)
    said = run(f"{up} --yes --skip-preview")
    assert passed in _shortened(said)
    assert PASSWORD not in _state(tmp_path)
    assert len(instances_api.writes) == writes
    for operation in ("refresh", "destroy"):
        assert "unknown flag" in run(f"pulumi {operation} --policy-pack policy", code=1)
    [made] = instances_api.instances()
    assert (made["name"], made["tags"]) == ("billing-files", ["owner:billing"])
    assert made["managed_by"] == "shop/dev/files"


def _shortened(output: str) -> str:
    return re.sub(r"\(local: \S*/policy\)", "(local: policy)", output)


def _state(directory: Path) -> str:
    text = (directory / ".pulumi/stacks/shop/dev.json").read_text()
    assert json.loads(text)["checkpoint"]["latest"]["resources"]
    return text
