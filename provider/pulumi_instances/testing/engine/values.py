"""Property values as the engine has them, and their two encodings: gRPC structs and the JSON of a state. Pure.

A value is plain, a `Secret`, or `UNKNOWN` in a preview.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeAlias

from google.protobuf import json_format, struct_pb2

from ...core.state_format import SECRET_SIGNATURE, SIGNATURE_KEY

ASSET_SIGNATURES = ("c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7")
UNKNOWN_SENTINEL = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Value: TypeAlias = Any
"""None, bool, int, float, str, list, dict, Secret or UNKNOWN."""
Properties: TypeAlias = dict[str, Value]


class FailedError(Exception):
    """The operation cannot go on, because of the program or of a provider; the text says why."""


class UnsupportedFeatureError(Exception):
    """A Pulumi feature that the local engine leaves out."""

    def __init__(self, feature: str) -> None:
        """Name the feature, in words that follow "does not support", such as "stack references"."""
        super().__init__(
            f"The local engine does not support {feature}; run this program with the Pulumi CLI "
            "(in tests: `pytest --instances-engine=cli`)."
        )


class Secret:
    """A value that is shown as `[secret]`."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        """Wrap `value`; a secret in a secret is one secret."""
        self.value: Value = value.value if isinstance(value, Secret) else value

    def __repr__(self) -> str:
        """Never show the value."""
        return "[secret]"


class Unknown(Enum):
    """The type of `UNKNOWN`, which its copies are as well."""

    UNKNOWN = "a value that is not known before the update"


UNKNOWN = Unknown.UNKNOWN


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """Decode a gRPC struct. Integral numbers become `int`, as JSON would have them."""
    return {key: from_state(value) for key, value in json_format.MessageToDict(struct).items()}


def from_state(value: Value) -> Value:
    """Decode JSON, of a gRPC struct or of a state."""
    signature = value.get(SIGNATURE_KEY) if isinstance(value, dict) else None
    if signature in ASSET_SIGNATURES:
        raise UnsupportedFeatureError("assets and archives")
    if signature == SECRET_SIGNATURE:
        if "ciphertext" in value:
            raise UnsupportedFeatureError("encrypted states (`pulumi stack export --show-secrets` writes plain ones)")
        plain = value["value"] if "value" in value else json.loads(value["plaintext"])
        return Secret(from_state(plain))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return UNKNOWN if value == UNKNOWN_SENTINEL else _inside(value, from_state)


def to_struct(properties: Properties, *, keep_secrets: bool) -> struct_pb2.Struct:
    """Encode a property bag; secrets that may not be kept are unwrapped."""

    def marked(secret: Secret) -> Value:
        return {SIGNATURE_KEY: SECRET_SIGNATURE, "value": _encoded(secret.value, marked)}

    struct = struct_pb2.Struct()
    struct.update(_encoded(properties if keep_secrets else unwrap(properties), marked))
    return struct


def to_state(value: Value) -> Value:
    """Encode for the state, where a secret is JSON in plain text, and marked."""

    def marked(secret: Secret) -> Value:
        plain = json.dumps(_encoded(secret.value, marked), separators=(",", ":"), ensure_ascii=False)
        return {SIGNATURE_KEY: SECRET_SIGNATURE, "plaintext": plain}

    return _encoded(value, marked)


def _encoded(value: Value, mark: Callable[[Secret], Value]) -> Value:
    if isinstance(value, Secret):
        return mark(value)
    return UNKNOWN_SENTINEL if value is UNKNOWN else _inside(value, lambda each: _encoded(each, mark))


def _inside(value: Value, change: Callable[[Value], Value]) -> Value:
    """Change each member of a list or an object, whose keys are then in order; any other value is as it was."""
    if isinstance(value, list):
        return [change(item) for item in value]
    return {key: change(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


def equal(left: Value, right: Value) -> bool:
    """Compare at any depth. A secret differs from its plain value, and True from 1; a missing key equals None."""
    if isinstance(left, Secret) or isinstance(right, Secret):
        return isinstance(left, Secret) and isinstance(right, Secret) and equal(left.value, right.value)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return all(equal(left.get(key), right.get(key)) for key in left.keys() | right.keys())
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def unwrap(value: Value) -> Value:
    """Take every secret out of its wrapper, at any depth."""
    return unwrap(value.value) if isinstance(value, Secret) else _inside(value, unwrap)


def contains(value: Value, kind: type[Secret | Unknown]) -> bool:
    """Return whether `value` or anything in it is a secret, or is unknown."""
    if isinstance(value, kind):
        return True
    if isinstance(value, Secret):
        return contains(value.value, kind)
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and any(contains(item, kind) for item in value)


def copy_secretness(source: Mapping[str, Value], target: Properties) -> None:
    """Mark in `target`, in place, what is secret under the same key in `source`.

    Objects are compared key by key; anything else that contains a secret makes the whole counterpart
    secret. A Python provider gets and returns plain values, so its secrets are marked again by this.
    """
    for key, value in source.items():
        if key not in target:
            continue
        if isinstance(value, dict) and isinstance(target[key], dict):
            copy_secretness(value, target[key])
        elif contains(value, Secret):
            target[key] = Secret(target[key])
