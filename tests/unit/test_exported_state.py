"""Reading exported states."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.cli.exported_state import HIDDEN, held
from pulumi_instances.core.errors import InputError
from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE, SECRET

EU = "urn:pulumi:dev::p::pulumi:providers:pulumi-python::eu"
URN = f"urn:pulumi:dev::p::{INSTANCE_TYPE}::"


def document(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(resources)}}


def instance(name: str = "crm", **more: Any) -> dict[str, Any]:
    return {"urn": URN + name, "type": INSTANCE_TYPE, "id": "4001", "outputs": {"name": name}, **more}


def test_only_instances_are_found() -> None:
    """They come with their resource names, whatever these contain."""
    found = held(document({"urn": "urn:x", "type": "pulumi:pulumi:Stack"}, instance(), instance("a::b")))
    assert [(each.name, each.id, each.outputs) for each in found] == [
        ("crm", "4001", {"name": "crm"}),
        ("a::b", "4001", {"name": "a::b"}),
    ]


def test_the_account_is_told_by_the_provider() -> None:
    """None means the default account."""
    provider = {"urn": EU, "type": "pulumi:providers:pulumi-python", "inputs": {"instances:account": "eu"}}
    default = instance(provider="urn:pulumi:dev::p::pulumi:providers:pulumi-python::default::1")
    found = held(document(provider, instance(provider=f"{EU}::2"), default, instance()))
    assert [each.account for each in found] == ["eu", None, None]


def test_what_the_native_package_has_written_is_read_alike() -> None:
    """Its accounts are its providers by their names, but for the one that the engine makes."""
    prefix = "urn:pulumi:dev::p::pulumi:providers:instances::"
    others = [{"urn": prefix + name, "type": "pulumi:providers:instances"} for name in ("eu", "default_0_1_0")]
    written = {"yourMom": {**SECRET, "plaintext": '"box"'}, "name": "crm", "__defaults": ["tags"]}
    native = {**instance(), "type": NATIVE_TYPE, "outputs": written}
    found = held(document(*others, *({**native, "provider": f"{each['urn']}::1"} for each in others)))
    assert [each.account for each in found] == ["eu", None]
    assert found[0].outputs == {"your_mom": "box", "name": "crm", "__defaults": ["tags"]}
    assert found[0].secrets == {"your_mom"}


@pytest.mark.parametrize(
    ("inputs", "left"),
    [({"name": "crm"}, ["tags"]), ({"name": "crm", "tags": [], "__imported": True}, ["name", "tags"])],
)
def test_what_an_import_manages_is_told_by_the_inputs(inputs: dict[str, Any], left: list[str]) -> None:
    """Those of the import itself tell nothing."""
    outputs = {"yourMom": "box", "name": "crm", "tags": ["a"], "__defaults": ["name", "tags"], "__imported": True}
    [found] = held(document({**instance(), "type": NATIVE_TYPE, "inputs": inputs, "outputs": outputs}))
    assert found.outputs["__defaults"] == left


def test_what_is_referred_to_or_on_its_way_out_is_marked() -> None:
    """These are `Instance.get`, and a replaced instance that is not deleted yet."""
    found = held(document(instance(external=True), instance(delete=True)))
    assert [(each.external, each.leaving) for each in found] == [(True, False), (False, True)]


def test_secrets_are_plain_only_where_the_state_has_them_in_plain() -> None:
    """`pulumi stack export --show-secrets` writes such a state."""
    outputs = {"name": {**SECRET, "plaintext": '"x"'}, "tags": {**SECRET, "ciphertext": "v1:…"}, "token": ["a"]}
    [found] = held(document(instance(outputs=outputs)))
    assert found.outputs == {"name": "x", "tags": HIDDEN, "token": ["a"]}
    assert found.secrets == {"name", "tags"}


def test_a_set_with_one_secret_in_it_is_hidden() -> None:
    """It cannot be compared as a whole."""
    [found] = held(document(instance(outputs={"tags": ["a", {**SECRET, "ciphertext": "v1:…"}]})))
    assert found.outputs["tags"] is HIDDEN
    assert found.secrets == {"tags"}


@pytest.mark.parametrize("empty", [{"deployment": {}}, {"deployment": {"resources": None}}])
def test_a_state_may_be_empty(empty: object) -> None:
    """A stack that was just created has such a state."""
    assert held(empty) == []


@pytest.mark.parametrize("wrong", [[], {}, {"deployment": []}, {"checkpoint": {}}, {"deployment": {"resources": {}}}])
def test_anything_else_is_refused(wrong: object) -> None:
    """The message says how to write a state."""
    with pytest.raises(InputError, match="pulumi stack export"):
        held(wrong)


@pytest.mark.parametrize("broken", [{"type": INSTANCE_TYPE}, instance(urn="x"), instance(outputs=["x"]), 3])
def test_a_malformed_resource_is_refused(broken: Any) -> None:
    """It never counts as absent."""
    with pytest.raises(InputError, match="malformed resource"):
        held(document(broken))
