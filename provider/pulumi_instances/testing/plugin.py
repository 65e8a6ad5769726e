"""The pytest plugin: fixtures for tests of programs that declare instances.

pytest loads it in every run where the package is installed, so nothing heavy is imported before a fixture is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pulumi.automation import ConfigValue

    from .emulator import Emulator
    from .engine import StackDouble

__all__ = ["StackFactory", "instances_api", "instances_dialect", "stack"]


class StackFactory(Protocol):
    """What the fixture `stack` is."""

    def __call__(
        self,
        program: Callable[[], object] | str | Path,
        *,
        name: str = "dev",
        config: Mapping[str, str | ConfigValue] | None = None,
    ) -> StackDouble:
        """Open a stack of a program: a function, or the directory of a project.

        Two calls with the same ``name`` in one test are the same stack with another program. ``config`` is the stack's
        configuration, as for ``pulumi config set``.
        """


@pytest.fixture(scope="session")
def instances_dialect() -> str:
    """The dialect of the emulated API. Override it, in the scope of the session, for that of the live services."""
    return "default"


@pytest.fixture(scope="session")
def _instances_server(instances_dialect: str) -> Iterator[Emulator]:
    from .emulator import Emulator

    with Emulator(dialect=instances_dialect) as api:
        yield api


@pytest.fixture
def instances_api(_instances_server: Emulator) -> Emulator:
    """The emulated Instances API, empty at the start of each test."""
    _instances_server.reset()
    return _instances_server


@pytest.fixture
def stack(instances_api: Emulator, tmp_path: Path) -> Iterator[StackFactory]:
    """A factory of stacks that use the emulated API: ``stack(program).up()``."""
    from .engine import StackDouble

    # The environment wins over all configuration: a developer's own settings must not lead a test to the real service.
    env = {name: "" for name in os.environ if name.startswith("INSTANCES_")}
    env.update(instances_api.env, PULUMI_HOME=str(tmp_path / "pulumi-home"))

    with ExitStack() as opened:

        def open_stack(
            program: Callable[[], object] | str | Path,
            *,
            name: str = "dev",
            config: Mapping[str, str | ConfigValue] | None = None,
        ) -> StackDouble:
            source: dict[str, Any] = {"program": program} if callable(program) else {"work_dir": Path(program)}
            state_file = tmp_path / f"pulumi-{name}.json"
            return opened.enter_context(
                StackDouble(name, **source, state_file=state_file, config=dict(config or {}), env_vars=env)
            )

        yield open_stack
