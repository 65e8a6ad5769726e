"""What exported states hold. Pure: nothing here changes a state."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .config import ACCOUNT_KEY
from .errors import InputError

INSTANCE_TYPE = "pulumi-python:dynamic/instances:Instance"

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
"""What marks an object as a secret: it has ``ciphertext``, or ``plaintext`` in JSON (engine: deployment.go)."""

HIDDEN = object()
"""A value that the state holds as ciphertext."""


@dataclass(frozen=True)
class Held:
    """An instance in a state. ``outputs`` has HIDDEN for what is encrypted; ``secrets`` are those not to be shown.

    ``account`` is the name given to `account`, None for the default one. ``external`` ones are only referred to
    (`Instance.get`); ``leaving`` ones are to be deleted by the next `up`.
    """

    urn: str
    id: str
    outputs: Mapping[str, Any]
    secrets: frozenset[str]
    account: str | None
    external: bool
    leaving: bool

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.urn.split("::", 3)[3]


def held(document: Any) -> list[Held]:
    """The instances in what `pulumi stack export` writes. Raises InputError for anything else."""
    deployment = document.get("deployment") if isinstance(document, dict) else None
    resources = deployment.get("resources") if isinstance(deployment, dict) else ()
    if resources is None:
        return []
    if not isinstance(resources, list):
        raise InputError("is not an exported state: write one with `pulumi stack export --file state.json`")
    try:
        accounts = dict(_accounts(resources))
        return [_held(resource, accounts) for resource in resources if resource["type"] == INSTANCE_TYPE]
    except (KeyError, IndexError, TypeError, AttributeError):
        raise InputError("is a state with a malformed resource: write it again with `pulumi stack export`") from None


def _accounts(resources: list[Any]) -> Iterator[tuple[str, str]]:
    for resource in resources:
        if resource["type"] == "pulumi:providers:pulumi-python":
            account = resource.get("inputs", {}).get(ACCOUNT_KEY)
            if isinstance(account, str):
                yield resource["urn"], account


def _held(resource: Mapping[str, Any], accounts: Mapping[str, str]) -> Held:
    outputs = resource.get("outputs") or {}
    found = Held(
        urn=resource["urn"],
        id=str(resource["id"]),
        outputs={key: _plain(value) for key, value in outputs.items()},
        secrets=frozenset(key for key, value in outputs.items() if _has_secret(value)),
        # A reference to a provider is its URN and its id.
        account=accounts.get(resource.get("provider", "").rpartition("::")[0]),
        external=bool(resource.get("external")),
        leaving=bool(resource.get("delete")),
    )
    _ = found.name  # a malformed URN shows here
    return found


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and SECRET.items() <= value.items()


def _has_secret(value: Any) -> bool:
    return any(map(_has_secret, value)) if isinstance(value, list) else _is_secret(value)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        return HIDDEN if HIDDEN in items else items
    if not _is_secret(value):
        return value
    return json.loads(value["plaintext"]) if "plaintext" in value else HIDDEN
