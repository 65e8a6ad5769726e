"""Marks whose end a test chooses, in place of a random one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable


def mark_of(line: str, number: int) -> str:
    """The mark of this line that ends in a number."""
    return f"{line}.{number:04}"


def counting() -> Callable[[str], str]:
    """A `new_mark` that counts the marks of each line, from 1."""
    given: Counter[str] = Counter()

    def new_mark(line: str) -> str:
        given[line] += 1
        return mark_of(line, given[line])

    return new_mark
