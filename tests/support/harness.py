"""One stack on any of the engines, with the same methods and the same results."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar, cast
from unittest.mock import patch

import pulumi.automation as auto
from pulumi.automation._stack import StackInitMode

from pulumi_instances.core import model
from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE, SECRET_SIGNATURE, SIGNATURE_KEY
from pulumi_instances.core.words import NATIVE
from pulumi_instances.testing.emulator import Emulator
from pulumi_instances.testing.engine import StackDouble
from pulumi_instances.testing.engine.stack import State
from tests.support.passphrase import decrypt

ROOT = Path(__file__).parents[2]
PROJECT = "acceptance"
STACK = "dev"
PASSPHRASE = "acceptance"
HEADER = "import pulumi\nfrom pulumi_instances import Instance, account\n\n"

PLUGINS = f"plugins: {{providers: [{{name: instances, path: {Path(sys.executable).parent}}}]}}\n"
"""The line of a `Pulumi.yaml` by which the CLI finds the native package."""

Program = Callable[[], None]
Stack = auto.Stack | StackDouble
Config = Mapping[str, auto.ConfigValue]
Result = TypeVar("Result", auto.PreviewResult, auto.UpResult, auto.RefreshResult, auto.DestroyResult)


class Harness(ABC):
    """A stack for a test. ``env`` is added to the environment of the program and the provider; change it at will."""

    engine: str
    env: dict[str, str]
    header = HEADER
    """What is put before the text of a program."""
    instance_type = INSTANCE_TYPE
    provider_type = "pulumi:providers:pulumi-python"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env = {}
        self.said: list[str] = []
        """What each operation has printed, the failed ones included."""
        self._inline: Program | None = None

    def program(self, program: str | Program) -> None:
        """Make this the program: source text for `__main__.py`, the header before it, or a function to run inline."""
        if callable(program):
            self._inline = program
        else:
            self._inline = None
            (self.directory / "__main__.py").write_text(self.header + textwrap.dedent(program))

    def preview(self, **options: Any) -> auto.PreviewResult:
        return self._heard(lambda stack: stack.preview(**options))

    def up(self, **options: Any) -> auto.UpResult:
        return self._heard(lambda stack: stack.up(**options))

    def refresh(self, **options: Any) -> auto.RefreshResult:
        return self._heard(lambda stack: stack.refresh(**options))

    def destroy(self, **options: Any) -> auto.DestroyResult:
        return self._heard(lambda stack: stack.destroy(**options))

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
        found = [resource for resource in self.resources() if resource["type"] == self.instance_type]
        return {resource["urn"].rpartition("::")[2]: resource for resource in found}

    def command(
        self, *words: object, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's directory, with the environment of the stack and what ``env`` adds to it."""
        return subprocess.run(
            [*map(str, words)],
            cwd=self.directory,
            env={**os.environ, **self.env, **(env or {})},
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
        )

    @contextmanager
    def later(self) -> Iterator[None]:
        """In the block it is as if `createTimeout` had passed since the last create."""
        with patch.dict(self.env, INSTANCES_CREATE_TIMEOUT="0.001"):
            yield

    def say(self, message: str) -> str:
        """A message, or a pattern of it, written as for Python programs, as the door of this engine says it."""
        return message

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
    """The local engine. A stack object lives for one operation only; the state is in memory."""

    engine = "local"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._config: dict[str, auto.ConfigValue] = {}
        self._state = State()
        self.env = {"PULUMI_HOME": str(directory / "pulumi-home")}
        _write_project(directory)

    def checkpoint(self) -> auto.Deployment:
        deployment = _without_secrets(self.export().deployment)
        return auto.Deployment(3, deployment)

    def configure(self, config: Config) -> None:
        self._config.update(config)

    def unconfigure(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self._config[key]

    def _open(self) -> AbstractContextManager[Stack]:
        stack = StackDouble(
            STACK,
            program=self._inline,
            work_dir=self.directory,
            project_name=PROJECT,
            config=self._config,
            env_vars=self.env,
            state=self._state,
        )
        return nullcontext(stack)


class _Outputs(Mapping[str, auto.OutputValue]):
    """Outputs that the CLI is asked for when a test first looks at them."""

    def __init__(self, ask: Callable[[], auto.OutputMap]) -> None:
        self._ask = ask

    @cached_property
    def _found(self) -> auto.OutputMap:
        return self._ask()

    def __getitem__(self, key: str) -> auto.OutputValue:
        return self._found[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


class _ThriftyStack(auto.Stack):
    """Runs one process of the CLI for an operation, where the Automation API runs up to four.

    The others ask for what most tests do not look at, or for what the CLI has just written to a file.
    """

    operations = 0

    def outputs(self) -> auto.OutputMap:
        """Those of the update that has just ended, asked for on demand, and before the next operation."""
        number = self.operations

        def ask() -> auto.OutputMap:
            assert self.operations == number, "look at the outputs of an update before the next operation"
            return super(_ThriftyStack, self).outputs()

        return cast("auto.OutputMap", _Outputs(ask))

    def info(self, show_secrets: bool = True) -> auto.UpdateSummary:  # noqa: ARG002  the configuration is left out
        """The CLI's own record of its last operation."""
        folder = Path(self.workspace.work_dir) / ".pulumi" / "history" / PROJECT / self.name
        record = json.loads(max(folder.glob("*.history.json")).read_text())
        return auto.UpdateSummary(
            kind=record["kind"],
            start_time=datetime.fromtimestamp(record["startTime"]).astimezone(),
            message=record["message"],
            environment=record["environment"],
            config={},
            result=record["result"],
            resource_changes=record.get("resourceChanges", {}),
        )


class CliHarness(Harness):
    """The real CLI through the Automation API, with a file backend inside the stack's directory."""

    engine = "cli"

    def __init__(self, directory: Path, template: Path | None = None) -> None:
        """``template`` is the directory of another harness that has not run yet: a copy spares making a stack."""
        super().__init__(directory)
        if template is None:
            _write_project(directory)
        else:
            shutil.copytree(template, directory, dirs_exist_ok=True)
        self.env = cli_env(directory)
        self.true_path = self.env["PATH"]
        """PATH as a user has it."""
        self.env["PATH"] = os.pathsep.join([str(answering_python()), self.true_path])
        workspace = auto.LocalWorkspace(str(directory), env_vars=self.env, pulumi_command=_command())
        workspace.env_vars = self.env
        mode = StackInitMode.CREATE if template is None else StackInitMode.SELECT
        self._stack = _ThriftyStack(STACK, workspace, mode)

    def export(self) -> auto.Deployment:
        """What `pulumi stack export --show-secrets` prints, without another process: the backend's file, decrypted."""
        file = self.directory / ".pulumi" / "stacks" / PROJECT / f"{STACK}.json"
        deployment = json.loads(file.read_text())["checkpoint"]["latest"]
        if provider := deployment.get("secrets_providers"):
            deployment = _in_plain(deployment, provider["state"]["salt"])
        return auto.Deployment(3, deployment)

    def checkpoint(self) -> auto.Deployment:
        return _deployment(_command().run(["stack", "export"], str(self.directory), self.env).stdout)

    def configure(self, config: Config) -> None:
        self._stack.set_all_config(dict(config))

    def unconfigure(self, keys: Iterable[str]) -> None:
        self._stack.remove_all_config(list(keys))

    def _open(self) -> AbstractContextManager[Stack]:
        self._stack.workspace.program = self._inline
        self._stack.operations += 1
        return nullcontext(self._stack)


class NativeHarness(CliHarness):
    """The real CLI with the native package: the same programs, on the SDK that the CLI generates from the schema."""

    engine = "cli-native"
    instance_type = NATIVE_TYPE
    provider_type = "pulumi:providers:instances"

    def __init__(self, directory: Path, template: Path, sdk: Path) -> None:
        """``sdk`` is where the SDK can be imported from (`tools.native_sdk`)."""
        super().__init__(directory, template)
        self.header = f"import sys\nsys.path[:0] = [{str(sdk)!r}, {str(ROOT)!r}]\n{_native(HEADER)}"
        with (directory / "Pulumi.yaml").open("a") as project:
            project.write(PLUGINS)

    def program(self, program: str | Program) -> None:
        """Make this the program, with the one line changed that imports the package."""
        assert isinstance(program, str), "inline programs are not written for both doors"
        super().program(_native(program))

    def instances(self) -> dict[str, dict[str, Any]]:
        """The instances with their inputs and outputs under the keys that the dynamic provider has for them."""
        return {
            name: {
                **resource,
                **{bag: model.from_native(resource[bag]) for bag in ("inputs", "outputs") if bag in resource},
            }
            for name, resource in super().instances().items()
        }

    def say(self, message: str) -> str:
        names = "|".join([*model.NATIVE_NAMES, "ignore_changes", "delete_before_replace"])
        return re.sub(rf"\b({names})\b(=?)", _as_native, message)


def _as_native(found: re.Match[str]) -> str:
    name, equals = found.groups()
    return NATIVE.name(name) + (NATIVE.between if equals else "")


def _native(program: str) -> str:
    return program.replace("from pulumi_instances import", "from tests.support.native_program import")


def cli_env(directory: Path) -> dict[str, str]:
    """The environment for the CLI with all that it keeps in this directory, and PATH as a user has it."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PULUMI_HOME": str(directory / "pulumi-home"),
        "PULUMI_BACKEND_URL": directory.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


ANSWERING_PYTHON = """\
#!/bin/sh
case "$1 $2" in
    "--version " | "-m pip" | "-c "*)
        answer="{directory}/$(printf '%s\\n' "$@" | cksum | tr ' ' -)"
        test -f "$answer" || {{ "{python}" "$@" > "$answer.$$" && mv "$answer.$$" "$answer"; }} || exit
        exec cat "$answer" ;;
esac
exec "{python}" "$@"
"""


@cache
def answering_python() -> Path:
    """A directory with a Python for the CLI's PATH that answers a question about itself once, and then from a file.

    Each operation asks for the versions of Python and pip, for all that is installed, and for what of it has a plugin:
    that is half of the time that an operation takes. Programs and providers run on the real one.
    """
    directory = Path(tempfile.mkdtemp(prefix="answering-python-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    for name in ("python", "python3"):
        (directory / name).write_text(ANSWERING_PYTHON.format(directory=directory, python=sys.executable))
        (directory / name).chmod(0o755)
    return directory


@cache
def _command() -> auto.PulumiCommand:
    return auto.PulumiCommand()


def _without_secrets(value: Any) -> Any:
    """The same with a placeholder for each secret, where the CLI has a ciphertext."""
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "plaintext" in value:
        return {SIGNATURE_KEY: SECRET_SIGNATURE, "ciphertext": "not kept by the local engine"}
    return {key: _without_secrets(item) for key, item in value.items()}


def _in_plain(value: Any, salt: str) -> Any:
    if isinstance(value, list):
        return [_in_plain(item, salt) for item in value]
    if not isinstance(value, dict):
        return value
    if "ciphertext" in value:
        return {SIGNATURE_KEY: SECRET_SIGNATURE, "plaintext": decrypt(PASSPHRASE, salt, value["ciphertext"])}
    return {key: _in_plain(item, salt) for key, item in value.items()}


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
