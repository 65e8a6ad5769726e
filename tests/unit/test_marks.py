"""Marks: what a line is made of, how long its marks are, and how a mark is recognised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_instances.core.marks import Place, is_mark, line_of, new_mark, parse, stack_digest

CRM = Place("shop", "dev", "", "crm")
WORDS = st.text(min_size=1, max_size=80)
PLACES = st.builds(Place, WORDS, WORDS, st.text(max_size=80), WORDS)

SLUGS = {
    "plain": (CRM, "pulumi:shop/dev/crm#"),
    "upper case": (CRM._replace(name="CRM"), "pulumi:shop/dev/crm#"),
    "blanks and accents": (CRM._replace(name="Mein Café 2"), "pulumi:shop/dev/mein-caf-2#"),
    "nothing that is allowed": (CRM._replace(name="名前"), "pulumi:shop/dev/-#"),
    "separators": (CRM._replace(name="a/b#c:d"), "pulumi:shop/dev/a-b-c-d#"),
    "33 characters": (CRM._replace(name="n" * 24), f"pulumi:shop/dev/{'n' * 24}#"),
    "34 characters": (CRM._replace(name="n" * 25), f"pulumi:shop/dev/{'n' * 10}#"),
    "all long": (Place("p" * 40, "s" * 40, "", "n" * 40), f"pulumi:{'p' * 10}/{'s' * 10}/{'n' * 10}#"),
}


@pytest.mark.parametrize("case", SLUGS)
def test_the_words_of_a_line_are_for_people(case: str) -> None:
    """They are project, stack and name in the letters that every service keeps, shortened where they are long."""
    place, beginning = SLUGS[case]
    line = line_of(place)
    assert line.startswith(beginning)
    assert len(line) == len(beginning) + 14


@given(PLACES)
def test_a_mark_is_short_and_read_back(place: Place) -> None:
    """Services cut long tags, and store them in other letters or with blanks around them."""
    line = line_of(place)
    mark = new_mark(line)
    assert len(mark) <= 60
    for spelled in (mark, mark.upper(), f"  {mark}\n", mark.title()):
        found = parse(spelled)
        assert found is not None
        assert (found.line, found.stack) == (line, stack_digest(place.project, place.stack))
        assert line.startswith(f"pulumi:{found.managed_by}#")


OTHERS = {
    "project": CRM._replace(project="Shop"),
    "stack": CRM._replace(stack="prod"),
    "parents": CRM._replace(parents="acme:index:Team"),
    "name": CRM._replace(name="CRM"),
    "parts that join to the same": Place("shop", "dev", "crm", ""),
}


@pytest.mark.parametrize("other", OTHERS)
def test_each_part_of_a_place_makes_another_line(other: str) -> None:
    """The digests hold what the words leave out."""
    assert line_of(OTHERS[other]) != line_of(CRM)


def test_a_stack_has_a_digest_of_its_own() -> None:
    """All its resources have it in common, and no other stack has it."""
    assert line_of(CRM).partition("#")[2].startswith(stack_digest("shop", "dev"))
    assert stack_digest("shop", "dev") != stack_digest("shopd", "ev")


COMPONENTS = "acme:index:Team$acme:index:Desk"
URNS: dict[str, Place | None] = {
    "urn:pulumi:dev::shop::pulumi-python:dynamic/instances:Instance::crm": CRM,
    "urn:pulumi:dev::shop::instances:index:Instance::crm": CRM,
    f"urn:pulumi:dev::shop::{COMPONENTS}$instances:index:Instance::a::b": Place("shop", "dev", COMPONENTS, "a::b"),
    **dict.fromkeys(["", "crm", "urn:pulumi:dev::shop", "urn:pulumi:dev::shop::t::", "urn:pulumi:::::::"]),
}


@pytest.mark.parametrize("urn", URNS)
def test_a_urn_names_a_place(urn: str) -> None:
    """Both front ends agree on it, since a state can be moved from one to the other. Its parents are part of it.

    What is not a URN is no place: then no mark is sent.
    """
    assert Place.of_urn(urn) == URNS[urn]


NOT_MARKS = [
    "",
    "eu",
    "pulumi:shop/dev/crm",
    "pulumi:shop/dev/crm#abcdefghijklmn",
    "pulumi:shop/dev/crm#abcdefghijklmn.001",
    "pulumi:shop/dev/crm#abcdefghijklmn.12345",
    "pulumi:shop/dev/crm#abcdefghijklm.0001",
    "pulumi:shop/dev/crm#abcdefghijklm1.0001",
    "pulumi:shop/crm#abcdefghijklmn.0001",
    "pulumi:shop/dev/x/crm#abcdefghijklmn.0001",
    "x pulumi:shop/dev/crm#abcdefghijklmn.0001",
    "pulumi:shop/dev/crm#abcdefghijklmn.0001 x",
]


@pytest.mark.parametrize("tag", NOT_MARKS)
def test_any_other_tag_is_not_a_mark(tag: str) -> None:
    """It stays among the tags that a program sees."""
    assert parse(tag) is None
    assert not is_mark(tag)


def test_no_two_creates_send_the_same_mark() -> None:
    """Two machines that know nothing of each other may create an instance of one line at once."""
    marks = {new_mark(line_of(CRM)) for _ in range(20)}
    assert len(marks) >= 19
    assert {found.line for mark in marks if (found := parse(mark))} == {line_of(CRM)}
