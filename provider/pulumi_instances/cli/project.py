"""The project that a command runs in: its `Pulumi.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def file_of(directory: Path) -> Path | None:
    """The `Pulumi.yaml` in this directory or above; None where there is none."""
    folders = (directory, *directory.parents)
    return next((folder / "Pulumi.yaml" for folder in folders if (folder / "Pulumi.yaml").is_file()), None)


def read(file: Path) -> dict[str, Any] | None:
    """What a `Pulumi.yaml` holds; None where it is not a YAML object."""
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) else None


def name_in(directory: Path) -> str | None:
    """The name of the project; None where there is none."""
    file = file_of(directory)
    name = None if file is None else (read(file) or {}).get("name")
    return name if isinstance(name, str) else None
