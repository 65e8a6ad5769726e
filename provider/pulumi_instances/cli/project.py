"""The project that a command runs in: its `Pulumi.yaml`.

It is looked for as the CLI does, in the directory and those above.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_NAMES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")


def file_of(directory: Path) -> Path | None:
    """Return the `Pulumi.yaml` in this directory or above, under any of its names; None where there is none."""
    files = (folder / name for folder in (directory, *directory.parents) for name in _NAMES)
    return next((file for file in files if file.is_file()), None)


def read(file: Path) -> dict[str, Any] | None:
    """Return the contents of a `Pulumi.yaml` or `Pulumi.json`; None where they are not an object."""
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) else None


def name_in(directory: Path) -> str | None:
    """Return the name of the project of a directory; None where there is none."""
    file = file_of(directory)
    name = None if file is None else (read(file) or {}).get("name")
    return name if isinstance(name, str) else None


def runtime_of(settings: Mapping[str, Any]) -> str | None:
    """Return the language of a project with these contents of its `Pulumi.yaml`; None where it names none."""
    runtime = settings.get("runtime")
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    return name if isinstance(name, str) else None
