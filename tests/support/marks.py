"""Marks whose end a test chooses, in place of a random one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable


def mark_of(line: str, number: int) -> str:
    """The mark of this line that ends in a number."""
    return f"{line}.{number:04}"


def without_ends(text: str) -> str:
    """A text with its marks as they are in every run: without their ends, which are random."""
    return re.sub(r"(#[a-z2-7]{14})\.[a-z0-9]{4}", r"\1", text)


def counting() -> Callable[[str], str]:
    """A `new_mark` that counts the marks of each line, from 1."""
    given: Counter[str] = Counter()

    def new_mark(line: str) -> str:
        given[line] += 1
        return mark_of(line, given[line])

    return new_mark
