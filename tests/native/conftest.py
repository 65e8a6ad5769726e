"""One API and one process of the native package for a module: starting them costs more than the tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.distributions import as_wheel, closure
from tests.support.native import Native, settings_of
from tests.support.shell import Refusing, Server, Shell

ROOT = Path(__file__).parents[2]


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


BUILD = ("hatch-fancy-pypi-readme", "hatchling", "parver", "setuptools", "wheel")
"""What builds this package, and the SDK for Python."""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory from which pip installs this package, what it needs, and what the SDK for Python needs."""
    directory = tmp_path_factory.mktemp("wheels")
    for needed in closure(["pulumi-instances", *BUILD, "pip"]):
        as_wheel(needed, directory)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    return directory


@pytest.fixture(scope="session")
def _refusing() -> Iterator[Server]:
    with Server(Refusing).running() as server:
        yield server


@pytest.fixture
def attempts(_refusing: Server) -> list[str]:
    """Where something has been asked for beyond loopback. All of it was refused."""
    _refusing.asked.clear()
    return _refusing.asked


@pytest.fixture
def shell(tmp_path: Path, api: Emulator, wheels: Path, _refusing: Server, attempts: list[str]) -> Shell:  # noqa: ARG001
    """A terminal in an empty directory, with the settings of the emulated API in the environment."""
    directory = tmp_path / "project"
    directory.mkdir()
    return Shell(directory, api.env, _refusing.url, wheels)
