"""The pytest plugin: fixtures for tests of programs that declare instances.

pytest loads it in every run where the package is installed, so nothing heavy is imported before a fixture is used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pulumi.automation import ConfigValue, Stack

    from .emulator import Emulator
    from .engine import StackDouble

__all__ = ["StackFactory", "instances_api", "instances_dialect", "stack"]

__tracebackhide__ = True
"""A failure in a test shows the test."""

ENGINES = ("local", "cli")


class StackFactory(Protocol):
    """The type of the fixture `stack`."""

    def __call__(
        self,
        program: Callable[[], object] | str | Path,
        *,
        name: str = "dev",
        config: Mapping[str, str | ConfigValue] | None = None,
    ) -> StackDouble | Stack:
        """Open a stack of a program, which is a function or the directory of a project.

        Two calls with the same ``name`` in one test open the same stack with another program. ``config`` is the stack's
        configuration, as for ``pulumi config set``.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--instances-engine` and `instances_engine` of the ini file: the engine that the fixture `stack` uses."""
    text = "what runs the fixture `stack`: local (a test double, the default) or cli (the Pulumi CLI on PATH)"
    parser.getgroup("pulumi-instances").addoption("--instances-engine", choices=ENGINES, help=text)
    parser.addini("instances_engine", text, default="local")


def pytest_configure(config: pytest.Config) -> None:
    """Raise UsageError where the engine is unknown or missing."""
    engine = _engine(config)
    if engine not in ENGINES:
        raise pytest.UsageError(f"instances_engine is {engine!r}: write local or cli")
    if engine == "cli" and shutil.which("pulumi") is None:
        raise pytest.UsageError(
            "--instances-engine=cli: there is no `pulumi` on PATH; install the Pulumi CLI "
            "(https://www.pulumi.com/docs/install/), or use --instances-engine=local"
        )


def _engine(config: pytest.Config) -> str:
    return str(config.getoption("instances_engine") or config.getini("instances_engine"))


@pytest.fixture(scope="session")
def instances_dialect() -> str:
    """Return the dialect of the emulated API. To test with ``elements``, override this fixture of scope ``session``."""
    return "default"


@pytest.fixture(scope="session")
def _instances_server(instances_dialect: str) -> Iterator[Emulator]:
    from .emulator import Emulator

    # Most tests of programs have no OAuth code.
    with Emulator(dialect=instances_dialect, demand_codes=False) as api:
        yield api


@pytest.fixture
def instances_api(_instances_server: Emulator) -> Emulator:
    """Return the emulated Instances API, empty at the start of each test."""
    _instances_server.reset()
    return _instances_server


@pytest.fixture
def stack(
    instances_api: Emulator, tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> StackFactory:
    """Return a factory of stacks that use the emulated API: ``stack(program).up()``.

    During the test the environment has the settings of the emulator, and not those of the developer.
    """
    from .engine import StackDouble
    from .engine.project import open_project
    from .engine.stack import State

    directory = tmp_path / "pulumi"
    directory.mkdir()
    pulumi_home = str(directory / "home")
    open_on_cli = None
    if _engine(pytestconfig) == "cli":
        from .cli import CliStacks

        open_on_cli = CliStacks(directory, pulumi_home).open
    _use_only(instances_api, monkeypatch)
    monkeypatch.setenv("PULUMI_HOME", pulumi_home)
    states: dict[str, State] = {}

    def open_stack(
        program: Callable[[], object] | str | Path,
        *,
        name: str = "dev",
        config: Mapping[str, str | ConfigValue] | None = None,
    ) -> StackDouble | Stack:
        function, work_dir = (program, None) if callable(program) else (None, program)
        if open_on_cli:
            return open_on_cli(open_project(name, work_dir, program=function, config=config))
        state = states.setdefault(name, State())
        return StackDouble(name, program=function, work_dir=work_dir, config=config, state=state)

    return open_stack


def _use_only(api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment so that no account of a test can reach the real service: it wins over all configuration."""
    from ..core.config import ONLY_API

    for name in [name for name in os.environ if name.startswith("INSTANCES_")]:
        monkeypatch.delenv(name)
    for name, value in {**api.env, ONLY_API: api.base_url}.items():
        monkeypatch.setenv(name, value)
