"""The types and keys of the engine in state files, and in requests to the native package.

They are in the states of users, so none may change (pulumi/pulumi: sdk/go/common/resource).
"""

from __future__ import annotations

import re

INSTANCE_TYPE = "pulumi-python:dynamic/instances:Instance"
"""The type of an `Instance`, which is part of its URN."""

UNTYPED = "pulumi-python:dynamic:Resource"
"""The type of a dynamic resource whose class names none."""

NATIVE_TYPE = "instances:index:Instance"
"""The type of an instance of the native package."""

DYNAMIC_PROVIDER = "pulumi:providers:pulumi-python"
"""The type of an account of the dynamic provider."""

NATIVE_PROVIDER = "pulumi:providers:instances"
"""The type of an account in the native package."""

PROVIDER = "__provider"
"""The property that holds the pickle of `lifecycle.InstanceProvider`."""

SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  it marks secrets, and is none
SECRET = {SIGNATURE_KEY: SECRET_SIGNATURE}
"""The member that marks an object as a secret. Beside it is ``value`` in requests, and in a state ``ciphertext``, or
``plaintext`` in JSON (pulumi/pulumi: sdk/go/common/resource/properties.go, pkg/resource/stack/deployment.go)."""


def account_of(provider: str) -> str | None:
    """Return the name of an account from that of its native provider; None for the one that the engine makes by itself.

    The engine calls that one ``default``, and adds the version and the URL of the plugin, if there are any.
    """
    return None if not provider or re.fullmatch(r"default(_.*)?", provider) else provider
