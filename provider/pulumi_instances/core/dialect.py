"""Dialects: the differences between the service of the API document and the live services that it comes from.

Only this module knows them (docs/live-services.md); the rest of the package reads the members of a `Dialect`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DIALECTS", "Dialect", "spoken_in"]


@dataclass(frozen=True)
class Dialect:
    """The properties of one kind of service."""

    connector: str
    """The member of a body that names the connector: ``{"<connector>": {"key": "dropbox"}}``."""
    empty_is_404: bool = False
    """Whether the service answers 404 to a listing without instances."""
    in_place: frozenset[str] = frozenset()
    """Inputs besides `model.UPDATABLE` that change in place, keeping id and token (`model.update`)."""
    merges: bool = False
    """Whether a PATCH changes single keys of ``configuration``. Otherwise a PUT sends all of it."""
    tells_health: bool = False
    """Whether `valid` and `disabled` have a meaning: a refresh then reads each instance, and no listing."""
    filters: bool = False
    """Whether a listing takes a query that leaves instances or configurations out."""

    def listing_query(self, *, tag: str | None = None, text: str | None = None) -> list[tuple[str, str]]:
        """Return the query for the instances with this tag and this text in their names, without configurations."""
        if not self.filters:
            return []
        wanted = {"hydrate": "false", "pageSize": "200", "tags[]": tag, "searchText": text}
        return [(key, value) for key, value in wanted.items() if value is not None]


IN_PLACE = frozenset({"configuration", "provider_data", "enabled"})
"""The inputs that a service can change in place, if it can change more than `model.UPDATABLE`."""

DIALECTS = {
    "default": Dialect(connector="your_mom"),
    "elements": Dialect(
        connector="element",
        empty_is_404=True,
        in_place=IN_PLACE,
        merges=True,
        tells_health=True,
        filters=True,
    ),
}


def spoken_in(answer: Mapping[str, Any], ours: Dialect) -> str | None:
    """Return the name of the other dialect in which an answer names its connector, if it does."""
    if ours.connector in answer:  # nearly always; a listing may hold tens of thousands of answers
        return None
    return next((name for name, other in DIALECTS.items() if isinstance(answer.get(other.connector), dict)), None)
