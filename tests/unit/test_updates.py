"""What an update sends, in each dialect: one request, and only what differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulumi_instances.core import model, updates
from pulumi_instances.core.dialect import DIALECTS, IN_PLACE
from pulumi_instances.core.updates import Update
from tests.support.values import Inputs, inputs, outputs

DOCUMENT = DIALECTS["default"]
SILENT = replace(DOCUMENT, in_place=IN_PLACE)
"""The API document, where a setting says that the service takes more than it says."""
LIVE = DIALECTS["elements"]

CONFIG = {"url": "u1", "user": "a", "nested": {"p": [1, {"q": True}]}}
LOGIN = {"user": "u", "password": "p"}
NAME_AND_TAGS = {"name": "billing", "tags": ["eu"]}


@pytest.mark.parametrize(
    ("old", "new", "document", "silent", "live"),
    [
        pytest.param({}, {}, None, None, None, id="nothing"),
        pytest.param(
            {},
            {"name": "n"},
            Update("PUT", {"name": "n", "tags": ["eu"]}),
            Update("PUT", {"name": "n", "tags": ["eu"]}),
            Update("PUT", {"name": "n", "tags": ["eu"]}),
            id="a name",
        ),
        pytest.param(
            {"configuration": CONFIG},
            {"configuration": {**CONFIG, "url": "u2"}},
            None,
            Update("PUT", {**NAME_AND_TAGS, "configuration": {**CONFIG, "url": "u2"}}),
            Update("PATCH", {"configuration": {"url": "u2"}}),
            id="one key",
        ),
        pytest.param(
            {"configuration": CONFIG},
            {"configuration": {**CONFIG, "nested": {"p": [1, {"q": 1}]}}},
            None,
            Update("PUT", {**NAME_AND_TAGS, "configuration": {**CONFIG, "nested": {"p": [1, {"q": 1}]}}}),
            Update("PATCH", {"configuration": {"nested": {"p": [1, {"q": 1}]}}}),
            id="True is not 1, at any depth",
        ),
        pytest.param(
            {"configuration": CONFIG},
            {"configuration": {**CONFIG, "url": "u2"}, "name": "n"},
            Update("PUT", {"name": "n", "tags": ["eu"]}),
            Update("PUT", {"name": "n", "tags": ["eu"], "configuration": {**CONFIG, "url": "u2"}}),
            Update("PATCH", {"name": "n", "configuration": {"url": "u2"}}),
            id="one key and a name",
        ),
        pytest.param(
            {"configuration": CONFIG},
            {"configuration": {"url": "u1"}},
            None,
            Update("PUT", {**NAME_AND_TAGS, "configuration": {"url": "u1"}}),
            None,
            id="dropped keys: a service that merges keeps them",
        ),
        pytest.param({"configuration": CONFIG}, {"configuration": None}, None, None, None, id="all dropped"),
        pytest.param(
            {},
            {"configuration": {"url": "u1"}},
            None,
            Update("PUT", {**NAME_AND_TAGS, "configuration": {"url": "u1"}}),
            Update("PATCH", {"configuration": {"url": "u1"}}),
            id="given to an instance that exists",
        ),
        pytest.param(
            {"provider_data": LOGIN},
            {"provider_data": {**LOGIN, "password": "p2"}},
            None,
            Update("PUT", {**NAME_AND_TAGS, "providerData": {**LOGIN, "password": "p2"}}, logs_in=True),
            Update("PUT", {**NAME_AND_TAGS, "providerData": {**LOGIN, "password": "p2"}}, logs_in=True),
            id="a new login",
        ),
        pytest.param(
            {"provider_data": LOGIN, "configuration": CONFIG},
            {"provider_data": {"code": "c"}, "configuration": {**CONFIG, "url": "u2"}},
            None,
            Update(
                "PUT",
                {**NAME_AND_TAGS, "configuration": {**CONFIG, "url": "u2"}, "providerData": {"code": "c"}},
                logs_in=True,
            ),
            Update(
                "PUT",
                {**NAME_AND_TAGS, "configuration": {"url": "u2"}, "providerData": {"code": "c"}},
                logs_in=True,
            ),
            id="a new login and a key, in one request",
        ),
        pytest.param({}, {"enabled": False}, None, None, None, id="enabled has a request of its own"),
        pytest.param({}, {"require_valid": True}, None, None, None, id="require_valid is only recorded"),
    ],
)
def test_an_update_is_one_request(
    old: Inputs, new: Inputs, document: Update | None, silent: Update | None, live: Update | None
) -> None:
    for dialect, expected in ((DOCUMENT, document), (SILENT, silent), (LIVE, live)):
        assert updates.update(outputs(**old), inputs(**{**old, **new}), dialect) == expected, dialect


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": 2}, ["a"]),
        ({"a": 1}, {"a": 2, "b": 1}, []),
        ({"a": 1}, None, []),
        (None, {"a": 1}, []),
    ],
)
def test_dropped_keys_are_named_where_the_service_keeps_them(old: Any, new: Any, expected: list[str]) -> None:
    olds, news = outputs(configuration=old), inputs(configuration=new)
    assert updates.dropped(olds, news, LIVE) == expected
    assert updates.dropped(olds, news, SILENT) == []


@pytest.mark.parametrize("key", sorted(IN_PLACE - {"enabled"}))
def test_what_changes_in_place_does_not_replace(key: str) -> None:
    olds, news = outputs(**{key: {"a": "1"}}), inputs(**{key: {"a": "2"}})
    assert model.changes(olds, news, DOCUMENT) == ([key], [key])
    assert model.changes(olds, news, LIVE) == model.changes(olds, news, SILENT) == ([key], [])


@pytest.mark.parametrize(
    ("declared", "found", "kept"),
    [
        pytest.param({"name": "<b>x</b> "}, {"name": "x"}, {"name": "<b>x</b> "}, id="HTML and spaces"),
        pytest.param({"name": "<b>x</b>"}, {"name": "y"}, {"name": "y"}, id="renamed by hand"),
        pytest.param({"name": "n", "tags": []}, {"tags": ["n"]}, {"tags": []}, id="the default tag"),
        pytest.param({"name": "n", "tags": []}, {"tags": ["m"]}, {"tags": ["m"]}, id="another tag"),
        pytest.param({"name": "n", "tags": ["a"]}, {"tags": ["n"]}, {"tags": ["n"]}, id="the default tag by hand"),
    ],
)
def test_what_the_service_makes_of_a_value_is_no_difference(declared: Inputs, found: Inputs, kept: Inputs) -> None:
    """The outputs hold what was declared, so that neither a preview nor a refresh shows anything."""
    known = outputs(**declared)
    outs = model.outputs({"id": "7", **found}, known, [], LIVE)
    assert {key: outs[key] for key in kept} == kept
    changed, _ = model.changes(outs, inputs(**declared), LIVE)
    assert bool(changed) is (outs["name"] != known["name"] or outs["tags"] != known["tags"])


@pytest.mark.parametrize(
    ("declared", "shown", "drifted"),
    [
        pytest.param("a", "a", False, id="the same"),
        pytest.param("a", "b", True, id="another text"),
        pytest.param(True, "true", False, id="a boolean as text"),
        pytest.param(True, "false", True, id="another boolean"),
        pytest.param("true", True, True, id="text that is a boolean now"),
        pytest.param(1, "1", False, id="a number as text"),
        pytest.param(1.0, "1", False, id="a whole float"),
        pytest.param({"a": [1, True]}, '{"a": [1, true]}', False, id="JSON of what is nested"),
        pytest.param({"a": [1, True]}, '{"a": [1, 1]}', True, id="other JSON"),
        pytest.param({"a": 1}, "no JSON", True, id="no JSON"),
        pytest.param("p", "********", False, id="a mask says nothing"),
        pytest.param("p", None, False, id="nor does null"),
    ],
)
def test_drift_is_what_the_service_shows_otherwise(declared: Any, shown: Any, drifted: bool) -> None:
    bag = {"key": declared, "other": "x"}
    assert model.with_drift(bag, {"key": shown, "added": "y"}) == ({**bag, "key": shown} if drifted else bag)
    assert model.with_drift(bag, None) == bag
