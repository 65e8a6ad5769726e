"""One stack on either engine, with the same methods and the same results."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pulumi.automation as auto

from pulumi_instances.core.state_format import INSTANCE_TYPE
from pulumi_instances.testing.emulator import Emulator
from pulumi_instances.testing.engine import StackDouble

PROJECT = "acceptance"
STACK = "dev"
PASSPHRASE = "acceptance"
HEADER = "import pulumi\nfrom pulumi_instances import Instance, account\n\n"

Program = Callable[[], None]
Stack = auto.Stack | StackDouble
Config = Mapping[str, auto.ConfigValue]
Result = TypeVar("Result", auto.PreviewResult, auto.UpResult, auto.RefreshResult, auto.DestroyResult)


class Harness(ABC):
    """A stack for a test. ``env`` is added to the environment of the program and the provider; change it at will."""

    engine: str
    env: dict[str, str]
    _quick: Mapping[str, Any] = MappingProxyType({})
    """Options that spare the engine work that no test looks at."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env = {}
        self.said: list[str] = []
        """What each operation has printed, the failed ones included."""
        self._inline: Program | None = None

    def program(self, program: str | Program) -> None:
        """Make this the program: source text for `__main__.py`, `HEADER` before it, or a function to run inline."""
        if callable(program):
            self._inline = program
        else:
            self._inline = None
            (self.directory / "__main__.py").write_text(HEADER + textwrap.dedent(program))

    def preview(self, **options: Any) -> auto.PreviewResult:
        return self._heard(lambda stack: stack.preview(**options))

    def up(self, **options: Any) -> auto.UpResult:
        return self._heard(lambda stack: stack.up(**self._quick, **options))

    def refresh(self, **options: Any) -> auto.RefreshResult:
        return self._heard(lambda stack: stack.refresh(**self._quick, **options))

    def destroy(self, **options: Any) -> auto.DestroyResult:
        return self._heard(lambda stack: stack.destroy(**self._quick, **options))

    def _heard(self, operation: Callable[[Stack], Result]) -> Result:
        try:
            with self._open() as stack:
                result = operation(stack)
        except auto.CommandError as error:
            self.said.append(f"{error} {error!r}")
            raise
        self.said.append(f"{result.stdout}\n{result.stderr}")
        return result

    def export(self) -> auto.Deployment:
        with self._open() as stack:
            return stack.export_stack()

    def import_(self, deployment: auto.Deployment) -> None:
        with self._open() as stack:
            stack.import_stack(deployment)

    def resources(self) -> list[dict[str, Any]]:
        """All resources of the exported state, the stack and its providers included."""
        deployment = self.export().deployment or {}
        return list(deployment.get("resources") or [])

    def instances(self) -> dict[str, dict[str, Any]]:
        """The instances of the exported state by their resource names."""
        found = [resource for resource in self.resources() if resource["type"] == INSTANCE_TYPE]
        return {resource["urn"].rpartition("::")[2]: resource for resource in found}

    @abstractmethod
    def checkpoint(self) -> auto.Deployment:
        """The exported state with its secrets encrypted, unlike `export`, as `pulumi stack export` prints it."""

    @abstractmethod
    def configure(self, config: Config) -> None:
        """Set values of the stack's configuration."""

    @abstractmethod
    def unconfigure(self, keys: Iterable[str]) -> None:
        """Remove values of the stack's configuration."""

    @abstractmethod
    def _open(self) -> AbstractContextManager[Stack]: ...


class LocalHarness(Harness):
    """The local engine. A stack object lives for one operation only, so all that lasts is in the state file."""

    engine = "local"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._config: dict[str, auto.ConfigValue] = {}
        self.env = {"PULUMI_HOME": str(directory / "pulumi-home")}
        _write_project(directory)

    def checkpoint(self) -> auto.Deployment:
        return _deployment((self.directory / "state.json").read_text())

    def configure(self, config: Config) -> None:
        self._config.update(config)

    def unconfigure(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self._config[key]

    def _open(self) -> AbstractContextManager[Stack]:
        return StackDouble(
            STACK,
            program=self._inline,
            work_dir=self.directory,
            project_name=PROJECT,
            state_file=self.directory / "state.json",
            config=self._config,
            env_vars=self.env,
            passphrase=PASSPHRASE,
        )


class CliHarness(Harness):
    """The real CLI through the Automation API, with a file backend inside the stack's directory."""

    engine = "cli"
    # The summary of each operation would show the configuration decrypted, for one more derivation of the key.
    _quick = MappingProxyType({"show_secrets": False})

    def __init__(self, directory: Path, template: Path | None = None) -> None:
        """``template`` is the directory of another harness that has not run yet: a copy spares making a stack."""
        super().__init__(directory)
        if template is None:
            _write_project(directory)
        else:
            shutil.copytree(template, directory, dirs_exist_ok=True)
        self.env = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PULUMI_HOME": str(directory / "pulumi-home"),
            "PULUMI_BACKEND_URL": directory.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        workspace = auto.LocalWorkspace(str(directory), env_vars=self.env, pulumi_command=_command())
        workspace.env_vars = self.env
        self._stack = (auto.Stack.create if template is None else auto.Stack.select)(STACK, workspace)

    def checkpoint(self) -> auto.Deployment:
        return _deployment(_command().run(["stack", "export"], str(self.directory), self.env).stdout)

    def configure(self, config: Config) -> None:
        self._stack.set_all_config(dict(config))

    def unconfigure(self, keys: Iterable[str]) -> None:
        self._stack.remove_all_config(list(keys))

    def _open(self) -> AbstractContextManager[Stack]:
        self._stack.workspace.program = self._inline
        return nullcontext(self._stack)


@cache
def _command() -> auto.PulumiCommand:
    return auto.PulumiCommand()


def _deployment(document: str) -> auto.Deployment:
    return auto.Deployment(**json.loads(document))


def _write_project(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
    (directory / "__main__.py").write_text("")


def settings(api: Emulator) -> dict[str, auto.ConfigValue]:
    """The configuration of a stack that uses the default account of this API."""
    dialect = api.env.get("INSTANCES_DIALECT", "default")
    return {
        "instances:dialect": auto.ConfigValue(dialect),
        "instances:baseUrl": auto.ConfigValue(api.base_url),
        "instances:userSecret": auto.ConfigValue(api.user_secret, secret=True),
        "instances:organizationSecret": auto.ConfigValue(api.organization_secret, secret=True),
    }
