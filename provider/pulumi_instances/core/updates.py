"""What an update sends, in a dialect that changes more than name and tags in place. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from . import model
from .dialect import Dialect


class Update(NamedTuple):
    """One request to `/instances/{id}`."""

    method: str
    """``PUT``, or ``PATCH`` for single keys of ``configuration``."""
    body: dict[str, Any]
    logs_in: bool = False
    """Whether it authenticates the instance anew, with ``provider_data``."""


def update(olds: Mapping[str, Any], news: Mapping[str, Any], dialect: Dialect) -> Update | None:
    """The one request that brings the instance with the outputs ``olds`` in line; None where there is nothing to send.

    Keys that the program has dropped from ``configuration`` are left as they are: see `dropped`.
    """
    name_and_tags = model.to_update(news, olds)
    differing = {key: value for key, value in name_and_tags.items() if not model.is_met({key: value}, olds)}
    sent = {key: _sent(key, olds, news, dialect) for key in ("configuration", "provider_data")}
    body = {model.WIRE_NAMES[key]: value for key, value in sent.items() if value}
    if not differing and not body:
        return None
    logs_in = "providerData" in body
    if body and not logs_in and dialect.merges:
        return Update("PATCH", {**differing, **body})
    return Update("PUT", {**name_and_tags, **body}, logs_in)


def _sent(key: str, olds: Mapping[str, Any], news: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """What an update has to send of this property; nothing where it is as before, or does not change in place."""
    old, new = olds.get(key), news.get(key) or {}
    if key not in dialect.in_place or model.same(key, old, new):
        return {}
    return model.changed_members(old, new) if key == "configuration" and dialect.merges else dict(model.plain(new))


def dropped(olds: Mapping[str, Any], news: Mapping[str, Any], dialect: Dialect) -> list[str]:
    """The keys of ``configuration`` that the program no longer gives, where the service keeps their values."""
    before, now = olds.get("configuration"), news.get("configuration")
    if not dialect.merges or not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return []
    return sorted(key for key in before if key not in now)
