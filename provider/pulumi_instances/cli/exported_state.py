"""Instances, settings and stacks in exported states, for the commands that take states. Pure.

It reads what `pulumi stack export` writes (pulumi/pulumi: sdk/go/common/apitype), and changes no state.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..core import identity, model
from ..core.config import ACCOUNT_KEY, NAMESPACE
from ..core.errors import InputError
from ..core.marks import Place
from ..core.state_format import DYNAMIC_PROVIDER, INSTANCE_TYPE, NATIVE_PROVIDER, NATIVE_TYPE, SECRET, account_of

HIDDEN = object()
"""A value that the state holds as ciphertext."""

_NEWEST_VERSION = 4
"""The newest version of exported states (pulumi/pulumi: sdk/go/common/apitype, deployments.go)."""


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

    def is_of(self, found: Mapping[str, Any]) -> bool | None:
        """Return whether it is the instance that the API has with this id; None where neither token nor mark says so.

        Another account has other instances with the same ids.
        """
        token, mark = self.outputs.get("token"), self.outputs.get(model.MARK)
        if identity.carries(found, mark):
            return True
        if isinstance(token, str) and token and (shown := identity.shown_token(found)) is not None:
            return token == shown
        return False if isinstance(mark, str) else None


def held(document: Any) -> list[Held]:
    """Return the instances in what `pulumi stack export` writes. Raises InputError for anything else.

    A member that is null counts as absent. A malformed resource is an error: if it were left out, its instance would
    look like one that no state holds.
    """
    deployment = document.get("deployment") if isinstance(document, dict) else None
    resources = deployment.get("resources") if isinstance(deployment, dict) else ()
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > _NEWEST_VERSION:
        raise InputError(f"is a state of version {version}, newer than this command knows", "update pulumi-instances")
    if resources is None:
        return []
    if not isinstance(resources, list):
        raise InputError("is not an exported state", "write one with `pulumi stack export --file state.json`")
    accounts: dict[str, str] = {}
    for number, resource in enumerate(resources, 1):
        with _intact(number):
            if (account := _account(resource)) is not None:
                accounts[resource["urn"]] = account
    found = []
    for number, resource in enumerate(resources, 1):
        with _intact(number):
            if resource["type"] in (INSTANCE_TYPE, NATIVE_TYPE):
                found.append(_held(resource, accounts))
    return found


def settings_of_last_up(document: Any) -> dict[str, Any]:
    """Return the settings that a refresh and a destroy use for the default account, by their configuration keys.

    HIDDEN stands for what is encrypted. ``document`` is one that `held` accepts.
    """
    found: dict[str, Any] = {}
    for resource in document["deployment"].get("resources") or ():
        kind, name = resource["type"], resource["urn"].rpartition("::")[2]
        inputs = {key: _plain(value) for key, value in (resource.get("inputs") or {}).items()}
        if kind == NATIVE_PROVIDER and account_of(name) is None:
            found.update({f"{NAMESPACE}:{key}": value for key, value in inputs.items()})
        elif kind == DYNAMIC_PROVIDER and account_of(name) is None:
            found.update({key: value for key, value in inputs.items() if key.startswith(f"{NAMESPACE}:")})
    return found


def stacks(document: Any) -> set[tuple[str, str]]:
    """Return project and stack of this state, as its URNs name them; nothing for a state without resources.

    ``document`` is one that `held` accepts.
    """
    resources = document["deployment"].get("resources") or ()
    places = [Place.of_urn(str(resource.get("urn"))) for resource in resources]
    return {(place.project, place.stack) for place in places if place is not None}


@contextmanager
def _intact(number: int) -> Iterator[None]:
    """Raise InputError where the block finds the resource of this number malformed."""
    try:
        yield
    # ValueError and RecursionError: a secret in plain is JSON inside of JSON.
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError):
        raise InputError(
            f"is a state with a malformed resource (number {number})", "write it again with `pulumi stack export`"
        ) from None


def _account(resource: Mapping[str, Any]) -> str | None:
    """Return the account of a provider; None for the default one, and for other resources."""
    account: Any = None
    if resource["type"] == DYNAMIC_PROVIDER:
        account = _plain((resource.get("inputs") or {}).get(ACCOUNT_KEY))
    elif resource["type"] == NATIVE_PROVIDER:
        account = account_of(resource["urn"].split("::", 3)[3])
    return account if isinstance(account, str) else None


def _held(resource: Mapping[str, Any], accounts: Mapping[str, str]) -> Held:
    inputs = model.old_inputs(resource.get("inputs") or {})
    outputs = model.old_outputs(resource.get("outputs") or {}, inputs)
    found = Held(
        urn=resource["urn"],
        id=_id(resource["id"]),
        outputs={key: _plain(value) for key, value in outputs.items()},
        secrets=frozenset(key for bag in (inputs, outputs) for key, value in bag.items() if _has_secret(value)),
        # A reference to a provider is its URN and its id.
        account=accounts.get((resource.get("provider") or "").rpartition("::")[0]),
        external=bool(resource.get("external")),
        leaving=bool(resource.get("delete")),
    )
    _ = found.name  # a malformed URN shows here
    return found


def _id(value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        raise TypeError("an id is text, or a number in states of other tools")
    try:
        return model.normalise_id(value)
    except InputError:  # no instance has this id, which the caller reports
        return str(value)


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and SECRET.items() <= value.items()


def _has_secret(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_secret, value))
    return _is_secret(value) or (isinstance(value, dict) and any(map(_has_secret, value.values())))


def _plain(value: Any) -> Any:
    """Return a value without the marks of secrets; HIDDEN if any part of it is encrypted."""
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        return HIDDEN if any(item is HIDDEN for item in items) else items
    if not isinstance(value, dict):
        return value
    if _is_secret(value):
        return _plain(json.loads(value["plaintext"])) if "plaintext" in value else HIDDEN
    members = {key: _plain(item) for key, item in value.items()}
    return HIDDEN if any(item is HIDDEN for item in members.values()) else members
