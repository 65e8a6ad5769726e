"""Where a program is, how it is run, and the project files that say so."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .values import Properties, Secret, UnsupportedFeatureError


@dataclass(frozen=True)
class Project:
    """A program and the directory it belongs to."""

    root: Path
    """The directory of Pulumi.yaml."""
    name: str
    cwd: Path
    """The directory the program and the providers run in: that of `main`."""
    entry: str
    """What is run, relative to `cwd`."""
    program: Callable[[], object] | None
    """The inline program, if that is what is run."""
    environment: Mapping[str, str]
    """Added to the environment of the program and the providers."""


def open_project(
    work_dir: str | Path | None,
    name: str | None,
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
    is_file = main.suffix == ".py"
    if not (main.parent if is_file else main).is_dir():
        raise NotADirectoryError(f"main in {root / 'Pulumi.yaml'} names {main}, which is not there; correct it")
    return Project(
        root=root,
        name=name or settings.get("name") or root.name,
        cwd=main.parent if is_file else main,
        entry=main.name if is_file else ".",
        program=program,
        environment=dict(environment or {}),
    )


def qualified(key: str, project: str) -> str:
    """Put a key that names no namespace into the project's, as `pulumi config set` does."""
    return key if ":" in key else f"{project}:{key}"


def read_stack_config(project: Project, stack: str, decrypt: Callable[[str, str], str]) -> Properties:
    """Read Pulumi.<stack>.yaml; {} when there is none.

    `decrypt(salt, ciphertext)` opens a value that `pulumi config set --secret` has encrypted.
    """
    document = _read_yaml(project.root / f"Pulumi.{stack}.yaml")
    config: Properties = {}
    for key, value in (document.get("config") or {}).items():
        if isinstance(value, dict) and value.keys() == {"secure"}:
            text: str | Secret = Secret(decrypt(document.get("encryptionsalt", ""), value["secure"]))
        else:  # configuration is text; what is more in YAML is JSON in it
            text = value if isinstance(value, str) else json.dumps(value)
        config[qualified(key, project.name)] = text
    return config


def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}
