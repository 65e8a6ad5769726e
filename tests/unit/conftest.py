"""Settings of the unit tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from pulumi_instances.testing.emulator import Emulator

# The same examples on every run: a failure is a failure of the code, not of the day.
EXAMPLES = int(os.environ.get("UNIT_EXAMPLES", "200"))
settings.register_profile("unit", deadline=None, derandomize=True, database=None, max_examples=EXAMPLES)
settings.load_profile("unit")


@pytest.fixture(scope="session")
def _emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def api(_emulator: Emulator) -> Emulator:
    """The Instances API on loopback, empty. Its server is started once, as that costs more than the tests."""
    _emulator.reset()
    return _emulator


@pytest.fixture(autouse=True)
def _own_pulumi_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes of creates under way go to a directory of the test's own."""
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path_factory.mktemp("pulumi-home")))
