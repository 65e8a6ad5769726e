"""The bodies of requests and of answers, as the live services have them. Pure.

It follows public material on the live services (docs/live-services.md). Where that says nothing, it does what is harder
for the provider.
"""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Mapping
from typing import Any

from . import bodies
from .bodies import Refused, as_object
from .connectors import CONNECTORS
from .store import random_token

__all__ = [
    "CODES",
    "CONNECTOR",
    "answer_to_get",
    "answer_to_list",
    "answer_to_post",
    "answer_to_put",
    "code_used",
    "demand_code",
    "logged_in",
    "properties",
    "wanted_changes",
    "wanted_property",
    "wanted_record",
]

CONNECTOR = "element"
CODES = ("code", "oauth_verifier")

_MASK = "********"
# Passwords, by their names, and the two that are masked although their type is another.
_MASKED = re.compile(r"password|passphrase|private.?key|secret|^oauth\.api\.key$", re.IGNORECASE)
_TOKENS = ("oauth.user.token", "oauth.user.refresh_token")

# The configuration of an instance where the request has none: None for what has no default.
_COMMON: dict[str, str | None] = {
    "pagination.type": "page",
    "pagination.max": "200",
    "pagination.page.startindex": "1",
    "event.vendor.type": "polling",
    "event.notification.enabled": "false",
    "event.notification.type": "webhook",
    "event.notification.callback.url": None,
    "event.notification.signature.key": None,
    "event.poller.configuration": None,
    "event.poller.refresh_interval": "15",
    "filter.response.nulls": "true",
    "bulk.query.operations": None,
}
_OAUTH: dict[str, str | None] = {
    "oauth.callback.url": None,
    "oauth.api.key": None,
    "oauth.api.secret": None,
    "oauth.scope": None,
    "oauth.user.refresh_interval": "3600",
    "oauth.user.refresh_time": None,
    "expires_in": None,
    **dict.fromkeys(_TOKENS),
}
_PASSWORD: dict[str, str | None] = {"username": None, "password": None, "session.id": None}

# Members that a client may send besides those of the document, with their values where it does not.
_MEMBERS: dict[str, Any] = {
    "maxCacheSize": 0,
    "cacheTimeToLive": 0,
    "cachingEnabled": False,
    "traceLoggingEnabled": False,
    "eventsEnabled": False,
    "externalAuthentication": "none",
}


# requests


def wanted_record(body: object) -> dict[str, Any]:
    """Check the body of a POST and return the instance to keep, without its id. Raises Refused."""
    wanted = as_object(body)
    record = bodies.new_record(_connector(wanted.get(CONNECTOR)), wanted)
    name = _sanitised(record["name"])
    return {
        **record,
        "name": name,
        "tags": record["tags"] or [name],
        "members": _members(wanted),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def wanted_changes(body: object) -> dict[str, Any]:
    """Check the body of a PUT or PATCH and return the fields to change. Fields that cannot change are ignored."""
    changes = bodies.wanted_changes(body)
    if "name" in changes:
        changes["name"] = _sanitised(changes["name"])
    if not changes.get("provider_data", True):
        del changes["provider_data"]  # as an answer to GET shows it, which may be sent back
    members = _members(as_object(body))
    return {**changes, "members": members} if members else changes


def wanted_property(body: object) -> Any:
    """Check the body of a PATCH of one property and return the value. Raises Refused."""
    wanted = as_object(body)
    if "propertyValue" not in wanted:
        raise Refused(400, "propertyValue is required")
    return wanted["propertyValue"]


def _connector(wanted: object) -> str:
    named = wanted if isinstance(wanted, dict) else {}
    if "key" in named:
        known, shown = CONNECTORS.get(str(named["key"])), f"key {named['key']}"
    elif "id" in named:
        known = next((each for each in CONNECTORS.values() if str(each["id"]) == str(named["id"])), None)
        shown = f"ID {named['id']}"
    else:
        raise Refused(400, "element.key or element.id is required")
    if known is None:
        raise Refused(404, f"No element found with {shown}")
    return str(known["key"])


def _sanitised(name: str) -> str:
    text = re.sub(r"<[^>]*>", "", name).strip()
    if not text:
        raise Refused(400, "name must be a string that is not empty")
    return text


def _members(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in _MEMBERS if name in body}


# the login at the provider behind the connector


def demand_code(record: Mapping[str, Any]) -> None:
    """Raise Refused where a connector's login needs a person, and there is neither a code nor a token."""
    if not CONNECTORS[record["your_mom"]]["typeOauth"] or any(record["provider_data"].get(name) for name in CODES):
        return
    external = record.get("members", {}).get("externalAuthentication") == "initial"
    if external and any(record["configuration"].get(key) for key in _TOKENS):
        return
    raise Refused(400, f"You must provide an OAuth code to authenticate an instance of {record['your_mom']}")


def logged_in(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a login that worked changes. `disabled` stays: an instance is enabled by another request."""
    fields: dict[str, Any] = {"valid": True, "broken": None}
    if any(record["provider_data"].get(name) for name in CODES):
        now = {"oauth.user.refresh_time": str(time.time_ns() // 10**6), "expires_in": "3600"}
        fields["credentials"] = {**{key: random_token() for key in _TOKENS}, **now}
    return fields


def code_used() -> Refused:
    """Return the refusal of an OAuth code that was already used, which the provider behind the connector gives."""
    said = "invalid_grant: the authorization code was already used"
    return Refused(400, "Failed to exchange the OAuth code for a token", said)


# answers


def answer_to_post(instance: Mapping[str, Any], _tag_ids: Mapping[str, int]) -> dict[str, Any]:
    """Return the answer to a POST. Only here `providerData` is echoed; tags are strings."""
    return {**answer_to_get(instance), "providerData": instance["provider_data"]}


def answer_to_get(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a GET. Its tags have another order than in the list."""
    tags = sorted(instance["tags"])
    tags[:2] = reversed(tags[:2])
    state = {"provisionInteractions": [], "disabled": instance["disabled"]}
    return {**answer_to_list(instance), "tags": tags, **state}


def answer_to_put(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a PUT or PATCH: the whole instance."""
    return answer_to_get(instance)


def answer_to_list(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Return one element of a list. It has no ``disabled``."""
    connector = _as_element(CONNECTORS[instance["your_mom"]])
    members = {**_MEMBERS, **instance.get("members", {})}
    return {
        "id": instance["id"],
        "name": instance["name"],
        "createdDate": instance.get("created", "2017-05-22T04:12:16Z"),
        "token": instance["token"],
        CONNECTOR: connector,
        "elementId": connector["id"],
        "tags": sorted(instance["tags"]),
        "valid": instance["valid"],
        **members,
        "eventsEnabled": str(members["eventsEnabled"]).lower() == "true",
        "subscriptionId": 1000,
        "user": {},
        "configuration": _configuration(instance),
    }


def properties(instance: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Return the answers to a GET of each property of the configuration, by their ids."""
    items = {_property_id(instance["id"], key): (key, value) for key, value in _configuration(instance).items()}
    return {number: _property(number, key, value) for number, (key, value) in items.items()}


def _property(number: int, key: str, value: str | None) -> dict[str, Any]:
    kind = "BOOLEAN" if value in ("true", "false") else "TEXTFIELD_1000"
    return {
        "id": number,
        "key": key,
        "name": key.replace(".", " ").title(),
        "type": "PASSWORD" if _MASKED.search(key) else kind,
        "propertyValue": value,
        "description": "",
        "active": True,
        "required": False,
        "hideFromConsole": False,
    }


def _property_id(instance_id: int, key: str) -> int:
    return zlib.crc32(f"{instance_id} {key}".encode())


def _configuration(instance: Mapping[str, Any]) -> dict[str, str | None]:
    key = instance["your_mom"]
    urls = {"base.url": f"https://api.{key}.example"}
    oauth: dict[str, str | None] = {**_OAUTH, "oauth.token.url": f"https://login.{key}.example/token"}
    defaults = {**urls, **_COMMON, **(oauth if CONNECTORS[key]["typeOauth"] else _PASSWORD)}
    given = {**instance["configuration"], **instance.get("credentials", {})}
    sent = {key: _text(value) for key, value in given.items() if value is not None or key not in defaults}
    return {key: _masked(key, value) for key, value in {**defaults, **sent}.items()}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _masked(key: str, value: str | None) -> str | None:
    return _MASK if value and _MASKED.search(key) else value


def _as_element(connector: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.replace("your_mom", "element"): _renamed(value) if isinstance(value, str) else value
        for name, value in {**connector, "cloneable": True}.items()
    }


def _renamed(text: str) -> str:
    return text.replace("your_mom", "element").replace("Your_mom", "Element")
