"""One API and one plugin process for a module: starting them costs more than the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.plugin import Plugin


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that keeps what the process writes below a directory of the tests."""
    return {"PULUMI_HOME": str(tmp_path_factory.mktemp("pulumi-home"))}


@pytest.fixture(scope="module")
def plugin(_emulator: Emulator, home: dict[str, str]) -> Iterator[Plugin]:
    """The plugin process, set up for the API, with a debug log and without retries."""
    env = {**home, **_emulator.env, "INSTANCES_MAX_RETRIES": "0", "INSTANCES_LOG": "debug"}
    with Plugin(env) as process:
        yield process
