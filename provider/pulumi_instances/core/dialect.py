"""How a service spells the API: the document's words, or those of the live services that it comes from."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["DIALECTS", "Dialect"]


@dataclass(frozen=True)
class Dialect:
    """The words that differ between services.

    ``connector`` is the wire name of the object that names the connector: ``{"<connector>": {"key": "dropbox"}}``.
    ``alters_text`` says that the service strips HTML and outer spaces from names, and tags what comes without a tag
    with its name. ``empty_is_404`` says whether 404 is the answer to a listing of nothing.
    """

    connector: str
    alters_text: bool = False
    empty_is_404: bool = False

    def name_as_made(self, name: str) -> str:
        """The name that an instance has after a create with this one."""
        return re.sub(r"<[^>]*>", "", name).strip() if self.alters_text else name

    def tags_as_made(self, tags: Collection[str], name: str) -> list[str]:
        """The tags, sorted, that an instance has after a create with these and this name."""
        if self.alters_text and not tags:
            return [self.name_as_made(name)]
        return sorted(set(tags))


DIALECTS = {
    "default": Dialect(connector="your_mom"),
    "elements": Dialect(connector="element", alters_text=True, empty_is_404=True),
}
