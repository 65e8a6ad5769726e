"""Test doubles for programs that declare instances: they need no service and no CLI, only the extra ``[testing]``.

The exported names are public (docs/testing.md, docs/emulator.md).

>>> with Emulator() as api:
...     StackDouble(program=program, env_vars=api.env).up()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .emulator import Account, Emulator, Fault, Request
    from .engine import StackDouble, UnsupportedFeatureError
    from .plugin import StackFactory

__all__ = ["Account", "Emulator", "Fault", "Request", "StackDouble", "StackFactory", "UnsupportedFeatureError"]

_ELSEWHERE = {"StackDouble": ".engine", "StackFactory": ".plugin", "UnsupportedFeatureError": ".engine"}


def __getattr__(name: str) -> Any:
    # Imported on use, since the pytest plugin is in this package and loads in every pytest run of its users.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, ".emulator"), __name__), name)
