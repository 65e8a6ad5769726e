"""One API and one process of the native package for a module: starting them costs more than the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.native import Native, settings_of


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment that keeps what the process writes below a directory of the tests."""
    return {"PULUMI_HOME": str(tmp_path_factory.mktemp("pulumi-home"))}


@pytest.fixture
def provider(_provider: Native, api: Emulator) -> Native:  # noqa: ARG001  no faults or instances of earlier tests
    """A configured process, without retries."""
    return _provider


@pytest.fixture(scope="module")
def _provider(_emulator: Emulator, home: dict[str, str]) -> Iterator[Native]:
    with Native(home, {**settings_of(_emulator), "maxRetries": 0}) as process:
        yield process.configure()
