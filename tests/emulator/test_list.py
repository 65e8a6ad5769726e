"""Paging and filters of the list."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.testing.emulator import Emulator

from .conftest import Http


def pages(http: Http, **query: Any) -> list[list[int]]:
    """The ids of every page."""
    found = []
    while True:
        response = http("GET", params=query)
        found.append([each["id"] for each in response.json()])
        token = response.headers.get("elements-next-page-token")
        if token is None:
            return found
        query["nextPage"] = token


@pytest.mark.parametrize(("size", "lengths"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (50, [5])])
def test_a_list_comes_in_pages(api: Emulator, http: Http, size: int, lengths: list[int]) -> None:
    """Every instance is on exactly one page, by ascending id; the last page has no token."""
    made = [api.add() for _ in range(5)]
    found = pages(http, pageSize=size)
    assert [len(page) for page in found] == lengths
    assert [each for page in found for each in page] == made


def test_a_page_holds_200_instances_unless_asked_for_less() -> None:
    """That is the default and the maximum of the live services."""
    with Emulator() as api:
        http = Http(api)
        for _ in range(201):
            api.add()
        with http.session:
            assert [len(page) for page in pages(http)] == [200, 1]
            assert [len(page) for page in pages(http, pageSize=1000)] == [200, 1]


def test_the_total_counts_all_pages(api: Emulator, http: Http) -> None:
    """It counts what the filters leave."""
    for tags in (["a"], ["a", "b"], []):
        api.add(tags=tags)
    assert http("GET", params={"pageSize": 1}).headers["elements-total-count"] == "3"
    assert http("GET", params={"pageSize": 1, "tags[]": "a"}).headers["elements-total-count"] == "2"


def test_a_delete_between_two_pages_hides_nothing(api: Emulator, http: Http) -> None:
    """A page begins after the last id of the one before."""
    made = [api.add() for _ in range(4)]
    token = http("GET", params={"pageSize": 2}).headers["elements-next-page-token"]
    api.remove(made[0])
    rest = http("GET", params={"pageSize": 2, "nextPage": token}).json()
    assert [each["id"] for each in rest] == made[2:]


@pytest.mark.parametrize(
    "query", [{"pageSize": "0"}, {"pageSize": "-1"}, {"pageSize": "x"}, {"nextPage": "!"}, {"nextPage": "eA=="}]
)
def test_a_malformed_page_is_400(http: Http, query: dict[str, str]) -> None:
    """The message names the parameter."""
    response = http("GET", params=query)
    assert response.status_code == 400
    assert next(iter(query)) in response.json()["message"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["one", "two", "Three"]),
        ({"tags[]": "a"}, ["one", "two"]),
        ({"tags[]": ["a", "b"]}, ["two"]),
        ({"tags[]": "c"}, []),
        ({"searchText": "t"}, ["two", "Three"]),
        ({"searchText": "THREE"}, ["Three"]),
        ({"searchText": "box"}, ["one", "two"]),
        ({"searchText": "dropbox", "tags[]": "b"}, ["two"]),
    ],
)
def test_filters_narrow_the_list(api: Emulator, http: Http, query: dict[str, Any], names: list[str]) -> None:
    """An instance has all of the tags; the text is part of its name or of its connector's key, in any case."""
    api.add(name="one", your_mom="box", tags=["a"])
    api.add(name="two", your_mom="dropbox", tags=["a", "b"])
    api.add(name="Three", your_mom="sfdc")
    assert [each["name"] for each in http("GET", params=query).json()] == names


def test_an_empty_list_can_be_404_as_on_the_live_services() -> None:
    """This needs ``empty_list_404``, and as soon as there is an instance the answer is a list again."""
    with Emulator(empty_list_404=True) as api:
        http = Http(api)
        with http.session:
            empty = http("GET")
            api.add()
            assert (empty.status_code, empty.json()["message"]) == (404, "No instances found")
            assert len(http("GET").json()) == 1
