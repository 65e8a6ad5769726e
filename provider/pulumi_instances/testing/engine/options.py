"""The options of one operation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from .values import UnsupportedFeatureError


@dataclass(frozen=True)
class Options:
    """What preview, up, refresh and destroy can be told; the names are those of `pulumi.automation`."""

    dry_run: bool = False
    parallel: int | None = None
    message: str | None = None
    target: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    expect_no_changes: bool = False
    refresh: bool = False
    diff: bool = False

    @property
    def width(self) -> int:
        """How many steps may run at once; the CLI's default is four for each processor."""
        return max(self.parallel or 4 * (os.cpu_count() or 1), 1)


def make_options(*, dry_run: bool = False, **given: object) -> Options:
    """Take the keyword arguments of an operation. Raises UnsupportedFeatureError for what is left out here."""
    known: dict[str, Any] = {}
    for name, value in given.items():
        if name not in Options.__dataclass_fields__ or name == "dry_run":
            if value:
                raise UnsupportedFeatureError(f"the option {name!r}")
            continue
        if value is not None:
            known[name] = tuple(value) if isinstance(value, (list, tuple)) else value
    return Options(dry_run=dry_run, **known)
