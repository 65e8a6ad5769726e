"""A local stand-in for the Pulumi engine, for tests of programs that use this provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stack import StackDouble
    from .values import UnsupportedFeatureError

__all__ = ["StackDouble", "UnsupportedFeatureError"]


def __getattr__(name: str) -> object:
    """Import on first use: the program's own process is in this package and needs none of it."""
    if name == "StackDouble":
        from .stack import StackDouble

        return StackDouble
    if name == "UnsupportedFeatureError":
        from .values import UnsupportedFeatureError

        return UnsupportedFeatureError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
