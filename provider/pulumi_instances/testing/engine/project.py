"""A project as an operation runs it: the program and its directory, the stack, its configuration and the options.

`open_project` reads Pulumi.yaml and Pulumi.<stack>.yaml; nothing is written.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pulumi.automation import ConfigValue

from .values import Properties, Secret, UnsupportedFeatureError, unwrap

Config = Mapping[str, "str | ConfigValue"]


@dataclass(frozen=True)
class Project:
    """A program, the directory it belongs to, and its stack."""

    root: Path
    """The directory of Pulumi.yaml."""
    settings: dict[str, Any]
    """The contents of Pulumi.yaml; empty where there is none."""
    name: str
    stack: str
    cwd: Path
    """The directory the program and the providers run in: that of `main`."""
    entry: str
    """The file or directory to run, relative to `cwd`."""
    program: Callable[[], object] | None
    """The inline program, which is run instead of `entry`."""
    environment: Mapping[str, str]
    """Added to the environment of the program and the providers."""
    config: Properties
    """The whole configuration, `namespace:key` to text or secret text: what the default provider gets."""

    @property
    def refreshes_first(self) -> bool:
        """Whether each operation is to refresh first, as Pulumi.yaml says by `options: {refresh: always}`."""
        return (self.settings.get("options") or {}).get("refresh") == "always"

    def key(self, key: str) -> str:
        """Return a key with its namespace: the project's where it names none, as with `pulumi config set`."""
        return key if ":" in key else f"{self.name}:{key}"

    def all_config(self) -> dict[str, ConfigValue]:
        """Return the whole configuration as the Automation API has it."""
        return {key: ConfigValue(unwrap(value), isinstance(value, Secret)) for key, value in self.config.items()}

    def set_config(self, config: Config) -> None:
        """Set values of the configuration."""
        for key, value in config.items():
            given = value if isinstance(value, ConfigValue) else ConfigValue(str(value))
            self.config[self.key(key)] = Secret(given.value) if given.secret else given.value

    def read_config(self, given: Config) -> None:
        """Read the configuration in Pulumi.<stack>.yaml, then what is given.

        Raises UnsupportedFeatureError for an encrypted value that is not given: it belongs to another stack's key.
        """
        file = _read_yaml(self.root / f"Pulumi.{self.stack}.yaml").get("config") or {}
        for key, value in file.items():
            if isinstance(value, dict) and value.keys() == {"secure"}:
                if {key, key.removeprefix(f"{self.name}:")}.isdisjoint(given):
                    raise UnsupportedFeatureError(f"encrypted configuration ({key}; give a value of it in `config`)")
            else:  # configuration is text: other values of the YAML become JSON
                self.config[self.key(key)] = value if isinstance(value, str) else json.dumps(value)
        self.set_config(given)


def open_project(
    stack: str,
    work_dir: str | Path | None = None,
    *,
    name: str | None = None,
    program: Callable[[], object] | None = None,
    environment: Mapping[str, str] | None = None,
    config: Config | None = None,
) -> Project:
    """Return the project in a directory, with or without Pulumi.yaml.

    Raises NotADirectoryError where there is none, ValueError for a name that no stack may have, and TypeError for what
    is neither a function nor a path.
    """
    if not isinstance(stack, str) or not re.fullmatch(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}", stack):
        raise ValueError(
            f"name {stack!r} is not the name of a stack; write at most 100 letters, digits, hyphens, underscores or "
            "periods, such as dev"
        )
    if not isinstance(work_dir, (str, os.PathLike, type(None))):
        raise TypeError(f"the program is neither a function nor the directory of a project, but {work_dir!r}")
    root = Path(work_dir or Path.cwd()).resolve()
    if not root.is_dir():
        raise NotADirectoryError(f"work_dir {root} is not a directory; create it or pass another one")
    settings = _read_yaml(root / "Pulumi.yaml")
    runtime = settings.get("runtime", "python")
    runtime = runtime.get("name") if isinstance(runtime, dict) else runtime
    if runtime != "python":
        raise UnsupportedFeatureError(f"programs of the runtime {runtime!r}")
    main = Path(os.path.normpath(root / settings.get("main", ".")))
    cwd, entry = (main.parent, main.name) if main.suffix == ".py" else (main, ".")
    if not cwd.is_dir():
        raise NotADirectoryError(f"main in {root / 'Pulumi.yaml'} names {main}, which is not there; correct it")
    name = name or settings.get("name") or root.name
    project = Project(root, settings, name, stack, cwd, entry, program, dict(environment or {}), {})
    project.read_config(config or {})
    return project


def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


_OF_NO_EFFECT = ("parallel", "diff", "color")
"""Options that are accepted: one step runs at a time, and the output has neither values nor colours."""


def refuse_options(given: Iterable[str]) -> None:
    """Raise UnsupportedFeatureError for options of an operation that the local engine leaves out."""
    for name in sorted(set(given) - set(_OF_NO_EFFECT)):
        raise UnsupportedFeatureError(f"the option {name!r}")
