"""Marks: tags, each of which names the resource that manages an instance. Pure.

A mark begins with the line of its resource; its end differs for each instance that the resource has had.

>>> line = line_of(Place("shop", "dev", "", "crm"))
>>> new_mark(line).startswith("pulumi:shop/dev/crm#")
True
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import string
from typing import NamedTuple

_PREFIX = "pulumi:"
_MARK = re.compile(r"pulumi:([a-z0-9._-]+/[a-z0-9._-]+/[a-z0-9._-]+)#([a-z2-7]{7})([a-z2-7]{7})\.([a-z0-9]{4})")
_LONGEST_WORDS = 33
"""Characters for people in a mark, so that the whole of it has at most 60: services cut long tags."""
_LETTERS = string.ascii_lowercase + string.digits
_random = random.SystemRandom()
_DIGEST = 7
"""Characters of 5 bits each, for the stack and again for the resource."""


class Place(NamedTuple):
    """Where a resource is declared."""

    project: str
    stack: str
    parents: str
    """The types of its parents, joined by ``$`` as in a URN; empty for a child of the stack."""
    name: str

    @classmethod
    def of_urn(cls, urn: str) -> Place | None:
        """Return the place in a URN (``urn:pulumi:<stack>::<project>::<types>::<name>``); None for anything else."""
        parts = urn.removeprefix("urn:pulumi:").split("::", 3)
        if len(parts) != 4 or not all(parts):
            return None
        stack, project, types, name = parts
        return cls(project, stack, types.rpartition("$")[0], name)


class Mark(NamedTuple):
    """A mark, taken apart."""

    tag: str
    """The tag as it is, in whatever case a service shows it."""
    line: str
    """The mark without its end: the same for all instances that one resource has had, one after another."""
    managed_by: str
    """For people: project, stack and name of the resource, shortened."""
    stack: str
    """The digest of the stack."""
    end: str
    """Four characters that differ between the instances of a line. A rename of the resource does not change them."""

    @property
    def text(self) -> str:
        """The mark as a create sends it."""
        return f"{self.line}.{self.end}"


def line_of(place: Place) -> str:
    """Return the part of the mark that is the same for all instances of a resource, on every machine.

    It is without the organization, which the native package does not know: both front ends have to agree.
    """
    words = [re.sub(r"[^a-z0-9._-]+", "-", part.lower()) for part in (place.project, place.stack, place.name)]
    if len("/".join(words)) > _LONGEST_WORDS:
        words = [word[:10] for word in words]
    resource = json.dumps([place.parents, place.name])
    return f"{_PREFIX}{'/'.join(words)}#{stack_digest(place.project, place.stack)}{_digest(resource)}"


def words_of(line: str) -> str:
    """Return the part of a line that is for people: ``shop/dev/crm``."""
    return line.partition("#")[0].removeprefix(_PREFIX)


def stack_digest(project: str, stack: str) -> str:
    """Return the digest that all marks of a stack have in common (`Mark.stack`)."""
    return _digest(json.dumps([project, stack]))


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(digest).decode().lower()[:_DIGEST]


def new_mark(line: str) -> str:
    """Return a mark for the next instance of the line.

    Its end is random: if two machines create for the same resource at the same time, neither takes the other's
    instance for its own.
    """
    return f"{line}.{''.join(_random.choices(_LETTERS, k=4))}"


def renamed(mark: str, line: str) -> str:
    """Return this mark with another line, which its resource has after a rename."""
    return f"{line}.{mark.rpartition('.')[2]}"


def parse(tag: str) -> Mark | None:
    """Return the mark in a tag, in whatever case the service shows it; None for any other tag."""
    text = tag.strip().lower()
    match = _MARK.fullmatch(text)
    return None if match is None else Mark(tag, text.rpartition(".")[0], match[1], match[2], match[4])


def is_mark(tag: str) -> bool:
    """Return whether this tag is a mark."""
    return parse(tag) is not None
