"""Properties in a state, which spells them as the door does that wrote it: ``your_mom``, or ``yourMom``. Pure.

A resource that moves from one door to the other brings its state along: each reads what the other has written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import DEFAULTS, INPUTS, OUTPUTS, UPDATABLE, not_given
from .state_format import PROVIDER

IMPORTED = "__imported"
"""In the state of the native package: it was read to be imported, so that no program has said yet which of name and
tags it manages. Who manages it instead, where that is another resource: then the import was refused."""


def camel(key: str) -> str:
    """A property of ours as the native package spells it: ``your_mom`` is ``yourMom``."""
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


NAMES = {key: camel(key) for key in dict.fromkeys((*INPUTS, *OUTPUTS))}
"""How the native package spells each property."""
_OURS = {name: key for key, name in NAMES.items()}
_OTHERS = {name for key, name in NAMES.items() if name != key}


def is_native(bag: Mapping[str, Any]) -> bool:
    """Whether these inputs or outputs are spelled as in the native package."""
    return not _OTHERS.isdisjoint(bag)


def to_native(bag: Mapping[str, Any]) -> dict[str, Any]:
    """Properties under the keys of the native package. Hidden keys of the state are the same on both sides."""
    return {NAMES.get(key, key): value for key, value in bag.items()}


def ours(bag: Mapping[str, Any]) -> dict[str, Any]:
    """Properties under our keys, whichever door has spelled them, without what means something to that door only."""
    return {_OURS.get(key, key): value for key, value in bag.items() if key not in (PROVIDER, IMPORTED)}


def old_inputs(bag: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs in a state. Those of an import do not count as what a program has given."""
    return {key: value for key, value in ours(bag).items() if IMPORTED not in bag or key not in UPDATABLE}


def old_outputs(bag: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The outputs in a state. Those of an import manage what the program has ``given``."""
    outputs = ours(bag)
    return {**outputs, DEFAULTS: not_given(given or {})} if IMPORTED in bag else outputs
