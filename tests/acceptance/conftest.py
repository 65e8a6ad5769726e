"""The fixture `stack`: a stack on each of the engines, configured for the emulated API."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import CliHarness, Harness, LocalHarness, NativeHarness, settings
from tests.support.watching import Issued, files, leaks
from tools.native_sdk import generate_sdk

needs_cli = pytest.mark.skipif(shutil.which("pulumi") is None, reason="no `pulumi` on PATH: install the Pulumi CLI")

NewStack = Callable[..., Harness]


ENGINES = ["local"] if shutil.which("pulumi") is None else ["cli", "cli-native"]
"""The local engine takes the place of the CLI where there is none. test_parity.py compares the two."""


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each test that uses it runs on the real CLI, with either front end; without a CLI, on the local engine.

    Tests with the marker `dynamic_door` do not run with the native package.
    """
    return str(request.param)


@pytest.fixture
def issued(monkeypatch: pytest.MonkeyPatch) -> Issued:
    """The secrets that the emulated API hands out, or is given, in this test."""
    return Issued(monkeypatch)


@pytest.fixture
def new_stack(
    engine: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, issued: Issued
) -> Iterator[NewStack]:
    """A factory of stacks of this engine, without any configuration. None of them may ever show a secret."""
    made: list[Harness] = []

    def make(template: str = "cli_template") -> Harness:
        directory = tmp_path_factory.mktemp(engine)
        if engine == "local":
            made.append(LocalHarness(directory))
        elif engine == "cli":
            made.append(CliHarness(directory, request.getfixturevalue(template)))
        else:
            fixtures = [request.getfixturevalue(name) for name in (template, "native_sdk")]
            made.append(NativeHarness(directory, *fixtures))
        return made[-1]

    yield make

    for stack in made:
        said = {f"operation {number}": text for number, text in enumerate(stack.said)}
        assert leaks({**said, **files(stack.directory)}, issued.secrets) == []


@pytest.fixture
def stack(engine: str, new_stack: NewStack, instances_api: Emulator, issued: Issued) -> Harness:
    """A stack without resources, configured for the emulated API."""
    issued.note(instances_api.user_secret, instances_api.organization_secret)
    if engine != "local":
        return new_stack("configured_template")
    stack = new_stack()
    stack.configure(settings(instances_api))
    return stack


@pytest.fixture(scope="session")
def cli_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a stack of the CLI, made once and copied for each test."""
    return CliHarness(tmp_path_factory.mktemp("template")).directory


@pytest.fixture(scope="session")
def configured_template(
    tmp_path_factory: pytest.TempPathFactory, cli_template: Path, _instances_server: Emulator
) -> Path:
    """The same, configured for the emulated API, which is one server with one account for all tests."""
    stack = CliHarness(tmp_path_factory.mktemp("configured"), cli_template)
    stack.configure(settings(_instances_server))
    return stack.directory


@pytest.fixture(scope="session")
def native_sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SDK of the native package, generated once."""
    return generate_sdk(tmp_path_factory.mktemp("native-sdk"))
