"""The keys of a state, which are those of the front end that wrote it."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.core import model

_ALIKE = {"name": "crm", "tags": ["a"], "token": "t", "__defaults": ["name"]}
NATIVE = {"yourMom": "box", "providerData": {"aB": 1}, **_ALIKE}
OURS = {"your_mom": "box", "provider_data": {"aB": 1}, **_ALIKE}


@pytest.mark.parametrize("bag", [NATIVE, OURS, {**NATIVE, "__provider": "p"}, {**OURS, "__provider": "p"}])
def test_the_keys_of_both_are_read(bag: dict[str, Any]) -> None:
    """The members of a property stay as they are."""
    assert model.from_native(bag) == model.old_inputs(bag) == model.old_outputs(bag, None) == OURS


def test_those_of_the_native_package_are_recognised() -> None:
    """Names of one word are the same in both."""
    assert model.is_native(NATIVE)
    assert not model.is_native(OURS)
    assert not model.is_native({"name": "crm", "__provider": "p"})


def test_what_was_imported_is_managed_as_the_program_says() -> None:
    """The import itself says nothing of it."""
    imported = {**NATIVE, "__imported": True}
    assert model.old_inputs(imported) == {key: OURS[key] for key in OURS if key not in ("name", "tags")}
    assert model.old_outputs(imported, {"your_mom": "box", "tags": []}) == {**OURS, "__defaults": ["name"]}
    assert model.old_outputs(imported, None) == {**OURS, "__defaults": ["name", "tags"]}
