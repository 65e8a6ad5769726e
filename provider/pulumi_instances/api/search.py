"""The search for the instances of an account that a look-up or a command means, by id, name, tags or connector.

An id is read by one GET. All else is searched in a listing here, since the API document has no filters.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ..core import model, validation
from ..core.config import Settings
from ..core.errors import InputError, LookupFailed, first_of, quote
from ..core.words import Words
from .client import Client, Found, OnPage


@dataclass(frozen=True)
class Selection:
    """The conditions for an instance. A field left out matches any.

    ``name`` is exact, ``pattern`` a glob for the name; an instance must have all ``tags``, and may have more.
    """

    name: str | None = None
    pattern: str | None = None
    tags: frozenset[str] = frozenset()
    your_mom: str | None = None

    def matches(self, found: Found) -> bool:
        """Return whether an instance meets all conditions."""
        return (
            self.name in (None, found.get("name"))
            and (self.pattern is None or fnmatch.fnmatchcase(found.get("name", ""), self.pattern))
            and self.tags <= set(found.get("tags", []))
            and self.your_mom in (None, found.get("your_mom"))
        )

    def of(self, found: Iterable[Found]) -> list[Found]:
        """Return those of the instances that meet all conditions, by ascending id."""
        return sorted(filter(self.matches, found), key=lambda each: int(each["id"]))

    def described(self, words: Words) -> str:
        """Return the conditions as a message shows them: ``name="x", tag "a" and your_mom="box"``."""
        parts = [words.argument("name", f'"{quote(self.name)}"')] if self.name is not None else []
        parts += [f'name like "{quote(self.pattern)}"'] if self.pattern is not None else []
        parts += [f'tag "{quote(tag)}"' for tag in sorted(self.tags)]
        if self.your_mom is not None:
            parts.append(words.argument("your_mom", f'"{quote(self.your_mom)}"'))
        return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def _checked(name: str | None, tags: Sequence[str] | None, your_mom: str | None, words: Words) -> Selection:
    """Return what is searched for. Raises InputError for an argument of another type."""
    for problem in validation.check_search({"name": name, "tags": tags, "your_mom": your_mom}, words):
        raise InputError(problem.sentence(), problem.advice)
    return Selection(name=name, tags=frozenset(tags or ()), your_mom=your_mom)


class Search:
    """The look-ups in one account. Safe to share between threads."""

    def __init__(self, client: Client) -> None:
        """Send nothing yet."""
        self._client = client

    @property
    def settings(self) -> Settings:
        """The settings of the account."""
        return self._client.settings

    def get(self, instance_id: str) -> Found:
        """Return all that the API says of one instance. Raises NotFound, and InputError for what is not an id."""
        return self._client.get(valid_id(instance_id, "read"))

    def select(self, selection: Selection, on_page: OnPage | None = None) -> list[Found]:
        """Return the instances that are meant, by ascending id. A listing does not show ``disabled`` (API document).

        Where the dialect has filters, the service lists only those with the tag and the name. Where it then shows none,
        all are listed: how the service searches is not documented.
        """
        tag, text = min(selection.tags, default=None) or None, selection.name or None
        found: list[Found] = []
        if self._client.settings.dialect.filters and (tag or text):
            found = selection.of(self._client.list_all(on_page, tag=tag, text=text))
        return found or selection.of(self._client.list_all(on_page))

    def find_one(
        self,
        instance_id: str | None = None,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        your_mom: str | None = None,
    ) -> Found:
        """Return the one instance with this id, or with this exact name, all these tags and this connector.

        Raises LookupFailed where no instance matches, or several (it names them).
        """
        words = self._client.words
        what, connector = words.name("get_instance"), words.name("your_mom")
        if instance_id is not None and (name is not None or tags or your_mom is not None):
            fault = f"{what}: id is given together with name, tags or {connector}"
            raise InputError(fault, "pass only one of the two")
        if instance_id is not None:
            return self.get(instance_id)
        wanted = _checked(name, tags, your_mom, words)
        if wanted == Selection():
            advice = f"pass id, or at least one of name, tags, {connector}"
            raise InputError(f"{what}: nothing to look for is given", advice)
        matches = self.select(wanted)
        if len(matches) != 1:
            raise _not_one(what, wanted.described(words), matches)
        return self.get(matches[0]["id"])  # a listing leaves out `disabled`

    def find_all(
        self, name: str | None = None, tags: Sequence[str] | None = None, your_mom: str | None = None
    ) -> list[Found]:
        """Return all instances with this exact name, all these tags and this connector, by ascending id."""
        return self.select(_checked(name, tags, your_mom, self._client.words))

    def hiding(self, secrets: Collection[str]) -> AbstractContextManager[None]:
        """Return a context whose errors never repeat these secrets either (`Client.hiding`)."""
        return self._client.hiding(secrets)


def _not_one(what: str, wanted: str, matches: Sequence[Found]) -> LookupFailed:
    """Return the error of a look-up that matches no instance, or several."""
    if not matches:
        return LookupFailed(f"{what}: no instance has {wanted}", "list them with `pulumi-instances list`", [])
    shown = first_of([f'{found["id"]} "{quote(found.get("name", ""))}"' for found in matches])
    cause = f"{what}: {len(matches)} instances have {wanted}: {shown}"
    return LookupFailed(cause, "pass the id of one", [found["id"] for found in matches])


def valid_id(instance_id: object, verb: str) -> str:
    """Return an id that may go into a URL. Raises InputError: an empty id would address the whole collection."""
    try:
        return model.normalise_id(instance_id)
    except InputError as error:
        raise InputError(f"{verb} instance: the id {error.cause}; nothing was sent", error.advice) from None
