"""Settings of the unit tests."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from pulumi_instances.core import marks
from tests.support.marks import counting

# The same examples on every run: a failure is a failure of the code, not of the day.
EXAMPLES = int(os.environ.get("UNIT_EXAMPLES", "200"))
settings.register_profile("unit", deadline=None, derandomize=True, database=None, max_examples=EXAMPLES)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _own_pulumi_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes of creates under way go to a directory of the test's own."""
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path_factory.mktemp("pulumi-home")))


@pytest.fixture
def counted_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks end in 0001, 0002, …, each line with its own."""
    monkeypatch.setattr(marks, "new_mark", counting())


@pytest.fixture
def no_home(_own_pulumi_home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No PULUMI_HOME, and a user without a home directory."""

    def missing() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("PULUMI_HOME")
    monkeypatch.setattr(Path, "home", missing)


@pytest.fixture
def closed() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]
