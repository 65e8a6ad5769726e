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
    met = model.is_met(name_and_tags, olds, dialect)
    body: dict[str, Any] = {}
    for key in ("configuration", "provider_data"):
        value = news.get(key)
        if key in dialect.in_place and value and not model.same(key, olds.get(key), value):
            body[model.WIRE_NAMES[key]] = model.plain(value)
    logs_in = "providerData" in body
    if "configuration" in body and dialect.merges:
        body["configuration"] = model.changed_members(olds.get("configuration"), body["configuration"])
        if not body["configuration"]:
            del body["configuration"]
    if met and not body:
        return None
    if body and not logs_in and dialect.merges:
        differing = {key: value for key, value in name_and_tags.items() if not model.same(key, olds.get(key), value)}
        return Update("PATCH", {**({} if met else differing), **body}, logs_in)
    return Update("PUT", {**name_and_tags, **body}, logs_in)


def dropped(olds: Mapping[str, Any], news: Mapping[str, Any], dialect: Dialect) -> list[str]:
    """The keys of ``configuration`` that the program no longer gives, where the service keeps their values."""
    before, now = olds.get("configuration"), news.get("configuration")
    if not dialect.merges or not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return []
    return sorted(key for key in before if key not in now)
