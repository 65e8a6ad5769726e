"""What an operation is about: a program and how it is run, its stack and configuration, and the options."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .values import Properties, Secret, UnsupportedFeatureError


@dataclass(frozen=True)
class Project:
    """A program, the directory it belongs to, and its stack."""

    root: Path
    """The directory of Pulumi.yaml."""
    name: str
    stack: str
    cwd: Path
    """The directory the program and the providers run in: that of `main`."""
    entry: str
    """What is run, relative to `cwd`."""
    program: Callable[[], object] | None
    """The inline program, if that is what is run."""
    environment: Mapping[str, str]
    """Added to the environment of the program and the providers."""
    config: Properties = field(default_factory=dict)
    """The whole configuration, `namespace:key` to text or secret text: what the default provider gets."""

    def key(self, key: str) -> str:
        """Put a key that names no namespace into the project's, as `pulumi config set` does."""
        return key if ":" in key else f"{self.name}:{key}"

    def read_config(self, decrypt: Callable[[str, str], str]) -> None:
        """Take over what Pulumi.<stack>.yaml says, if it is there.

        `decrypt(salt, ciphertext)` opens a value that `pulumi config set --secret` has encrypted.
        """
        document = _read_yaml(self.root / f"Pulumi.{self.stack}.yaml")
        for key, value in (document.get("config") or {}).items():
            if isinstance(value, dict) and value.keys() == {"secure"}:
                text: str | Secret = Secret(decrypt(document.get("encryptionsalt", ""), value["secure"]))
            else:  # configuration is text; what is more in YAML is JSON in it
                text = value if isinstance(value, str) else json.dumps(value)
            self.config[self.key(key)] = text


def open_project(
    work_dir: str | Path | None,
    name: str | None,
    stack: str,
    program: Callable[[], object] | None,
    environment: Mapping[str, str] | None,
) -> Project:
    """Look at a directory with or without Pulumi.yaml. Raises NotADirectoryError where there is none."""
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
    return Project(root, name, stack, cwd, entry, program, dict(environment or {}))


def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


@dataclass(frozen=True)
class Options:
    """What preview, up, refresh and destroy can be told; the names are those of `pulumi.automation`."""

    dry_run: bool = False
    parallel: int | None = None
    message: str | None = None
    target: Sequence[str] = ()
    replace: Sequence[str] = ()
    expect_no_changes: bool = False
    refresh: bool = False
    diff: bool = False

    @property
    def width(self) -> int:
        """How many steps may run at once; the CLI's default is four for each processor."""
        return max(self.parallel or 4 * (os.cpu_count() or 1), 1)


def make_options(*, dry_run: bool = False, **given: Any) -> Options:
    """Take the keyword arguments of an operation. Raises UnsupportedFeatureError for what is left out here."""
    known: dict[str, Any] = {name: value for name, value in given.items() if value}
    for name in known.keys() - Options.__dataclass_fields__.keys():
        raise UnsupportedFeatureError(f"the option {name!r}")
    return Options(dry_run=dry_run, **known)
