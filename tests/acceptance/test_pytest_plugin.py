"""The pytest plugin as users get it: through the entry point, in a separate pytest run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import needs_cli

engines = pytest.mark.parametrize("engine", ["local", pytest.param("cli", marks=needs_cli)])
"""What the option `--instances-engine` chooses."""

EXAMPLE = Path(__file__).parents[2] / "examples" / "testing-your-program"


def _pytest(directory: Path, engine: str = "local", **environment: str) -> subprocess.CompletedProcess[str]:
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
        f"--instances-engine={engine}",
    ]
    env = {**os.environ, **environment}
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=280, check=False)


@engines
def test_the_example_tests_its_program(engine: str, tmp_path: Path) -> None:
    """examples/testing-your-program passes its own tests where it is copied to, and nothing is written into it."""
    shutil.copytree(EXAMPLE, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted((tmp_path / "project").rglob("*"))

    run = _pytest(tmp_path / "project", engine, PYTHONDONTWRITEBYTECODE="1")

    assert sorted((tmp_path / "project").rglob("*")) == before

    assert "5 passed" in run.stdout, run.stdout + run.stderr


ALONE = """
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
ELSEWHERE = """
import pytest
from pulumi.automation import CommandError, ConfigValue

def program():
    import pulumi
    from pulumi_instances import Instance, account, get_instances

    eu = account("eu", base_url="https://api.example.com/v2", user_secret="u", organization_secret="o")
    pulumi.export("before", len(get_instances()))
    if pulumi.Config().get("look up"):
        get_instances(opts=pulumi.InvokeOptions(provider=eu))
    else:
        Instance("there", your_mom="dropbox", opts=pulumi.ResourceOptions(provider=eu))

@pytest.mark.parametrize("config", [{}, {"look up": "yes"}])
def test_refused(stack, instances_api, config):
    with pytest.raises(CommandError, match=r"is not the emulator.*set INSTANCES_EU_BASE_URL to instances_api.base_url"):
        stack(program, config=config).up()

def test_lead_to_the_emulator(stack, instances_api, monkeypatch):
    other = instances_api.add_account()
    for name, value in other.env.items():
        monkeypatch.setenv(name.replace("INSTANCES_", "INSTANCES_EU_"), value)
    up = stack(program, config={"secret": ConfigValue("s", secret=True)}).up()
    assert up.outputs["before"].value == 0
    assert (len(instances_api.instances()), len(instances_api.instances(other))) == (0, 1)
"""
CONFIGURED = """
from pulumi.automation import ConfigValue

def outputs(stack):
    return {key: (output.value, output.secret) for key, output in stack.up().outputs.items()}

def test_it(stack):
    given = stack("shop", config={"two": "2", "shop:hidden": ConfigValue("h", secret=True)})
    assert outputs(given) == {"one": ("of the file", False), "two": ("2", False), "hidden": ("h", True)}
    assert given.get_config("two").value == "2"
    assert outputs(stack("shop"))["one"] == ("of the file", False)
    assert outputs(stack("shop", config={"one": "1"})) == {"one": ("1", False)}
    assert stack("shop").export_stack().deployment["resources"]
"""
OF_THE_DEVELOPER = {
    "INSTANCES_USER_SECRET": "of-the-real-service",
    "INSTANCES_EU_USER_SECRET": "of-the-real-service",
    "INSTANCES_DIALECT": "elements",
    "PULUMI_BACKEND_URL": "https://api.example.com",
    "PULUMI_ACCESS_TOKEN": "of-the-real-pulumi",
}


@engines
def test_each_test_has_an_api_and_a_stack_of_its_own(engine: str, tmp_path: Path) -> None:
    """Nothing of one test reaches another, nor do settings that the developer has in the environment.

    What a program says of an account is refused, unless the test leads it to the emulator. Configuration comes on top
    of Pulumi.<stack>.yaml, and does not reach the next stack of that name.
    """
    (tmp_path / "test_alone.py").write_text(ALONE)
    (tmp_path / "test_elsewhere.py").write_text(ELSEWHERE)
    (tmp_path / "test_configured.py").write_text(CONFIGURED)
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (shop / "Pulumi.dev.yaml").write_text("config:\n  shop:one: of the file\n")
    (shop / "__main__.py").write_text(
        "import pulumi\n"
        "for key in ('one', 'two', 'hidden'):\n"
        "    pulumi.export(key, pulumi.Config().get_secret(key) if key == 'hidden' else pulumi.Config().get(key))\n"
    )

    run = _pytest(tmp_path, engine, **OF_THE_DEVELOPER)

    assert "7 passed" in run.stdout, run.stdout + run.stderr


def test_without_a_cli_the_engine_is_refused_in_a_line(tmp_path: Path) -> None:
    """It says where to get one."""
    run = _pytest(tmp_path, "cli", PATH=str(tmp_path))

    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no `pulumi` on PATH; install the Pulumi CLI (https://www.pulumi.com/docs/install/)" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_ini_file_chooses_the_engine(tmp_path: Path) -> None:
    """The option on the command line wins over it."""
    (tmp_path / "pytest.ini").write_text("[pytest]\ninstances_engine = clii\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "instances_engine is 'clii': write local or cli" in run.stderr
    assert _pytest(tmp_path).returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_failure_shows_the_test(tmp_path: Path) -> None:
    """None of the frames of the local engine."""
    (tmp_path / "test_it.py").write_text(
        """
def test_it(stack):
    def program():
        raise ValueError("boom")
    stack(program).up()
"""
    )
    run = _pytest(tmp_path)
    assert "ValueError: boom" in run.stdout
    assert "pulumi_instances/testing" not in run.stdout


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
