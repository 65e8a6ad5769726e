"""One account of the emulator as a process of the provider sees it, and what states hold of its instances."""

from __future__ import annotations

from typing import Any

from pulumi_instances.api.operations import Operations
from pulumi_instances.api.retry import Clock
from pulumi_instances.core.config import Settings
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.model import LINE
from pulumi_instances.engine_calls import EngineCalls
from pulumi_instances.testing.emulator import Emulator

from .clock import FakeClock
from .marks import mark_of
from .values import inputs

CREATE_TIMEOUT = 60.0
BILLING, OTHER = (line_of(Place("shop", "dev", "", name)) for name in ("billing", "other"))
"""The lines of two resources."""
MARK = mark_of(BILLING, 1)


def settings_of(api: Emulator, **changed: Any) -> Settings:
    """Settings for the emulator's default account."""
    given = {"timeout": 10.0, "create_timeout": CREATE_TIMEOUT, "max_retries": 2, **changed}
    return Settings(api.base_url, api.user_secret, api.organization_secret, **given)


def operations(api: Emulator, clock: Clock | None = None, **changed: Any) -> Operations:
    """The operations of one process; nobody waits unless a clock says so."""
    return Operations(settings_of(api, **changed), clock=clock or FakeClock())


def configured(api: Emulator, **changed: str) -> EngineCalls:
    """What a front end calls, for the emulator's default account; the settings are spelled as in a configuration."""
    secrets = {"userSecret": api.user_secret, "organizationSecret": api.organization_secret}
    config = {"baseUrl": api.base_url, **secrets, "maxRetries": "0", **changed}
    calls = EngineCalls()
    calls.configure({f"instances:{key}": value for key, value in config.items()}.get)
    return calls


def checked(name: str = "billing", **changed: Any) -> dict[str, Any]:
    """The checked inputs of the resource of this name."""
    return inputs(name=name, **{LINE: line_of(Place("shop", "dev", "", name)), **changed})


def add(api: Emulator, *tags: str, **changed: Any) -> str:
    """The id of an instance that somebody else, or an interrupted run, has made."""
    return str(api.add(**{"your_mom": "dropbox", "name": "billing", "tags": [*tags], **changed}))


def state_of(api: Emulator, instance_id: str, **changed: Any) -> dict[str, Any]:
    """What a state holds of an instance; ``None`` for a key leaves it out."""
    outputs = {"your_mom": "dropbox", "name": "billing", "token": api.instance(instance_id)["token"], **changed}
    return {key: value for key, value in outputs.items() if value is not None}


def ids(api: Emulator) -> list[str]:
    """The ids of all instances that there are."""
    return [str(instance["id"]) for instance in api.instances()]


def sent(api: Emulator) -> list[tuple[str, Any]]:
    """Method and body of each write so far."""
    return [(request.method, request.body) for request in api.writes]
