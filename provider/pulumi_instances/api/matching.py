"""Whether an object is the one that a create asked for. Pure.

The API shows name, connector and tags again, and services alter them: they strip HTML and spaces from names, or add a
tag where none was sent. An exact match is what the service makes of the inputs according to the dialect. Anything else
that looks similar is a loose match: not enough to adopt the object, but too much to claim that there is none.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from ..core.dialect import Dialect

_SHORTEST_CUT = 16
"""A name may have been cut off to its first characters; shorter ones say too little."""


class Wanted:
    """What a create asked for, as far as the API shows it again. Tags that were not given are not compared."""

    def __init__(self, inputs: Mapping[str, Any], dialect: Dialect) -> None:
        """``inputs`` are checked ones: ``name`` and ``your_mom``, and ``tags`` where the program gives them."""
        self.name: str = inputs["name"]
        self._your_mom: str = inputs["your_mom"]
        self._name_as_made = dialect.name_as_made(self.name)
        self._tags = None if inputs.get("tags") is None else dialect.tags_as_made(inputs["tags"], self.name)
        self._look = _look(self.name)
        self.key = (self._name_as_made, self._your_mom)
        """Creates with one key cannot be told apart by name and connector."""

    def is_met_by(self, found: Mapping[str, Any]) -> bool:
        """Whether the object is what the service makes of these inputs."""
        return (
            found.get("name") == self._name_as_made
            and found.get("your_mom", self._your_mom) == self._your_mom
            and (self._tags is None or found.get("tags", self._tags) == self._tags)
        )

    def resembles(self, found: Mapping[str, Any]) -> bool:
        """Whether the object may still be the result: its name is similar or missing, whatever its tags are."""
        if found.get("your_mom", self._your_mom) != self._your_mom:
            return False
        look = _look(found.get("name", ""))
        return look in ("", self._look) or (len(look) >= _SHORTEST_CUT and self._look.startswith(look))


def _look(name: str) -> str:
    """A name without what services strip, escape or fold."""
    text = unicodedata.normalize("NFKC", re.sub(r"<[^>]*>", "", html.unescape(name)))
    return "".join(character for character in text.casefold() if character.isalnum())
