"""The bodies of requests and of answers, as the API document has them. Pure.

A request becomes an instance as `store` keeps it, and an instance an answer. `elements` does the same for the live
services.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from .connectors import CONNECTORS
from .store import random_token

__all__ = [
    "CONNECTOR",
    "Refused",
    "answer_to_get",
    "answer_to_list",
    "answer_to_post",
    "answer_to_put",
    "as_object",
    "code_used",
    "error",
    "new_record",
    "wanted_changes",
    "wanted_record",
]

CONNECTOR = "your_mom"

_CACHE = {"maxCacheSize": 0, "cacheTimeToLive": 0, "cachingEnabled": False}


class Refused(ValueError):
    """A request that is answered with an error status."""

    def __init__(self, status: int, message: str, provider_message: str | None = None) -> None:
        """Keep what goes into the answer's body: ``message``, and what the provider behind a connector said."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.provider_message = provider_message


def error(message: str, provider_message: str | None = None) -> dict[str, str]:
    """Return the body of every error: a request id of 24 hex digits and a message."""
    body = {"requestId": secrets.token_hex(12), "message": message}
    return body if provider_message is None else {**body, "providerMessage": provider_message}


def code_used() -> Refused:
    """Return the refusal of an OAuth code that was already used."""
    return Refused(400, "providerData.code was already used; an OAuth code works once")


# requests


def wanted_record(body: object) -> dict[str, Any]:
    """Check the body of a POST and return the instance to keep, without its id. Raises Refused."""
    wanted = as_object(body)
    connector = wanted.get("your_mom")
    key = connector.get("key") if isinstance(connector, dict) else None
    if not isinstance(key, str) or not key:
        raise Refused(400, "your_mom.key is required and must be a string")
    if key not in CONNECTORS:
        raise Refused(404, f"No your_mom found with key {key}")
    return new_record(key, wanted)


def new_record(connector: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the instance of a connector that the body of a POST describes. Raises Refused."""
    if "name" not in wanted:
        raise Refused(400, "name is required and must be a string")
    return {
        "token": random_token(),
        "your_mom": connector,
        "tags": [],
        "configuration": {},
        "provider_data": {},
        "valid": True,
        "disabled": False,
        **_checked(wanted),
    }


def wanted_changes(body: object) -> dict[str, Any]:
    """Check the body of a PUT and return the fields to replace. Fields that cannot change are ignored."""
    return _checked(as_object(body))


def as_object(body: object) -> Mapping[str, Any]:
    """Return the body of a request as what it must be: a JSON object. Raises Refused."""
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object")
    return body


def _checked(body: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if "name" in body:
        if not isinstance(body["name"], str) or not body["name"]:
            raise Refused(400, "name must be a string that is not empty")
        fields["name"] = body["name"]
    if "tags" in body:
        tags = body["tags"]
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise Refused(400, "tags must be a list of strings")
        fields["tags"] = list(dict.fromkeys(tags))
    for member, field in (("configuration", "configuration"), ("providerData", "provider_data")):
        if member in body:
            if not isinstance(body[member], dict):
                raise Refused(400, f"{member} must be an object")
            fields[field] = body[member]
    if not isinstance(fields.get("provider_data", {}).get("code", ""), str):
        raise Refused(400, "providerData.code must be a string")
    return fields


# answers: in the document, each operation answers another set of fields


def answer_to_post(instance: Mapping[str, Any], tag_ids: Mapping[str, int]) -> dict[str, Any]:
    """Return the answer to a POST. Only here tags are objects, and the cache fields are left out."""
    tags = [{"id": tag_ids[tag], "name": tag} for tag in instance["tags"]]
    return {**_head(instance), "tags": tags, **_state(instance)}


def answer_to_get(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a GET. Its tags have another order than in the list, as those of the document's 4014."""
    tags = sorted(instance["tags"])
    tags[:2] = reversed(tags[:2])
    return {**_head(instance), "tags": tags, **_state(instance), **_CACHE}


def answer_to_list(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Return one element of a list. It has no ``disabled``."""
    return {**_head(instance), "tags": sorted(instance["tags"]), "valid": instance["valid"], **_CACHE}


def answer_to_put(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a PUT. It has no tags, although tags were sent."""
    return {**_head(instance), **_state(instance), **_CACHE}


def _head(instance: Mapping[str, Any]) -> dict[str, Any]:
    connector = CONNECTORS[instance["your_mom"]]
    return {"id": instance["id"], "name": instance["name"], "token": instance["token"], "your_mom": connector}


def _state(instance: Mapping[str, Any]) -> dict[str, Any]:
    return {"provisionInteractions": [], "valid": instance["valid"], "disabled": instance["disabled"]}
