"""What a state spells in one way or the other."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.core import spelling

_ALIKE = {"name": "crm", "tags": ["a"], "token": "t", "__defaults": ["name"]}
NATIVE = {"yourMom": "box", "providerData": {"aB": 1}, **_ALIKE}
OURS = {"your_mom": "box", "provider_data": {"aB": 1}, **_ALIKE}


@pytest.mark.parametrize("bag", [NATIVE, OURS, {**NATIVE, "__provider": "p"}, {**OURS, "__provider": "p"}])
def test_both_spellings_are_read(bag: dict[str, Any]) -> None:
    """The members of a property stay as they are."""
    assert spelling.ours(bag) == spelling.old_inputs(bag) == spelling.old_outputs(bag, None) == OURS


def test_the_native_spelling_is_recognised() -> None:
    """Names of one word are the same in both."""
    assert spelling.is_native(NATIVE)
    assert not spelling.is_native(OURS)
    assert not spelling.is_native({"name": "crm", "__provider": "p"})


def test_what_was_imported_is_managed_as_the_program_says() -> None:
    """The import itself says nothing of it."""
    imported = {**NATIVE, "__imported": True}
    assert spelling.old_inputs(imported) == {key: OURS[key] for key in OURS if key not in ("name", "tags")}
    assert spelling.old_outputs(imported, {"your_mom": "box", "tags": []}) == {**OURS, "__defaults": ["name"]}
    assert spelling.old_outputs(imported, None) == {**OURS, "__defaults": ["name", "tags"]}
