"""The installed distributions as a source for other environments, so that nothing is downloaded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def closure(names: Iterable[str]) -> list[Distribution]:
    """The distributions that these require, directly or not, without extras; not pulumi-instances itself."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = distribution(name)
        for requirement in map(Requirement, found[name].requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    found.pop("pulumi-instances", None)
    return list(found.values())


def as_wheel(installed: Distribution, directory: Path) -> None:
    """Write the wheel that this was installed from, without its scripts."""
    [info] = {file.parts[0] for file in installed.files or [] if file.parts[0].endswith(".dist-info")}
    tag = next(line for line in (installed.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: "))
    name = f"{info.removesuffix('.dist-info')}-{tag.removeprefix('Tag: ')}.whl"
    left_out = ("..", "__pycache__")
    with zipfile.ZipFile(directory / name, "w") as wheel:
        for file in installed.files or []:
            if file.parts[0] not in left_out and file.name not in ("INSTALLER", "REQUESTED"):
                wheel.write(str(file.locate()), file.as_posix())
