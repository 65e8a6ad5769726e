"""Secrets: marked, marked again, encrypted, never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pulumi import automation as auto

from pulumi_instances.core.state_format import SECRET

from .conftest import NewStack, resources
from .toy_cloud import Cloud


def secret(value: Any) -> dict[str, str]:
    """A secret in an export."""
    return {**SECRET, "plaintext": json.dumps(value, separators=(",", ":"))}


def hidden() -> None:
    import pulumi

    from tests.engine.toy_cloud import Thing

    Thing(
        "first",
        name=pulumi.Output.secret("hush-name"),
        tags=["open", pulumi.Output.secret("hush-tag")],
        conf={"open": 1, "closed": {"deep": pulumi.Output.secret("hush-conf")}},
        plain="in the open",
    )


def test_secret_inputs_make_secret_outputs(new_stack: NewStack, cloud: Cloud) -> None:
    """Objects are marked by key, a list as a whole; the provider itself is sent plain values."""
    stack = new_stack(hidden)
    stack.up()
    first = resources(stack)["first"]
    assert first["inputs"]["tags"] == secret(["open", "hush-tag"])  # as check gave them back
    for side in ("inputs", "outputs"):
        assert first[side]["name"] == secret("hush-name")
        assert first[side]["conf"] == {"open": 1, "closed": {"deep": secret("hush-conf")}}
        assert first[side]["plain"] == "in the open"
    assert first["outputs"]["token"] == secret("token of hush-name")
    assert cloud.calls("create")[0]["props"]["tags"] == ["open", "hush-tag"]


def test_secrets_stay_secret_through_refresh_and_update(new_stack: NewStack, cloud: Cloud) -> None:
    """What refresh brings in from outside is marked by the old state's secrets."""
    stack = new_stack(hidden)
    stack.up()
    id_ = cloud.id_of("hush-name")
    cloud.put(id_, {**cloud.get(id_), "name": "hush-drifted"})
    stack.refresh()
    first = resources(stack)["first"]
    assert first["inputs"]["name"] == first["outputs"]["name"] == secret("hush-drifted")
    assert first["outputs"]["token"] == secret("token of hush-name")
    stack.up()
    assert resources(stack)["first"]["outputs"]["token"] == secret("token of hush-name")


def test_a_check_failure_of_a_property_shows_its_value_decrypted(new_stack: NewStack) -> None:
    """The CLI does so, and a double that hides it would hide a leak of the provider from its tests."""

    def bad() -> None:
        import pulumi

        from tests.engine.toy_cloud import Thing

        Thing("first", name="a", bad=pulumi.Output.secret("hush"))

    with pytest.raises(auto.CommandError, match="property bad value hush has a problem"):
        new_stack(bad).preview()
