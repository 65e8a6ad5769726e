"""Look-ups of instances in a program.

Dynamic providers have no functions that the engine could call, so the program's own process asks the API. Under
`pulumi.runtime.set_mocks` it asks the API, too, since there is no call to mock: let such tests use the emulator.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import pulumi
from pulumi.runtime.config import get_config

from .accounts import Account, holds_outputs, note_asked, provider_of
from .core import config, identity, model, origin
from .core.errors import InputError, InstancesError, LookupFailed

if TYPE_CHECKING:
    from .api.client import Found
    from .api.operations import Operations
    from .core.config import Settings

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class InstanceResult:
    """An instance that was looked up, as it is on the server."""

    id: str
    name: str
    your_mom: str
    tags: list[str]
    token: pulumi.Output[str] = field(repr=False, compare=False)
    """Always a secret output, in the plain functions too."""
    valid: bool | None
    """Whether the service reports that the connection works; None where the answer does not say."""
    disabled: bool | None
    """Whether the service has disabled the instance; None where the answer does not say, as in a listing."""
    managed_by: str | None = None
    """The resource that manages the instance by its mark, such as ``shop/dev/crm``; None where it has no mark."""


def get_instance(
    *,
    id: str | None = None,
    name: str | None = None,
    tags: Sequence[str] | None = None,
    your_mom: str | None = None,
    opts: pulumi.InvokeOptions | None = None,
) -> InstanceResult:
    """Look up the one instance with this id, or with this exact name, all these tags and this connector.

    It asks the API at once, in previews too, and the program waits for the answer. ``opts.provider`` is an `account`.

    Raises LookupFailed where no instance matches, or several (it names them); NotFound for an id that does not exist;
    SettingError for bad settings; and another InstancesError where the API fails.
    """
    return _result(_ask(_settings(opts), lambda api: api.find_one(id, name, tags, your_mom)))


def get_instances(
    *,
    name: str | None = None,
    tags: Sequence[str] | None = None,
    your_mom: str | None = None,
    opts: pulumi.InvokeOptions | None = None,
) -> list[InstanceResult]:
    """Look up all instances with this exact name, all these tags and this connector. They are sorted by id.

    It asks the API and raises errors as `get_instance` does, but it is not an error if no instance matches.
    """
    found = _ask(_settings(opts), lambda api: api.find_all(name, tags, your_mom))
    return [_result(each) for each in found]


def get_instance_output(
    *,
    id: pulumi.Input[str] | None = None,
    name: pulumi.Input[str] | None = None,
    tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
    your_mom: pulumi.Input[str] | None = None,
    opts: pulumi.InvokeOptions | None = None,
) -> pulumi.Output[InstanceResult]:
    """Look up one instance as `get_instance` does, by arguments that may be outputs. The program does not wait.

    The look-up waits for the resources whose outputs are its arguments, and for those of ``opts.depends_on``
    (`InvokeOutputOptions`). In a preview the result is unknown where one of these resources is still to be created, or
    where an argument is an output and no instance matches.
    """

    def search(api: Operations, arguments: Sequence[Any]) -> Found:
        return api.find_one(*arguments)

    return _when_known(search, [id, name, tags, your_mom], opts).apply(_result)


def get_instances_output(
    *,
    name: pulumi.Input[str] | None = None,
    tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
    your_mom: pulumi.Input[str] | None = None,
    opts: pulumi.InvokeOptions | None = None,
) -> pulumi.Output[list[InstanceResult]]:
    """Look up instances as `get_instances` does, by arguments that may be outputs.

    The look-up waits for resources, and its result may be unknown, as with `get_instance_output`.
    """

    def search(api: Operations, arguments: Sequence[Any]) -> list[Found]:
        return api.find_all(*arguments)

    return _when_known(search, [name, tags, your_mom], opts).apply(lambda answer: [_result(each) for each in answer])


def _result(found: Found) -> InstanceResult:
    return InstanceResult(
        id=found["id"],
        name=found.get("name", ""),
        your_mom=found.get("your_mom", ""),
        tags=found.get("tags", []),
        token=pulumi.Output.secret(found.get("token", "")),
        valid=found.get("valid"),
        disabled=found.get("disabled"),
        managed_by=identity.managed_by(found),
    )


# the account


def _settings(opts: pulumi.InvokeOptions | None) -> Mapping[str, Any]:
    """Return the settings of the account, for `config.load`, and note that a look-up uses it."""
    account = _account(opts)
    settings = _of_the_stack() if account is None else account.settings
    note_asked(settings)
    return settings


def _when_known(
    search: Callable[[Operations, Sequence[Any]], Answer], arguments: list[Any], opts: pulumi.InvokeOptions | None
) -> pulumi.Output[Answer]:
    """Search on another thread as soon as the arguments are known and what they depend on exists."""
    settings = _settings(opts)
    given = pulumi.Output.from_input(arguments)
    asked = {
        "arguments": given,
        # The secrets of the account do not make the instance that is found a secret.
        "settings": pulumi.Output.unsecret(pulumi.Output.from_input(dict(settings))),
    }

    async def ask(known: Mapping[str, Any]) -> tuple[Answer | None, bool, set[pulumi.Resource]]:
        """Return what is found, whether it is known yet, and what it depends on."""
        sources = {*await given.resources(), *await _depended_on(opts)}
        if not await _exist(sources):
            return None, False, sources
        arguments = known["arguments"]
        secrets = [*model.texts(arguments)] if await given.is_secret() else []

        def hidden(api: Operations) -> Answer:
            with api.hiding(secrets):
                return search(api, arguments)

        try:
            found = await asyncio.to_thread(_ask, known["settings"], hidden)
        except LookupFailed as failure:
            # The preview shows outputs that the resources get in `up` only, such as a new name.
            if pulumi.runtime.is_dry_run() and sources and not failure.candidates:
                return None, False, sources
            raise
        return found, True, sources

    def later(known: Mapping[str, Any]) -> pulumi.Output[Answer]:
        answer = asyncio.ensure_future(ask(known))
        return pulumi.Output(_Part(answer, 2), _Part(answer, 0), _Part(answer, 1))

    return pulumi.Output.from_input(asked).apply(later)


@dataclass(frozen=True)
class _Part:
    """One part of an answer that is still to come. Python warns of a coroutine that nobody awaits, but not of this."""

    answer: asyncio.Future[tuple[Any, ...]]
    number: int

    def __await__(self) -> Generator[Any, None, Any]:
        return (yield from self.answer.__await__())[self.number]


async def _depended_on(opts: pulumi.InvokeOptions | None) -> set[pulumi.Resource]:
    """Return the resources of the option `depends_on`, and those that its outputs come from."""
    given = pulumi.Output.from_input(getattr(opts, "depends_on", None))
    named = await given.future() or ()
    return {*await given.resources(), *([named] if isinstance(named, pulumi.Resource) else named)}


async def _exist(resources: Iterable[pulumi.Resource]) -> bool:
    """Wait for the resources, those below a component included. Return whether none is still to be created."""
    waiting, seen = [*resources], set[pulumi.Resource]()
    while waiting:
        resource = waiting.pop()
        if resource in seen:
            continue
        seen.add(resource)
        if isinstance(resource, pulumi.CustomResource):
            if "id" in resource.__dict__ and not await resource.id.is_known():
                return False
        else:
            await resource.urn.future()  # known when a remote component, and all that is in it, is made
            waiting += resource._childResources
    return True


def _account(opts: pulumi.InvokeOptions | None) -> Account | None:
    provider = provider_of(opts)
    if provider is not None and not isinstance(provider, Account):
        raise InputError("look up: opts.provider is not an account", "make it with pulumi_instances.account(…)")
    return provider


def _of_the_stack() -> dict[str, Any]:
    keys = [f"{config.NAMESPACE}:{setting.key}" for setting in config.SETTINGS]
    return {key: get_config(key) for key in keys}


def _ask(settings: Mapping[str, Any], search: Callable[[Operations], Answer]) -> Answer:
    """Search in the account with these settings, and return what is found. Errors name the account.

    Raises InputError where the settings may not be known yet.
    """
    if holds_outputs(settings):
        raise InputError("look up: the settings of this account are outputs", "use the `_output` form of the function")
    loaded = config.load(settings.get)
    try:
        return search(_operations(loaded, settings.get(config.ACCOUNT_KEY)))
    except InstancesError as error:
        origin.of(settings.get, os.environ, loaded.base_url).place(error)
        raise


@cache
def _operations(settings: Settings, account: str | None) -> Operations:
    """Return the operations of an account, with one pool of connections for all look-ups of this process."""
    from .api.operations import Operations

    return Operations(settings, account=account)
