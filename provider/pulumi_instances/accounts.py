"""Accounts beside the one of the stack's configuration, in one program.

Each account has a provider of its own, and so its own plugin process. Look-ups run in the process of the program, which
needs the settings of the account, too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import pulumi
from pulumi.runtime.config import is_config_secret
from pulumi.runtime.settings import get_monitor

from .core import config, identity
from .core.config import ACCOUNT_KEY, NAMESPACE, SETTINGS
from .core.errors import SettingError
from .core.state_format import INSTANCE_TYPE


class Account(pulumi.ProviderResource):
    """The provider that `account` returns. It keeps its settings, which look-ups need as well."""

    settings: Mapping[str, pulumi.Input[str]]
    """The settings by their configuration keys, such as ``instances:baseUrl``."""

    def __init__(
        self, name: str, settings: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions | None
    ) -> None:
        """Register the provider; both secrets become secret in the state."""
        inputs: dict[str, Any] = {
            key: pulumi.Output.secret(value) if key in _SECRETS else value for key, value in settings.items()
        }
        if config.DEFAULT_TAGS in inputs:
            inputs[config.DEFAULT_TAGS] = _plain(inputs[config.DEFAULT_TAGS])
        super().__init__("pulumi-python", name, inputs, opts)
        self.settings = settings


async def _plain(tags: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return the setting `defaultTags` of an account. Raises RunError where it is secret, as no tag can be."""
    output = pulumi.Output.from_input(tags)
    if await output.is_secret():
        raise pulumi.RunError(str(config.SECRET_TAGS))
    return output


def demand_plain_tags(opts: pulumi.ResourceOptions | None) -> None:
    """Raise RunError where a resource with these options gets tags that are secret in the stack's configuration.

    An account of the program has its own setting (`_plain`), and a variable of the environment wins.
    """
    from_variable = os.environ.get(f"{config.env_prefix(None)}DEFAULT_TAGS", "").strip()
    if is_config_secret(config.DEFAULT_TAGS) and not from_variable and provider_of(opts) is None:
        raise pulumi.RunError(str(config.SECRET_TAGS))


def provider_of(opts: pulumi.ResourceOptions | pulumi.InvokeOptions | None) -> pulumi.ProviderResource | None:
    """Return the provider that these options, or their parent, give; None for that of the stack's account."""
    provider = opts.provider if opts else None
    if provider is None and opts and opts.parent:
        return opts.parent.get_provider(INSTANCE_TYPE)
    return provider


_SECRETS = {f"{NAMESPACE}:{setting.key}" for setting in SETTINGS if setting.secret}


def account(
    name: str,
    *,
    base_url: pulumi.Input[str],
    user_secret: pulumi.Input[str],
    organization_secret: pulumi.Input[str],
    settings: dict[str, pulumi.Input[str]] | None = None,
    opts: pulumi.ResourceOptions | None = None,
) -> Account:
    """Return another account than that of the stack's configuration, to pass as ``ResourceOptions(provider=…)``.

    >>> eu = account("eu", base_url=url, user_secret=user, organization_secret=organization)
    >>> crm = Instance("crm", your_mom="sfdc", opts=pulumi.ResourceOptions(provider=eu))

    ``settings`` holds further settings by their configuration keys without the namespace, such as
    ``{"timeout": "60"}``. The environment wins, with variables that carry the account's name:
    ``INSTANCES_EU_USER_SECRET`` for ``account("eu", …)``. Both secrets are secret in the state.

    Raises ValueError for a setting that does not exist, and for a name that is not made of lower-case letters, digits
    and ``-``. It also raises ValueError for names whose variables could be those of another account: ``default``,
    which is the engine's name for the account of the stack, ``create``, and names that end in ``-create``.
    """
    if problem := config.problem_of_account(name):
        raise ValueError(problem)
    for problem in config.unknown([f"{NAMESPACE}:{key}" for key in settings or {}], {}):
        raise ValueError(problem)
    return Account(
        name,
        {
            ACCOUNT_KEY: name,
            f"{NAMESPACE}:baseUrl": base_url,
            f"{NAMESPACE}:userSecret": user_secret,
            f"{NAMESPACE}:organizationSecret": organization_secret,
            **{f"{NAMESPACE}:{key}": value for key, value in (settings or {}).items()},
        },
        opts,
    )


# Look-ups and resources of a program must use the same account. Another process makes the resources, and may have
# another environment: a workspace of the Automation API has variables of its own, and a program may set some.

_asked: WeakKeyDictionary[Any, dict[str | None, pulumi.Input[str | None]]] = WeakKeyDictionary()
"""The digest of each account that look-ups use (`model.ASKED`), by program and by the name of the account."""


def note_asked(settings: Mapping[str, Any]) -> None:
    """Note that a look-up uses the account with these settings."""
    monitor = get_monitor()
    if monitor is not None:
        asked = _asked.setdefault(monitor, {})
        if (name := settings.get(ACCOUNT_KEY)) not in asked:
            later = holds_outputs(settings)
            asked[name] = pulumi.Output.from_input(dict(settings)).apply(_digest) if later else _digest(settings)


def holds_outputs(settings: Mapping[str, Any]) -> bool:
    """Return whether a setting is an Output, and so may not be known yet."""
    return any(isinstance(value, pulumi.Output) for value in settings.values())


def _digest(settings: Mapping[str, Any]) -> str | None:
    try:
        return identity.account_of(config.load(settings.get))
    except SettingError:  # the look-up raises it
        return None


async def asked_beside(resource: pulumi.Resource) -> pulumi.Output[str | None] | None:
    """Return the digest of the account that look-ups use under the name of this resource's account; None for none.

    `check` compares it with the account of the resource. The SDK awaits it when the program has run, but for code in
    `apply`.
    """
    monitor, provider = get_monitor(), resource._provider
    if monitor not in _asked or not (provider is None or isinstance(provider, Account)):
        return None
    digest = _asked[monitor].get(str(provider.settings[ACCOUNT_KEY]) if provider else None)
    return None if digest is None else pulumi.Output.secret(digest)
