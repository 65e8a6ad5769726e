"""Values that tests share: inputs as the engine hands them over, and hypothesis strategies for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from pulumi.output import UNKNOWN

from pulumi_instances.core.state_format import SECRET

Inputs = dict[str, Any]


def inputs(**changed: Any) -> Inputs:
    """Inputs of a small instance, as `check` answers them; ``None`` for a property leaves it out."""
    bag = {"your_mom": "dropbox", "name": "billing", "tags": ["eu"], **changed}
    return {key: value for key, value in bag.items() if value is not None}


def outputs(**changed: Any) -> dict[str, Any]:
    """Outputs of that instance as the state holds them; ``None`` for a property leaves it out."""
    return inputs(**{"token": "t0ken-of-billing", "valid": True, "disabled": False, **changed})


def plain(value: Any) -> Any:
    """A value without the marks of secrets, as the engine hands it over."""
    if isinstance(value, Mapping):
        if SECRET.items() <= value.items():
            return plain(value["value"])
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def as_doubles(value: Any) -> Any:
    """A value as the engine hands it over: each number is a double (pulumi/pulumi#13830)."""
    if isinstance(value, Mapping):
        return {key: as_doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_doubles(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


TWO_OF_EACH: dict[str, tuple[Any, Any]] = {
    "your_mom": ("dropbox", "box"),
    "name": ("billing", "sales"),
    "tags": (["eu"], ["prod", "us"]),
    "configuration": ({"oauth.callback.url": "https://a"}, {"oauth.callback.url": "https://b"}),
    "provider_data": ({"code": "c0de"}, {"code": "0ther"}),
    "enabled": (True, False),
    "external_authentication": ("initial", "none"),
    "events_enabled": (True, False),
    "retrieve_objects_after_instantiation": (True, False),
    "extra": ({"oauthProxy": {"host": "a"}}, {"oauthProxy": {"host": "b"}}),
    "require_valid": (False, True),
    "adopt_id": ("4001", "4002"),
}
"""Two values of each input."""


# Two comparable bags must not hold an Unknown (it equals nothing), so there is a strategy without.
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_KNOWN_SCALARS = _SCALARS.filter(lambda value: value == value)
KEYS = st.text(max_size=8)


def _nested(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=8,
    )


KNOWN = _nested(_KNOWN_SCALARS)
"""Anything JSON-like, without NaN."""

ANYTHING = _nested(_SCALARS | st.just(UNKNOWN) | st.binary(max_size=4))
"""Anything at all, unknown values and what no JSON can hold included."""

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")),
    min_size=1,
    max_size=12,
).filter(str.strip)

_NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15)
_VALUES = st.booleans() | _NUMBERS | st.text(max_size=8)


@st.composite
def good_inputs(draw: st.DrawFn) -> Inputs:
    """What a program may write and the engine hand over, with and without the optional properties."""
    data = st.recursive(
        _VALUES, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXTS, v, max_size=3), max_leaves=5
    )
    bag = st.fixed_dictionaries(
        {"your_mom": TEXTS, "name": TEXTS},
        optional={
            "tags": st.lists(TEXTS, max_size=5),
            "configuration": st.dictionaries(TEXTS, _VALUES, max_size=4),
            "provider_data": st.dictionaries(TEXTS, data, max_size=3),
            "adopt_id": st.integers(0, 10**12).map(str),
        },
    )
    return draw(bag)
