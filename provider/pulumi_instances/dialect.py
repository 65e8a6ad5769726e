"""How a service spells the API: the document's words, or those of the live services that it comes from."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DIALECTS", "Dialect"]


@dataclass(frozen=True)
class Dialect:
    """The words that differ between services.

    ``connector`` is the wire name of the object that names the connector: ``{"<connector>": {"key": "dropbox"}}``.
    ``empty_is_404`` tells whether 404 is the answer to a listing of nothing.
    """

    connector: str
    empty_is_404: bool = False


DIALECTS = {
    "default": Dialect(connector="your_mom"),
    "elements": Dialect(connector="element", empty_is_404=True),
}
