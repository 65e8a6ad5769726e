"""Checks inputs, without I/O: each problem names the property and says what to write instead."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi.output import Unknown

from . import model
from .errors import InputError, quote
from .model import (
    CREATE_ONLY,
    DEFAULTS,
    EXACT,
    HIDDEN_INPUTS,
    INPUTS,
    kind_of,
    normalise_id,
    normalise_tags,
    plain,
)

Problem = tuple[str, str]
"""A bad input: the property, and what is wrong with it and what to write instead."""


def check(news: Mapping[str, Any], olds: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], list[Problem]]:
    """Inputs as the state holds them, and every problem found. Unknown values pass through at any depth.

    ``olds`` are the inputs in the state, empty for a resource that is new.
    """
    inputs = {key: value for key, value in news.items() if key in INPUTS and value is not None}
    if leaves_name := _leaves_name(news, olds or {}):
        inputs.pop("name", None)
    problems = [(key, "is not a property of an Instance: remove it") for key in _strangers(news)]
    problems += _text_problems("your_mom", inputs.get("your_mom"), 'the key of a connector, such as "dropbox"')
    if not leaves_name:
        problems += _text_problems("name", inputs.get("name"), 'a name, such as "billing"')
    problems += _tags_problems(inputs.get("tags", []))
    problems += _configuration_problems(inputs.get("configuration", {}))
    problems += _provider_data_problems(inputs.get("provider_data", {}))
    if not problems:
        if "tags" in inputs:
            inputs["tags"] = normalise_tags(inputs["tags"])
        inputs.update({key: plain(inputs[key]) for key in CREATE_ONLY if key in inputs})
    if "adopt_id" in inputs and not isinstance(inputs["adopt_id"], Unknown):
        try:
            inputs["adopt_id"] = normalise_id(inputs["adopt_id"])
        except InputError as error:
            problems.append(("adopt_id", str(error)))
    return inputs, problems


def _leaves_name(news: Mapping[str, Any], olds: Mapping[str, Any]) -> bool:
    """Whether the name is left to the server: the program gives none, and the instance was not made by it.

    The name in ``news`` is then only the default. What was managed once stays so, until the program drops another name.
    """
    default = news.get("name")
    if default is not None and "name" not in (news.get(DEFAULTS) or ()):
        return False
    adopts = news.get("adopt_id") is not None
    if not olds:
        return adopts
    return olds.get("name") is None or (adopts and olds["name"] != default)


def check_adopted(olds: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[Problem]:
    """Refuse to replace an instance that ``adopt_id`` still names: the new one would be the old one, then deleted.

    ``olds`` are the inputs in the state, empty for a resource that is new. What is unknown is checked once it is known.
    """
    if not olds or not inputs.get("adopt_id"):
        return []
    _, replaces = model.changes(olds, inputs)
    advice = "remove adopt_id to replace the instance, or undo the change to keep it"
    return [
        (key, f"cannot change while adopt_id names the instance: {advice}")
        for key in replaces
        if not has_unknown(inputs.get(key))
    ]


def has_unknown(value: Any) -> bool:
    """Whether anything in a value is not known yet."""
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(has_unknown, value))
    return isinstance(value, Unknown)


def _strangers(news: Mapping[str, Any]) -> list[str]:
    known = {*INPUTS, *HIDDEN_INPUTS, "__provider"}
    return [quote(key) for key, value in news.items() if key not in known and value is not None]


def _text_problems(key: str, value: Any, wanted: str) -> Iterator[Problem]:
    if isinstance(value, Unknown):
        return
    if value is None:
        yield key, f"is missing: write {wanted}"
    elif not isinstance(value, str):
        yield key, f"must be text, not {kind_of(value)}: write {wanted}"
    elif fault := _text_fault(value):
        yield key, f"{fault}: write {wanted}"


def _text_fault(value: str) -> str | None:
    if not value.strip():
        return "is empty"
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in value):
        return "holds a control character"
    return None


def _tags_problems(tags: Any) -> Iterator[Problem]:
    if isinstance(tags, Unknown):
        return
    if not isinstance(tags, (list, tuple)):
        yield "tags", f'must be a list of texts, not {kind_of(tags)}: write tags=["billing"]'
        return
    for position, tag in enumerate(tags):
        if isinstance(tag, Unknown):
            continue
        if not isinstance(tag, str):
            yield "tags", f'tags[{position}] must be text, not {kind_of(tag)}: write tags=["billing"]'
        elif fault := _text_fault(tag):
            yield "tags", f"tags[{position}] {fault}: remove it, or write a text"


def _configuration_problems(configuration: Any) -> Iterator[Problem]:
    if isinstance(configuration, Unknown):
        return
    if not isinstance(configuration, Mapping):
        yield (
            "configuration",
            f'must be an object, not {kind_of(configuration)}: write configuration={{"oauth.api.key": "…"}}',
        )
        return
    for key, value in configuration.items():
        shown = quote(key)
        if isinstance(value, (Mapping, list, tuple)):
            wanted = f'write flat, dotted keys such as "{shown}.name", or JSON text'
            yield (
                "configuration",
                f'["{shown}"] must be text, a number or a boolean, not {kind_of(value)}: {wanted}',
            )
        else:
            yield from _json_problems("configuration", f'["{shown}"]', value)
    yield from _key_problems("configuration", configuration)


def _provider_data_problems(provider_data: Any) -> Iterator[Problem]:
    if isinstance(provider_data, Unknown):
        return
    if not isinstance(provider_data, Mapping):
        yield (
            "provider_data",
            f'must be an object, not {kind_of(provider_data)}: write provider_data={{"code": "…"}}',
        )
        return
    yield from _json_problems("provider_data", "", provider_data)


def _json_problems(key: str, path: str, value: Any) -> Iterator[Problem]:
    """Whether a value survives the way engine → JSON → engine unchanged."""
    if isinstance(value, Mapping):
        yield from _key_problems(key, value)
        for name, item in value.items():
            yield from _json_problems(key, f'{path}["{quote(name)}"]', item)
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from _json_problems(key, f"{path}[{position}]", item)
    elif isinstance(value, bool):
        return
    elif isinstance(value, (int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            yield key, f"{path} is not a finite number: write a number, or text"
        elif abs(value) > EXACT:
            yield key, f"{path} is too large to stay exact: write it as text"
    elif value is not None and not isinstance(value, (str, Unknown)):
        yield key, f"{path} is {kind_of(value)}: write text, a number or a boolean"


def _key_problems(key: str, value: Mapping[Any, Any]) -> Iterator[Problem]:
    for name in value:
        if not isinstance(name, str) or _text_fault(name):
            yield key, "has a key that is empty, not text or holds a control character: rename it"
