"""The differences between services: that of the API document, and the live services that it comes from.

Only this module knows them (docs/live-services.md); the rest of the package reads the members of a `Dialect`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DIALECTS", "Dialect", "spoken_in"]


@dataclass(frozen=True)
class Dialect:
    """One kind of service.

    ``connector`` is the wire name of the object that names the connector: ``{"<connector>": {"key": "dropbox"}}``.
    ``empty_is_404`` says whether 404 is the answer to a listing of nothing.
    """

    connector: str
    empty_is_404: bool = False
    in_place: frozenset[str] = frozenset()
    """Inputs besides name and tags that change in place, keeping id and token: see `updates`."""
    merges: bool = False
    """Whether PATCH changes single keys of ``configuration``. Otherwise PUT sends the whole of it."""
    tells_health: bool = False
    """Whether `valid` and `disabled` say something, so that a refresh reads each instance instead of a listing."""

    filters: bool = False
    """Whether a listing takes a query that leaves instances or configurations out."""

    def listing_query(self, *, tag: str | None = None, text: str | None = None) -> list[tuple[str, str]]:
        """Return the query of a listing without configurations, and only of the instances with this tag and name."""
        if not self.filters:
            return []
        wanted = {"hydrate": "false", "pageSize": "200", "tags[]": tag, "searchText": text}
        return [(key, value) for key, value in wanted.items() if value is not None]


IN_PLACE = frozenset({"configuration", "provider_data", "enabled"})
"""The inputs that a service can change in place, if it can change more than name and tags."""

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
    if ours.connector in answer:  # as nearly always: a listing may hold tens of thousands
        return None
    return next((name for name, other in DIALECTS.items() if isinstance(answer.get(other.connector), dict)), None)
