"""Imports of this package, and of what it needs, find what is installed, not what a program has beside it.

Python looks for a module beside the program first, and so does the plugin process of dynamic providers, which starts in
that directory: a `secrets.py` of the program would pass for the one of the standard library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import FrameType, ModuleType

_PACKAGE = __name__.partition(".")[0]
_STANDARD_LIBRARY = os.__file__.rpartition(os.sep)[0]


def prefer_installed() -> None:
    """Let imports of this package find what is installed first, from now on. Calling twice is fine."""
    if not any(isinstance(finder, _Installed) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Installed())


class _Installed:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is installed; None leaves it to the other finders, as imports of anybody else."""
        homes = _homes()
        if path is not None or not _is_ours(sys._getframe(1), homes):
            return None
        spec = PathFinder.find_spec(name, homes, target)
        return None if spec is None or spec.origin is None else spec


def _homes() -> list[str]:
    """Where the standard library and, beside the SDK, the other packages are installed."""
    sdk = getattr(sys.modules.get("pulumi"), "__file__", None)
    packages = [sdk.rsplit(os.sep, 2)[0]] if sdk else []
    return [_STANDARD_LIBRARY, f"{_STANDARD_LIBRARY}{os.sep}lib-dynload", *packages]


def _is_ours(frame: FrameType | None, homes: Sequence[str]) -> bool:
    """Whether the import is due to this package: nothing but libraries is between the two."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.partition(".")[0] == _PACKAGE:
            return not name.startswith(f"{_PACKAGE}.testing")  # it runs programs
        if not frame.f_code.co_filename.startswith(("<frozen", *homes)):
            return False
        frame = frame.f_back
    return False
