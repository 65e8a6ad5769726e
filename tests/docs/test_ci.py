"""docs/ci.md and examples/ci: the steps of each job, run as they are written, on the real CLI and the emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pulumi_instances.testing.emulator import Emulator

from .conftest import needs_cli
from .markdown import ROOT, blocks

RECIPES = ("github", "gitlab")


class _Strict(yaml.SafeLoader):
    """YAML in which a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len({*keys}), keys
        return super().construct_mapping(node, deep)


def _recipe(name: str) -> dict[str, Any]:
    text = (ROOT / f"examples/ci/{name}.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, _Strict)  # noqa: S506  a SafeLoader
    return loaded


def _steps(name: str, job: str, interrupted: bool) -> list[str]:
    """The shell steps of a job, in order. Those with a condition belong to the run after an interrupted one."""
    recipe = _recipe(name)
    if name == "gitlab":
        return ["\n".join([*recipe["default"]["before_script"], *recipe[job]["script"]])]
    steps = [step for step in recipe["jobs"][job]["steps"] if "run" in step]
    return [step["run"] for step in steps if interrupted or "if" not in step]


@pytest.mark.parametrize("name", RECIPES)
def test_no_step_holds_an_expression(name: str) -> None:
    """What an author of a pull request chooses is never pasted into a shell; each recipe has the three jobs."""
    for job in ("preview", "up", "drift"):
        steps = _steps(name, job, interrupted=True)
        assert steps[0].startswith("pip install --requirement requirements.txt")
        assert not any("${{" in step for step in steps)


class _Runner:
    """Runs each job on a machine of its own: another checkout, another PULUMI_HOME."""

    def __init__(self, recipe: str, directory: Path, api: Emulator) -> None:
        self._recipe = recipe
        self._directory = directory
        self._machines = 0
        self._project = Path(shutil.copytree(ROOT / "examples/quickstart", directory / "project"))
        [requirements, *_] = blocks("docs/ci.md", "text")
        (self._project / "requirements.txt").write_text(requirements)
        self.state = directory / "state"
        self.state.mkdir()
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("INSTANCES_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            "PULUMI_BACKEND_URL": self.state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "of CI",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        answers = {"userSecret": api.user_secret, "organizationSecret": api.organization_secret}
        [make_the_stack] = blocks("docs/ci.md", "sh")
        for line in make_the_stack.replace(_url(make_the_stack), api.base_url).splitlines():
            secret = answers.get(line.rpartition(":")[2])
            self._shell(line, self._project, {"PULUMI_HOME": str(directory / "own")}, secret)

    def __call__(self, job: str, interrupted: bool = False) -> subprocess.CompletedProcess[str]:
        self._machines += 1
        machine = self._directory / f"machine-{self._machines}"
        checkout = Path(shutil.copytree(self._project, machine / "checkout"))
        file = machine / "env"  # what a step writes into it is set for the next ones
        environment = {"PULUMI_HOME": str(machine / "home"), "GITHUB_ENV": str(file)}
        if self._recipe == "gitlab" and interrupted:
            environment["INSTANCES_TAKE_OVER"] = "yes"
        file.touch()
        for step in _steps(self._recipe, job, interrupted):
            set_before = dict(line.split("=", 1) for line in file.read_text().splitlines())
            done = self._shell(step, checkout, {**environment, **set_before})
            if done.returncode:
                break
        return done

    def _shell(
        self, script: str, directory: Path, environment: dict[str, str], stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=directory,
            env={**self._environment, **environment},
            input=stdin or "",
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )


def _url(script: str) -> str:
    """The URL that the page writes for that of the reader."""
    return next(word for word in script.split() if word.startswith("https://"))


@needs_cli
@pytest.mark.parametrize("name", RECIPES)
def test_the_jobs_do_what_the_page_says(name: str, tmp_path: Path, api: Emulator) -> None:
    """A lost job is healed on a machine that knows nothing of it, and the gate fails after a change by hand."""
    job = _Runner(name, tmp_path, api)
    preview = job("preview")
    assert preview.returncode == 0, preview.stdout + preview.stderr
    assert "crm" in preview.stdout
    assert api.writes == []

    before = Path(shutil.copytree(job.state, tmp_path / "before"))
    if name == "github":
        up = job("up")
        assert up.returncode == 0, up.stdout + up.stderr
        shutil.rmtree(job.state)
        shutil.copytree(before, job.state)  # as a runner leaves it that is lost right after its creates
    lock = job.state / ".pulumi/locks/organization/quickstart/prod/lost.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text('{"pid": 1, "username": "ci", "hostname": "lost", "timestamp": "2026-01-01T00:00:00Z"}')
    healed = job("up", interrupted=True)
    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert [request.method for request in api.writes].count("POST") == 2

    api.change(next(iter(api.instances()))["id"], name="by hand")
    differs = job("drift")
    assert differs.returncode == 2, differs.stdout + differs.stderr
    assert "by hand" in (tmp_path / f"machine-{job._machines}/checkout/drift.html").read_text()
