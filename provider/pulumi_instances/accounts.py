"""Several accounts in one program."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pulumi

from .config import ACCOUNT_KEY, NAMESPACE, SETTINGS


class Account(pulumi.ProviderResource):
    """What `account` makes: a provider that remembers its settings, which look-ups need, too."""

    settings: Mapping[str, pulumi.Input[str]]
    """By their configuration keys, such as ``instances:baseUrl``."""

    def __init__(
        self, name: str, settings: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions | None
    ) -> None:
        """Register the provider; both secrets become secret in the state."""
        inputs = {key: pulumi.Output.secret(value) if key in _SECRETS else value for key, value in settings.items()}
        super().__init__("pulumi-python", name, inputs, opts)
        self.settings = settings


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
    """Another account beside the one of the stack's configuration: pass it as ``ResourceOptions(provider=…)``.

    ``settings`` holds further settings by their configuration keys without the namespace, such as
    ``{"timeout": "60"}``. Rotated secrets come from the environment under the account's name:
    ``INSTANCES_EU_USER_SECRET`` for ``account("eu", …)``. Both secrets are secret in the state.

    Raises ValueError when the name is not made of letters, digits, ``-`` and ``_``, or is ``create``, whose variable
    ``INSTANCES_CREATE_TIMEOUT`` is the default account's.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name.lower() == "create":
        raise ValueError(f"account name {name!r}: write letters, digits, - and _ only, and not 'create'")
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
