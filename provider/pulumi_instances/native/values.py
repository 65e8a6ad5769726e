"""Values in the engine's messages: unknown ones, secret ones, and property bags as protobuf structs.

A secret is an object with a signature (`SECRET`); `decode` removes these marks, `marked` and `keep_marks` set them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value
from pulumi.output import UNKNOWN, Unknown

from ..core import model
from ..core.state_format import SECRET, SECRET_SIGNATURE, SIGNATURE_KEY

UNKNOWN_VALUE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The text for a value that is not known yet (pulumi/pulumi: sdk/go/common/resource/plugin/rpc.go)."""


def decode(struct: Struct) -> dict[str, Any]:
    """Return the values of a struct, without marks of secrets and without members that are null."""
    return {key: _decoded(value) for key, value in struct.fields.items() if not _is_null(value)}


def _decoded(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        if _is_secret(value):
            return _decoded(value.struct_value.fields["value"])
        return decode(value.struct_value)
    if kind == "list_value":
        return [_decoded(item) for item in value.list_value.values]
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_VALUE else value.string_value
    if kind == "number_value":
        return value.number_value
    if kind == "bool_value":
        return value.bool_value
    return None


def _is_null(value: Value) -> bool:
    return value.WhichOneof("kind") in ("null_value", None)


def encode(bag: Mapping[str, Any]) -> Struct:
    """Return a struct with these values, where `secret` ones are marked."""
    struct = Struct()
    struct.update({key: _encoded(value) for key, value in bag.items()})
    return struct


def _encoded(value: Any) -> Any:
    if isinstance(value, Unknown):
        return UNKNOWN_VALUE
    if isinstance(value, Mapping):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encoded(item) for item in value]
    return value


def secret(value: Any) -> dict[str, Any]:
    """Return the value, marked as a secret."""
    return {**SECRET, "value": value}


def holds_secret(value: Value) -> bool:
    """Return whether the program has made this value, or a part of it, a secret."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _is_secret(value) or any(map(holds_secret, value.struct_value.fields.values()))
    return kind == "list_value" and any(map(holds_secret, value.list_value.values))


def keep_marks(answer: Struct, given: Struct) -> Struct:
    """Mark in the answer what is secret under the same key in ``given``, which the engine has sent, and return it.

    The engine does this for providers that take no secrets (pulumi/pulumi: provider_plugin.go, annotateSecrets).
    """
    for *parents, key in list(unmarked(answer, given)):
        members = answer
        for parent in parents:
            members = members.fields[parent].struct_value
        inner = Value()
        inner.CopyFrom(members.fields[key])
        fields = members.fields[key].struct_value.fields
        fields[SIGNATURE_KEY].string_value = SECRET_SIGNATURE
        fields["value"].CopyFrom(inner)
    return answer


def unmarked(held: Struct, given: Struct) -> Iterator[list[str]]:
    """Yield the keys that lead to each value that ``held`` has in plain, and the engine has ``given`` as a secret."""
    for key, new in given.fields.items():
        if key not in held.fields:
            continue
        old = held.fields[key]
        if _is_object(old) and _is_object(new):
            for path in unmarked(old.struct_value, new.struct_value):
                yield [key, *path]
        elif holds_secret(new) and not _is_secret(old):
            yield [key]


def _is_object(value: Value) -> bool:
    return value.WhichOneof("kind") == "struct_value" and not _is_secret(value)


def _is_secret(value: Value) -> bool:
    fields = value.struct_value.fields if value.WhichOneof("kind") == "struct_value" else {}
    return SIGNATURE_KEY in fields and fields[SIGNATURE_KEY].string_value == SECRET_SIGNATURE


def marked(bag: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs or outputs under our keys, in which what is always secret is marked.

    `keep_marks` marks what the program has made secret.
    """
    return model.marked(bag, secret)
