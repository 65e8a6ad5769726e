"""Selecting instances by name, tags and connector."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.api.client import Client
from pulumi_instances.api.search import Search, Selection
from pulumi_instances.core.config import Settings, load
from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.core.errors import UnexpectedAnswer
from pulumi_instances.core.words import NATIVE
from pulumi_instances.testing.emulator import Emulator
from tests.support.scripted import ScriptedServer, answer

BOX: dict[str, Any] = {"id": "1", "name": "QA Box", "your_mom": "box", "tags": ["QA", "eu"]}


@pytest.mark.parametrize(
    ("selection", "matches"),
    [
        (Selection(), True),
        (Selection(name="QA *"), False),
        (Selection(name="qa box"), False),
        (Selection(pattern="QA *"), True),
        (Selection(pattern="qa *"), False),
        (Selection(tags=frozenset({"eu", "QA"})), True),
        (Selection(tags=frozenset({"eu", "us"})), False),
        (Selection(name="QA Box", your_mom="sfdc"), False),
    ],
)
def test_an_instance_matches_in_all_that_is_given(selection: Selection, matches: bool) -> None:
    """Fields left out match anything."""
    assert selection.matches(BOX) is matches


def test_an_instance_of_which_little_is_known_matches_little() -> None:
    """A listing need not contain every field."""
    assert Selection().matches({"id": "1"})
    assert not Selection(name="x").matches({"id": "1"})
    assert not Selection(tags=frozenset("x")).matches({"id": "1"})


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(), ""),
        (Selection(name="x"), 'name: "x"'),
        (Selection(tags=frozenset("ba"), your_mom="box"), 'tag "a", tag "b" and yourMom: "box"'),
        (Selection(pattern="a*"), 'name like "a*"'),
    ],
)
def test_a_selection_can_be_said(selection: Selection, said: str) -> None:
    """Messages contain it, in the words of the programs."""
    assert selection.described(NATIVE) == said


def test_a_live_service_is_asked_for_what_is_meant() -> None:
    """It leaves out the configurations, and filters by name and tag."""
    with Emulator(dialect="elements", demand_codes=False) as api:
        client = Client(load(lambda _: None, api.env))
        for number in range(250):
            api.add("box", f"box-{number}", ["eu"])
        wanted = Selection(name="box-7", tags=frozenset({"eu", "box"}))
        assert Search(client).select(wanted) == []
        [found] = Search(client).select(Selection(name="box-7", tags=frozenset({"eu"})))
        assert found["name"] == "box-7"
    queries = [request.query for request in api.requests]
    common = {"hydrate": "false", "pageSize": "200"}
    assert queries[0] == {**common, "tags[]": "box", "searchText": "box-7"}
    assert [query.get("searchText") for query in queries[1:3]] == [None, None], "nothing found is not believed"
    assert queries[3] == {**common, "tags[]": "eu", "searchText": "box-7"}
    assert len(queries) == 4


def test_a_service_that_ignores_filters_is_filtered_here() -> None:
    """How it searches is not documented."""
    page = [{"id": 1, "name": "a", "token": "t", "element": {"key": "box"}, "tags": []}]
    page += [{**page[0], "id": 2, "name": "ab"}]
    with ScriptedServer(answer(200, page)) as server:
        client = Client(Settings(server.base_url, "u", "o", dialect=DIALECTS["elements"]))
        assert [each["id"] for each in Search(client).select(Selection(name="a"))] == ["1"]


def test_a_malformed_instance_is_an_error() -> None:
    """It is never silently left out."""
    with ScriptedServer(answer(200, [{"id": 1, "name": 3}])) as server:
        client = Client(Settings(server.base_url, "u", "o"))
        with pytest.raises(UnexpectedAnswer, match="check that instances:baseUrl"):
            Search(client).select(Selection())
