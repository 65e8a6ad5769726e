"""Whether an instance is that of a state: the rules as tables."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from pulumi_instances.core import identity, model
from pulumi_instances.core.config import Settings
from pulumi_instances.core.identity import Verdict
from pulumi_instances.core.marks import Mark, Place, line_of, parse
from tests.support.marks import mark_of

LINE, THEIRS = line_of(Place("shop", "dev", "", "crm")), line_of(Place("shop", "prod", "", "crm"))
RENAMED = line_of(Place("shop", "dev", "", "customers"))
MARK = mark_of(LINE, 1)
STATE = {"token": "t0ken", "your_mom": "dropbox", model.MARK: MARK, model.ACCOUNT: "here"}

TOKENS: dict[str, dict[str, Any]] = {
    "equal token": {"token": "t0ken"},
    "other token": {"token": "of-a-stranger"},
    "masked token": {"token": model.MASK},
    "no token": {},
}
CONNECTORS: dict[str, dict[str, Any]] = {
    "same connector": {"your_mom": "dropbox"},
    "connector in other letters": {"your_mom": "DropBox"},
    "no connector": {},
    "other connector": {"your_mom": "box"},
}
SAME_CONNECTOR = {"same connector", "connector in other letters", "no connector"}
MARKS = {
    "our mark": [MARK],
    "our mark in other letters": [f" {MARK.upper()}"],
    "two marks": [mark_of(THEIRS, 1), MARK],
    "no mark": [],
    "another number": [mark_of(LINE, 2)],
    "another's mark": [mark_of(THEIRS, 1)],
    "our mark by another name": [mark_of(RENAMED, 1)],
    "another resource's mark": [mark_of(RENAMED, 2)],
}
OUR_MARK = {"our mark", "our mark in other letters", "two marks", "our mark by another name"}


def marked(tags: Sequence[str]) -> dict[str, list[Mark]]:
    """What the API shows of an instance with these marks."""
    return {model.MARKS: [mark for tag in tags if (mark := parse(tag)) is not None]}


def expected(token: str, connector: str, marks: str, account: str) -> Verdict:
    """The rules in words: see `identity.judge`."""
    if token == "equal token":
        return Verdict.OURS
    if connector not in SAME_CONNECTOR or account != "here":
        return Verdict.ANOTHER
    if token == "other token":
        return Verdict.RENEWED if marks in OUR_MARK else Verdict.ANOTHER
    return Verdict.OURS if marks in OUR_MARK or marks == "no mark" else Verdict.ANOTHER


@pytest.mark.parametrize("token", TOKENS)
def test_what_proves_an_instance(token: str) -> None:
    """An equal token does anywhere; mark, connector and account do together; a mark of another denies it."""
    for connector, marks, account in itertools.product(CONNECTORS, MARKS, ("here", "elsewhere")):
        found = {"id": "7", **TOKENS[token], **CONNECTORS[connector], **marked(MARKS[marks])}
        verdict = identity.judge(STATE, found, account)
        assert verdict is expected(token, connector, marks, account), (connector, marks, account)


STATES: dict[str, dict[str, Any]] = {
    "of an older version": {"token": "t0ken", "your_mom": "dropbox"},
    "without a token": {"your_mom": "dropbox", model.MARK: MARK},
    "with an empty token": {**STATE, "token": "", model.ACCOUNT: None},
    "empty": {},
}


@pytest.mark.parametrize("state", STATES)
def test_a_state_that_says_nothing_of_the_account_needs_the_token(state: str) -> None:
    """Neither a mark nor what is missing proves anything then."""
    outputs = STATES[state]
    for token in TOKENS:
        found = {"id": "7", "your_mom": "dropbox", **marked([MARK]), **TOKENS[token]}
        is_ours = token == "equal token" and outputs.get("token") == "t0ken"
        assert identity.judge(outputs, found, "here") is (Verdict.OURS if is_ours else Verdict.ANOTHER)


@pytest.mark.parametrize("token", ["other token", "masked token", "no token"])
def test_a_message_about_another_instance_shows_nothing_of_it(token: str) -> None:
    """It says what differs, and neither token, connector nor tags of the stranger."""
    found = {"id": "7", "name": "their name", **TOKENS[token], "your_mom": "box", **marked([mark_of(THEIRS, 1)])}
    words = identity.differences(STATE, found)
    first = "another token" if token == "other token" else "no token to compare"
    assert words == f"{first}, another connector, the mark of another resource"
    assert identity.differences(STATE, {"token": "x", "your_mom": "dropbox", **marked([MARK])}) == "another token"


def test_marks_of_others_are_those_of_no_given_line() -> None:
    """A state may hold one line, by an alias, and the program another one."""
    tags = [MARK, mark_of(LINE, 2), mark_of(THEIRS, 1).upper()]
    found = marked(tags)
    assert [mark.tag for mark in identity.of_others(found, LINE)] == [tags[2]]
    assert identity.of_others(found, LINE, THEIRS) == []
    assert [mark.tag for mark in identity.of_others(found, None)] == tags
    assert identity.of_others({}, LINE) == []


def test_who_manages_an_instance() -> None:
    """All its marks count, each stack and resource once."""
    assert identity.managed_by(marked([mark_of(THEIRS, 1), MARK, mark_of(LINE, 2)])) == ("shop/dev/crm, shop/prod/crm")
    assert identity.managed_by(marked([])) is None


@pytest.mark.parametrize(
    ("outputs", "line"), [(STATE, LINE), ({}, None), ({model.MARK: None}, None), ({model.MARK: 5}, None)]
)
def test_the_line_that_a_state_holds(outputs: dict[str, Any], line: str | None) -> None:
    """It is that of its mark."""
    assert identity.line_in(outputs) == line


URLS = {
    "https://API.Example.com:443/v2/": "https://api.example.com/v2",
    "http://127.0.0.1:80/v2": "http://127.0.0.1/v2",
    "https://api.example.com:8443": "https://api.example.com:8443",
    "https://[::1]:8443/V2": "https://[::1]:8443/V2",
}


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_compared_in_one_spelling(url: str) -> None:
    """Host in lower case, no default port, no slash at the end."""
    assert identity.canonical_url(url) == URLS[url]


def test_an_account_is_its_url_and_both_secrets() -> None:
    """The digest tells none of them."""
    ours = identity.account_of(Settings("https://a.test/v2", "us3r", "0rg"))
    assert ours == identity.account_of(Settings("https://A.test:443/v2/", "us3r", "0rg"))
    others = [
        ("https://a.test/v3", "us3r", "0rg"),
        ("https://a.test/v2", "x", "0rg"),
        ("https://a.test/v2", "us3r", "x"),
    ]
    assert ours not in {identity.account_of(Settings(*other)) for other in others}
    assert "us3r" not in ours
