"""The pytest plugin as users get it: through the entry point, in a separate pytest run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "testing-your-program"


def _pytest(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "--no-header",
    ]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_the_example_tests_its_program(tmp_path: Path) -> None:
    """examples/testing-your-program passes its own tests where it is copied to."""
    shutil.copytree(EXAMPLE, tmp_path / "project")

    run = _pytest(tmp_path / "project")

    assert "5 passed" in run.stdout, run.stdout + run.stderr


def test_each_test_has_an_api_and_a_stack_of_its_own(tmp_path: Path) -> None:
    """Nothing of one test reaches another, nor do settings that the developer has in the environment."""
    (tmp_path / "test_it.py").write_text(
        """
import pytest

def program():
    from pulumi_instances import Instance
    Instance("box", your_mom="dropbox")

@pytest.mark.parametrize("turn", [1, 2])
def test_it(stack, instances_api, turn):
    assert instances_api.instances() == []
    assert stack(program).up().summary.resource_changes == {"create": 2}
    assert len(instances_api.instances()) == 1

def test_two_stacks(stack, instances_api):
    stack(program, name="one").up()
    assert stack(program, name="two").up().summary.resource_changes == {"create": 2}
    assert stack(program, name="one").up().summary.resource_changes == {"same": 2}
    assert len(instances_api.instances()) == 2
"""
    )

    run = _pytest(tmp_path, INSTANCES_USER_SECRET="of-the-real-service", INSTANCES_DIALECT="elements")

    assert "3 passed" in run.stdout, run.stdout + run.stderr


def test_a_fixture_chooses_the_dialect(tmp_path: Path) -> None:
    """With parameters, the same tests run on both."""
    (tmp_path / "conftest.py").write_text(
        """
import pytest

@pytest.fixture(scope="session", params=["default", "elements"])
def instances_dialect(request):
    return request.param
"""
    )
    (tmp_path / "test_it.py").write_text(
        """
def program():
    from pulumi_instances import Instance
    Instance("x", your_mom="sfdc")

def test_it(stack, instances_api, instances_dialect):
    assert stack(program).up().summary.resource_changes == {"create": 2}
    (request,) = instances_api.writes
    assert ("element" in request.body) == (instances_dialect == "elements")
"""
    )

    run = _pytest(tmp_path)

    assert "2 passed" in run.stdout, run.stdout + run.stderr


def test_loading_the_plugin_loads_no_more_than_the_sdk(tmp_path: Path) -> None:
    """Every pytest run of its users loads it, so only the fixtures import the emulator and the engine."""
    (tmp_path / "test_it.py").write_text(
        """
import sys

def test_it(request):
    assert request.config.pluginmanager.has_plugin("pulumi_instances")
    heavy = {"starlette", "uvicorn", "cryptography", "rich", "requests", "pulumi_instances.testing.engine"}
    assert heavy & sys.modules.keys() == set()
"""
    )

    run = _pytest(tmp_path)

    assert "1 passed" in run.stdout, run.stdout + run.stderr
