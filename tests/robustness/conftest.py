"""One API and one plugin process for a module; stacks on all engines, as in the acceptance suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from pulumi_instances.testing.emulator import Emulator
from tests.acceptance.conftest import (  # noqa: F401  fixtures here too
    cli_template,
    configured_template,
    engine,
    issued,
    native_sdk,
    new_stack,
    stack,
)
from tests.support.plugin import Plugin

# The same examples on every run: a failure is a failure of the code, not of the day.
settings.register_profile(
    "robustness",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment that keeps what a process writes below a directory of the test's own."""
    directory = str(tmp_path_factory.mktemp("pulumi-home"))
    monkeypatch.setenv("PULUMI_HOME", directory)
    return {"PULUMI_HOME": directory}


@pytest.fixture(scope="module")
def plugin(_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    """The real plugin process, set up for the API."""
    env = {"PULUMI_HOME": str(tmp_path_factory.mktemp("pulumi-home")), **_emulator.env, "INSTANCES_MAX_RETRIES": "9"}
    with Plugin(env) as process:
        yield process
