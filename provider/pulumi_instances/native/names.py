"""The names of properties in the native package: camelCase on its side, snake_case on ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..core.errors import Problem
from ..core.spelling import NAMES, camel


def to_engine(bag: Mapping[str, Any]) -> dict[str, Any]:
    """Properties under the keys of the native package. Hidden keys of the state are the same on both sides."""
    return {NAMES.get(key, key): value for key, value in bag.items()}


_SPELLED = {key: name for key, name in NAMES.items() if key != name}
_SPELLED.update({"get_instances": "getInstances", "get_instance": "getInstance"})
_ARGUMENT = re.compile(rf"\b({'|'.join(NAMES)})=(?=\S)")
_WORD = re.compile(rf"\b({'|'.join(_SPELLED)})\b(?!/)")
_CONSTANT = re.compile(r"(?<=: )(True|False)\b")


def problem_in_words(problem: Problem) -> Problem:
    """A problem of a property, as the native package says it. Those of settings read the same in all languages."""
    head = re.split(r"[.\[]", problem.property, maxsplit=1)[0]
    if head not in NAMES:
        return problem
    path = camel(head) + problem.property[len(head) :]
    return Problem(path, in_words(problem.fault), in_words(problem.advice))


def in_words(message: object) -> str:
    """A message that was written for Python programs, with the names and the syntax of the native package.

    ``write tags=["billing"]`` becomes ``write tags: ["billing"]``, ``adopt_id`` becomes ``adoptId``.
    """
    text = _ARGUMENT.sub(r"\1: ", f"{message}")
    text = _CONSTANT.sub(lambda word: word[0].lower(), text)
    return _WORD.sub(lambda word: _SPELLED[word[0]], text)
