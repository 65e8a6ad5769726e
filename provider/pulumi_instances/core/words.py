"""The words in messages for what programs write, which differ by front end. Pure.

Each front end passes its own words to the code that makes a message.

>>> PYTHON.argument("adopt_id", "42"), NATIVE.argument("adopt_id", "42")
('adopt_id=42', 'adoptId: 42')
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .model import camel


@dataclass(frozen=True)
class Words:
    """How the programs of one front end write properties, options, functions and values."""

    name: Callable[[str], str]
    """Returns the name of a property, an option or a function there: ``adopt_id``, or ``adoptId``."""
    between: str
    """The text between the name of an argument and its value."""
    true: str
    false: str

    def argument(self, key: str, value: str) -> str:
        """Return an argument as a program gives it: ``tags=["a"]``, or ``tags: ["a"]``."""
        return f"{self.name(key)}{self.between}{value}"


PYTHON = Words(name=str, between="=", true="True", false="False")
NATIVE = Words(name=camel, between=": ", true="true", false="false")
"""The words for the native package are those of YAML and TypeScript."""
