"""Lets imports of this package find installed modules, not those that a program has beside it.

Python looks for a module beside the program first, and so does the plugin process of dynamic providers, which starts in
that directory: a `secrets.py` of the program would be imported in place of the standard library's.
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
    """Let imports of this package find what is installed first, from now on. A second call does nothing."""
    if not any(isinstance(finder, _Installed) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Installed())


class _Installed:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is installed; None, which leaves it to other finders, where others import it."""
        folders = _folders()
        if path is not None or not _is_ours(sys._getframe(1), folders):
            return None
        spec = PathFinder.find_spec(name, folders, target)
        return None if spec is None or spec.origin is None else spec


def _folders() -> list[str]:
    """Return the folders of the standard library and of installed packages, which is that of the SDK."""
    sdk = getattr(sys.modules.get("pulumi"), "__file__", None)
    packages = [sdk.rsplit(os.sep, 2)[0]] if sdk else []
    return [_STANDARD_LIBRARY, f"{_STANDARD_LIBRARY}{os.sep}lib-dynload", *packages]


def _is_ours(frame: FrameType | None, folders: Sequence[str]) -> bool:
    """Return whether this package imports, itself or through libraries that it imports."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.partition(".")[0] == _PACKAGE:
            return not name.startswith(f"{_PACKAGE}.testing")  # it runs programs
        if not frame.f_code.co_filename.startswith(("<frozen", *folders)):
            return False
        frame = frame.f_back
    return False
