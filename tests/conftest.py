"""Rules for every test: no network but loopback, and nothing from the developer's own environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support import engine_counts

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
