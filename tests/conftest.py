"""Rules for every test: no network but loopback, and nothing from the developer's own environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support import engine_counts
from tests.support.distributions import as_wheel, closure
from tests.support.shell import Refusing, Server, Shell

ROOT = Path(__file__).parents[1]
LOOPBACK = ["127.0.0.1", "::1", "localhost"]

# At import, so that fixtures of any scope and the processes they start see none of it.
for _name in [name for name in os.environ if name.startswith(("INSTANCES_", "PULUMI_"))]:
    del os.environ[_name]

# A shell has a background job of a script ignore SIGINT, which all that tests start would inherit. The engine starts
# its plugins with the default even then (docs/engine.md, E16).
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--dialect elements` runs the tests of the engines against the live services' dialect."""
    parser.addoption("--dialect", default="default", help="what the emulated API speaks: default or elements")
    parser.addoption("--website", help="the directory of the website that tests/docs/test_website.py looks at")


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """`-n auto` is two for each core: a test waits as long as it computes, for processes, sockets and limits."""
    return 2 * (yield)


@pytest.fixture(scope="session")
def instances_dialect(request: pytest.FixtureRequest) -> str:
    """The dialect of the emulated API."""
    return str(request.config.getoption("--dialect"))


@pytest.fixture(scope="session")
def _emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def api(_emulator: Emulator) -> Emulator:
    """The Instances API on loopback, empty. Its server is started once, as that costs more than the tests."""
    _emulator.reset()
    return _emulator


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let no test reach beyond loopback (pytest-socket), and leave out those of another dialect, door or engine."""
    of_others = [item for item in items if _is_of_the_other_door(item) or _needs_the_cli(item)]
    items[:] = [item for item in items if item not in of_others]
    config.hook.pytest_deselected(items=of_others)
    dialect = config.getoption("--dialect")
    for item in items:
        item.add_marker(pytest.mark.allow_hosts(LOOPBACK))
        engine_counts.note(item)
        if dialect != "default" and item.get_closest_marker("document_dialect"):
            item.add_marker(pytest.mark.skip(reason=f"not of the dialect {dialect}"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Say on which engines the tests ran, after the list of skipped tests and before the line that counts all."""
    yield
    for line in engine_counts.lines(terminalreporter):
        terminalreporter.write_line(line, bold=True)


def _is_of_the_other_door(item: pytest.Item) -> bool:
    return _engine(item) == "cli-native" and item.get_closest_marker("dynamic_door") is not None


def _needs_the_cli(item: pytest.Item) -> bool:
    return _engine(item) == "local" and item.get_closest_marker("needs_engine") is not None


def _engine(item: pytest.Item) -> object:
    """What a test of the acceptance or the robustness suite runs on."""
    parameters = getattr(item, "callspec", None)
    return parameters.params.get("engine") if parameters else None
