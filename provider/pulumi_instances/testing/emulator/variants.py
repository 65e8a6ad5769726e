"""How the API of the document and that of the live services differ: the two variants that the emulator serves.

A user chooses one by the name of its dialect, as `instances:dialect` has it; the other modules read the
members of `Variant`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import bodies, elements
from .bodies import Refused

__all__ = ["VARIANTS", "Bodies", "Variant"]

_Instance = Mapping[str, Any]


class Bodies(Protocol):
    """The mappings between bodies of requests, instances and bodies of answers: `bodies` or `elements`."""

    CONNECTOR: str
    """The member of requests and answers that names the connector."""

    def wanted_record(self, body: object, /) -> dict[str, Any]:
        """Return the instance that the body of a POST describes. Raises Refused."""

    def wanted_changes(self, body: object, /) -> dict[str, Any]:
        """Return the fields that the body of a PUT changes. Raises Refused."""

    def code_used(self) -> Refused:
        """Return the refusal of a code that was already used."""

    def answer_to_post(self, instance: _Instance, tag_ids: Mapping[str, int], /) -> dict[str, Any]:
        """Return the answer to a POST."""

    def answer_to_get(self, instance: _Instance, /) -> dict[str, Any]:
        """Return the answer to a GET of one instance."""

    def answer_to_put(self, instance: _Instance, /) -> dict[str, Any]:
        """Return the answer to a PUT or PATCH."""

    def answer_to_list(self, instance: _Instance, /) -> dict[str, Any]:
        """Return one element of the answer to a GET of all instances."""


@dataclass(frozen=True)
class Variant:
    """One variant of the API.

    ``env`` is what the provider's environment needs besides the URL and the secrets. ``codes`` are the members of
    `providerData` that work once. ``merged`` are the fields of an instance that a PUT or PATCH merges by key, where
    others are replaced. ``more_routes`` adds what the document does not have: PATCH, `/enabled`, `/configuration` and
    deleted instances. ``logs_in`` says that a create, and a change of `providerData`, is a login at the provider behind
    the connector; ``demands_codes``
    says that OAuth connectors refuse that without a code.
    """

    base_path: str
    bodies: Bodies
    env: Mapping[str, str] = field(default_factory=dict)
    codes: tuple[str, ...] = ("code",)
    merged: tuple[str, ...] = ()
    empty_list_404: bool = False
    more_routes: bool = False
    logs_in: bool = False
    demands_codes: bool = False

    def merge(self, instance: _Instance, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of an instance after these changes, those that did not change left out."""
        whole = {name: {**instance.get(name, {}), **changes[name]} for name in self.merged if name in changes}
        return {**changes, **whole}


VARIANTS = {
    "default": Variant(base_path="/your_moms/api-v2", bodies=bodies),
    "elements": Variant(
        base_path="/elements/api-v2",
        bodies=elements,
        env={"INSTANCES_DIALECT": "elements"},
        codes=elements.CODES,
        merged=("configuration", "members"),
        empty_list_404=True,
        more_routes=True,
        logs_in=True,
        demands_codes=True,
    ),
}
