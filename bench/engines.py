"""One stack of the CLI, with as little around each operation as the engine allows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tools.native_sdk import generate_sdk

PROGRAMS = Path(__file__).parent / "programs"
PARALLEL = 32
NATIVE = ("native", "yaml")
"""The variants that use the native package."""

_PROJECT = "name: bench\nruntime: {runtime}\nplugins: {{providers: [{{name: instances, path: ./plugin}}]}}\n"

LIMIT = 1200
"""Seconds that one operation may take."""


class Engine(ABC):
    """A stack of one program in a directory of its own. ``env`` reaches the program and the provider."""

    def __init__(self, directory: Path, variant: str, env: Mapping[str, str]) -> None:
        """Copy the program there."""
        shutil.copytree(PROGRAMS / variant, directory, ignore=shutil.ignore_patterns("__pycache__"))
        (directory / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
        self.directory = directory
        self.variant = variant
        self.env = {"PULUMI_HOME": str(directory / "home"), **env}

    @abstractmethod
    def run(self, operation: str) -> None:
        """Run ``up``, ``preview``, ``refresh`` or ``destroy``. Raises an exception where it fails."""

    @abstractmethod
    def resources(self) -> list[dict[str, Any]]:
        """The resources in the state as they are on disk, the stack and its providers included."""

    def _execute(self, *command: str) -> None:
        """Run a program of the engine in the stack's directory. Raises RuntimeError where it fails."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[:2])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


class Cli(Engine):
    """The `pulumi` on PATH with its file backend."""

    extra: ClassVar[Mapping[str, str]] = {}

    def __init__(self, directory: Path, variant: str, env: Mapping[str, str]) -> None:
        """Make the stack, too."""
        super().__init__(directory, variant, env)
        self.env |= {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PULUMI_BACKEND_URL": directory.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "bench",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **self.extra,
        }
        if variant in NATIVE:
            self._add_plugin()
        self._pulumi("stack", "init", "dev")

    def _add_plugin(self) -> None:
        """Make the native package known to the project, and its SDK to a program in Python."""
        plugin = self.directory / "plugin" / "pulumi-resource-instances"
        plugin.parent.mkdir()
        shutil.copy(Path(sys.executable).parent / plugin.name, plugin)
        (self.directory / "Pulumi.yaml").write_text(_PROJECT.format(runtime="python"))
        if self.variant == "native":
            self.env["PYTHONPATH"] = str(generate_sdk(self.directory))

    def _write_yaml(self) -> None:
        """Write the program that has no program."""
        box = "  box-{}: {{type: instances:Instance, properties: {{yourMom: dropbox, tags: [{}]}}}}\n"
        boxes = [box.format(number, self.env["BENCH_TAG"]) for number in range(int(self.env["BENCH_COUNT"]))]
        (self.directory / "Pulumi.yaml").write_text(_PROJECT.format(runtime="yaml") + "resources:\n" + "".join(boxes))

    def run(self, operation: str) -> None:
        """See `Engine`."""
        if self.variant == "yaml":
            self._write_yaml()
        writes = [] if operation == "preview" else ["--yes", "--skip-preview"]
        self._pulumi(operation, "--stack", "dev", "--parallel", str(PARALLEL), *writes)

    def resources(self) -> list[dict[str, Any]]:
        """See `Engine`."""
        document = json.loads((self.directory / ".pulumi/stacks/bench/dev.json").read_text())
        return list(document["checkpoint"]["latest"].get("resources") or [])

    def _pulumi(self, *arguments: str) -> None:
        self._execute("pulumi", *arguments, "--non-interactive")


class CliWithoutCheckpoints(Cli):
    """Writes the state once, at the end: what is left when the file backend's quadratic cost is taken away."""

    extra: ClassVar[Mapping[str, str]] = {"PULUMI_SKIP_CHECKPOINTS": "true"}


ENGINES: dict[str, type[Engine]] = {"cli": Cli, "cli, no checkpoints": CliWithoutCheckpoints}
