"""What messages call the things that programs write: each front end passes in the words of its programs. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .model import camel


@dataclass(frozen=True)
class Words:
    """How the programs of one front end write properties, options, functions and values."""

    name: Callable[[str], str]
    """Returns what a property, an option or a function is called there: ``adopt_id``, or ``adoptId``."""
    between: str
    """Stands between the name of an argument and its value."""
    true: str
    false: str

    def argument(self, key: str, value: str) -> str:
        """Return an argument as a program gives it: ``tags=["a"]``, or ``tags: ["a"]``."""
        return f"{self.name(key)}{self.between}{value}"


PYTHON = Words(name=str, between="=", true="True", false="False")
NATIVE = Words(name=camel, between=": ", true="true", false="false")
"""Those of the native package are of no one language: YAML and TypeScript read so."""
