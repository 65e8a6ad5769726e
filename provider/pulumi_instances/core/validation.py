"""The rules for inputs, as `EngineCalls.check` applies them in each preview. Pure.

A problem names its property and says what to write instead. It never repeats a value, which may be a secret.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pulumi.output import Unknown

from . import model
from .dialect import DIALECTS, Dialect
from .errors import InputError, Problem, quote
from .marks import is_mark
from .model import (
    CREATE_ONLY,
    DEFAULTS,
    EXACT,
    HIDDEN_INPUTS,
    INPUTS,
    MASK,
    WIRE_NAMES,
    kind_of,
    normalise_id,
    normalise_tags,
    plain,
)
from .state_format import PROVIDER, SIGNATURE_KEY
from .words import PYTHON, Words

_OBJECTS = {"configuration": '{"oauth.api.key": "…"}', "provider_data": '{"code": "…"}', "extra": '{"oauthProxy": {…}}'}
_FLAGS = ("enabled", "events_enabled", "retrieve_objects_after_instantiation", "require_valid")
_MEMBERS = {**{wire: key for key, wire in WIRE_NAMES.items()}, "name": "name", "tags": "tags"}
_MEMBERS.update({dialect.connector: "your_mom" for dialect in DIALECTS.values()})
_ANSWERED = ("id", "token", "valid", "disabled")


def check(
    news: Mapping[str, Any], olds: Mapping[str, Any] | None = None, words: Words = PYTHON
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the inputs as the state holds them, and every problem in them. Values may be unknown at any depth.

    ``olds`` are the inputs in the state, empty for a resource that is new. The problems are in these ``words``.
    """
    name = words.name
    inputs = {key: value for key, value in news.items() if key in INPUTS and value is not None}
    leaves_name = _leaves_name(news, olds or {})
    if leaves_name:
        inputs.pop("name", None)
    problems = [Problem(key, "is not a property of an Instance", "remove it") for key in _unknown_keys(news)]
    problems += _string_problems(
        name("your_mom"), inputs.get("your_mom"), 'write the key of a connector, such as "dropbox"'
    )
    if not leaves_name:
        problems += _string_problems("name", inputs.get("name"), 'write a name, such as "billing"')
    problems += tags_problems(inputs.get("tags", []), words)
    for key, example in _OBJECTS.items():
        problems += _object_problems(key, inputs.get(key, {}), example, words)
    problems += _extra_problems(inputs.get("extra", {}), words)
    for key in _FLAGS:
        problems += _flag_problems(key, inputs.get(key, False), words)
    if (value := inputs.get("external_authentication")) is not None:
        problems += _word_problems(name("external_authentication"), value, ("initial", "none"))
    if not problems:
        if "tags" in inputs:
            inputs["tags"] = normalise_tags(inputs["tags"])
        inputs.update({key: plain(inputs[key]) for key in CREATE_ONLY if key in inputs})
    if "adopt_id" in inputs and not isinstance(inputs["adopt_id"], Unknown):
        try:
            inputs["adopt_id"] = normalise_id(inputs["adopt_id"])
        except InputError as error:
            problems.append(Problem(name("adopt_id"), error.cause, error.advice))
    return inputs, problems


def check_search(arguments: Mapping[str, Any], words: Words = PYTHON) -> list[Problem]:
    """Return every problem in what a look-up is given as ``name``, ``tags`` and ``your_mom``; None is not given."""
    problems: list[Problem] = []
    for key, example in (("name", '"billing"'), ("your_mom", '"dropbox"')):
        if (value := arguments.get(key)) is not None:
            problems += _string_problems(words.name(key), value, f"write {words.argument(key, example)}")
    if (tags := arguments.get("tags")) is not None:
        problems += tags_problems(tags, words)
    return problems


def _leaves_name(news: Mapping[str, Any], olds: Mapping[str, Any]) -> bool:
    """Return whether the name is left to the server: the program gives none, and adopts or imports the instance.

    ``news`` then has no name, or the name of the resource as a default. A name that is managed already stays so, but
    for an adopted instance whose program no longer gives a name of its own.
    """
    default = news.get("name")
    if default is not None and "name" not in (news.get(DEFAULTS) or ()):
        return False
    adopts = news.get("adopt_id") is not None
    if not olds:
        return adopts
    return olds.get("name") is None or (adopts and olds["name"] != default)


def check_adopted(
    olds: Mapping[str, Any], inputs: Mapping[str, Any], dialect: Dialect, words: Words = PYTHON
) -> list[Problem]:
    """Return a problem for each change that replaces an instance which ``adopt_id`` still names.

    The replacement would adopt the same instance, and then delete it. ``olds`` are the inputs in the state, empty for a
    resource that is new. A value that is unknown is checked in a later call, when it is known.
    """
    if not olds or not inputs.get("adopt_id"):
        return []
    _, replaces = model.changes(olds, inputs, dialect)
    adopt_id = words.name("adopt_id")
    advice = f"remove {adopt_id} to replace the instance, or undo the change to keep it"
    return [
        Problem(words.name(key), f"cannot change while {adopt_id} names the instance", advice)
        for key in replaces
        if not has_unknown(inputs.get(key))
    ]


def has_unknown(value: Any) -> bool:
    """Return whether anything in a value is not known yet."""
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(has_unknown, value))
    return isinstance(value, Unknown)


def _unknown_keys(news: Mapping[str, Any]) -> list[str]:
    known = {*INPUTS, *HIDDEN_INPUTS, PROVIDER}
    return [quote(key) for key, value in news.items() if key not in known and value is not None]


def _string_problems(name: str, value: Any, advice: str) -> Iterator[Problem]:
    if isinstance(value, Unknown):
        return
    if value is None:
        yield Problem(name, "is missing", advice)
    elif not isinstance(value, str):
        yield Problem(name, f"must be a string, not {kind_of(value)}", advice)
    elif fault := _string_fault(value):
        yield Problem(name, fault, advice)


def _word_problems(name: str, value: Any, known: Sequence[str]) -> Iterator[Problem]:
    """Yield a problem for a value that resembles one of the ``known`` ones. Services may have others."""
    yield from _string_problems(name, value, f'write "{known[0]}"')
    if isinstance(value, str) and value not in known and (near := get_close_matches(value.lower(), known, 1)):
        yield Problem(name, "is not a value that services know", f'write "{near[0]}"')


def _string_fault(value: str) -> str | None:
    if not value.strip():
        return "is empty"
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in value):
        return "contains a control character"
    return None


def tags_problems(tags: Any, words: Words) -> Iterator[Problem]:
    """Yield each problem of tags."""
    if isinstance(tags, Unknown):
        return
    advice = "write " + words.argument("tags", '["billing"]')
    if not isinstance(tags, (list, tuple)):
        yield Problem("tags", f"must be a list of strings, not {kind_of(tags)}", advice)
        return
    for position, tag in enumerate(tags):
        if isinstance(tag, Unknown):
            continue
        if not isinstance(tag, str):
            yield Problem(f"tags[{position}]", f"must be a string, not {kind_of(tag)}", advice)
        elif fault := _string_fault(tag):
            yield Problem(f"tags[{position}]", fault, "remove it, or write a tag")
        elif is_mark(tag):
            yield Problem(f"tags[{position}]", "is the mark of a resource, which only the provider sets", "remove it")


def _object_problems(key: str, value: Any, example: str, words: Words) -> Iterator[Problem]:
    if isinstance(value, Unknown):
        return
    if not isinstance(value, Mapping):
        fault = f"must be an object, not {kind_of(value)}"
        yield Problem(words.name(key), fault, f"write {words.argument(key, example)}")
        return
    yield from _json_problems(words.name(key), value)


def _extra_problems(extra: Any, words: Words) -> Iterator[Problem]:
    if isinstance(extra, Mapping):
        for member in extra:
            if (instead := _MEMBERS.get(member)) is not None:
                advice = f"write {words.argument(instead, '…')} instead"
                yield Problem(f'extra["{member}"]', "has an argument of its own", advice)
            elif member in _ANSWERED:
                yield Problem(f'extra["{member}"]', "is set by the service", "remove it")


def _flag_problems(key: str, value: Any, words: Words) -> Iterator[Problem]:
    if not isinstance(value, (bool, Unknown)):
        advice = f"write {words.argument(key, words.true)} or {words.argument(key, words.false)}"
        yield Problem(words.name(key), f"must be a boolean, not {kind_of(value)}", advice)


def _json_problems(path: str, value: Any) -> Iterator[Problem]:
    """Yield a problem for each part of a value that the engine or JSON would change or refuse."""
    if isinstance(value, Mapping) and SIGNATURE_KEY in value:  # so the engine marks them
        yield Problem(path, "is an asset, an archive or a resource", "write a string, a number or a boolean")
    elif isinstance(value, Mapping):
        yield from _key_problems(path, value)
        for name, item in value.items():
            yield from _json_problems(f'{path}["{quote(name)}"]', item)
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from _json_problems(f"{path}[{position}]", item)
    elif isinstance(value, bool):
        return
    elif isinstance(value, (int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            yield Problem(path, "is not a finite number", "write a finite number, or a string")
        elif abs(value) > EXACT:
            yield Problem(path, "is too large to stay exact", "write it as a string")
    elif value == MASK:
        yield Problem(path, "is what services show instead of a secret", "write the secret itself, or remove it")
    elif value is not None and not isinstance(value, (str, Unknown)):
        yield Problem(path, f"is {kind_of(value)}", "write a string, a number or a boolean")


def _key_problems(path: str, value: Mapping[Any, Any]) -> Iterator[Problem]:
    for name in value:
        if not isinstance(name, str) or _string_fault(name):
            yield Problem(path, "has a key that is empty, not a string, or contains a control character", "rename it")
