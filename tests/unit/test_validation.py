from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.output import UNKNOWN as U

from pulumi_instances.core.errors import quote
from pulumi_instances.core.model import INPUTS
from pulumi_instances.core.state_format import SIGNATURE_KEY
from pulumi_instances.core.validation import check
from tests.support.values import ANYTHING, KEYS, Inputs, inputs

IN_BOTH = ("configuration", "provider_data")

# what check fills


MINIMAL = {"your_mom": "dropbox", "name": "n"}
LARGEST = {"n": 2**53 - 1, "m": -(2**53) + 1, "on": True}
GIVEN = inputs(configuration={"oauth.api.key": "k", **LARGEST}, provider_data={"code": "c"}, adopt_id="4014")


@pytest.mark.parametrize(
    ("bag", "made"),
    [
        pytest.param(GIVEN, GIVEN, id="every property is given"),
        pytest.param(MINIMAL, MINIMAL, id="absent tags are left to the server"),
        pytest.param({**MINIMAL, "tags": []}, {**MINIMAL, "tags": []}, id="no tags differ from absent ones"),
        pytest.param({**MINIMAL, **dict.fromkeys(("tags", *IN_BOTH, "adopt_id"))}, MINIMAL, id="None is absent"),
        pytest.param({**MINIMAL, "__provider": "gASV"}, MINIMAL, id="the pickle is no property"),
    ],
)
def test_good_inputs_pass_as_they_are(bag: Inputs, made: Inputs) -> None:
    assert check(bag) == (made, [])


def test_inputs_have_one_spelling() -> None:
    """Check accepts its own answer unchanged, and never changes what the engine passed in."""
    bag = inputs(tags=["b", "a", "b"], configuration={"n": 3.0, "x": None}, provider_data={"a": None}, adopt_id=4014.0)
    before = copy.deepcopy(bag)
    made, problems = check(bag)
    assert problems == []
    assert repr(made) == repr(inputs(tags=["a", "b"], configuration={"n": 3}, provider_data={}, adopt_id="4014"))
    assert bag == before
    assert check(made) == (made, [])


DEFAULT = {"your_mom": "dropbox", "name": "billing", "__defaults": ["name"]}
NAMED = {"your_mom": "dropbox", "name": "billing"}
ADOPTING = {"adopt_id": "7"}


@pytest.mark.parametrize(
    ("news", "olds", "name"),
    [
        pytest.param(DEFAULT, {}, "billing", id="a new instance gets the default"),
        pytest.param({**DEFAULT, **ADOPTING}, {}, None, id="an adopted one keeps its own"),
        pytest.param({**NAMED, **ADOPTING}, {}, "billing", id="an adopted one gets the name that is given"),
        pytest.param(DEFAULT, {"your_mom": "dropbox"}, None, id="not managed before, adopt_id removed"),
        pytest.param({**DEFAULT, **ADOPTING}, {"your_mom": "dropbox"}, None, id="not managed before"),
        pytest.param(NAMED, {"your_mom": "dropbox"}, "billing", id="given from now on"),
        pytest.param(DEFAULT, {"name": "x"}, "billing", id="dropped: the default again"),
        pytest.param({**DEFAULT, **ADOPTING}, {"name": "x"}, None, id="dropped where the instance was adopted"),
        pytest.param({**DEFAULT, **ADOPTING}, {"name": "billing"}, "billing", id="adopted by 0.1.0 with the default"),
        pytest.param({"your_mom": "b", "__defaults": ["name"]}, {"your_mom": "b"}, None, id="ignored, not managed"),
    ],
)
def test_a_name_that_is_not_given(news: Inputs, olds: Inputs, name: str | None) -> None:
    """It is the default, or left to the server if the program did not create the instance."""
    made, problems = check(news, olds)
    assert problems == []
    assert made.get("name") == name
    assert not any(key.startswith("__") for key in made)


# unknown values


@pytest.mark.parametrize(
    ("given_inputs", "path"),
    [
        ({"your_mom": U}, ["your_mom"]),
        ({"name": U}, ["name"]),
        ({"tags": U}, ["tags"]),
        ({"tags": [U]}, ["tags", 0]),
        ({"tags": ["b", U, "a"]}, ["tags", 2]),
        ({"configuration": U}, ["configuration"]),
        ({"configuration": {"oauth.api.secret": U}}, ["configuration", "oauth.api.secret"]),
        ({"provider_data": U}, ["provider_data"]),
        ({"provider_data": {"code": U}}, ["provider_data", "code"]),
        ({"provider_data": {"a": {"b": [1, {"c": U}]}}}, ["provider_data", "a", "b", 1, "c"]),
        ({"adopt_id": U}, ["adopt_id"]),
    ],
)
def test_unknown_values_pass_through_at_any_depth(given_inputs: Inputs, path: list[Any]) -> None:
    """In a preview a value may be unknown: this is not a problem, and it stays unknown where it was."""
    made, problems = check(inputs(**given_inputs))
    assert problems == []
    value: Any = made
    for step in path:
        value = value[step]
    assert value is U


# bad inputs

NAN, INFINITE, BYTES = float("nan"), float("inf"), b"x"
BAD: dict[str, list[Inputs]] = {
    "is missing": [{"your_mom": None}, {"name": None}],
    "is empty": [{"your_mom": ""}, {"name": " \t"}],
    "contains a control character": [{"your_mom": "drop\nbox"}, {"name": "a\x7fb"}, {"name": "a\ud800"}],
    "must be a string, not a number": [{"your_mom": 1}, {"name": 1.5}],
    "must be a string, not a boolean": [{"your_mom": True}, {"name": True}],
    "must be a string, not a list": [{"your_mom": []}, {"name": []}],
    "must be a string, not an object": [{"your_mom": {}}, {"name": {}}],
    "must be a string, not a bytes": [{"name": BYTES}],
    'must be a string, not a boolean; write "initial"': [{"external_authentication": True}],
    'is not a value that services know; write "initial"': [{"external_authentication": "Inital"}],
    "must be a list of strings, not a string": [{"tags": "eu"}],
    "must be a list of strings, not an object": [{"tags": {"a": 1}}],
    "must be a list of strings, not a boolean": [{"tags": True}],
    "tags[1] must be a string, not a number": [{"tags": ["a", 1]}],
    "tags[1] must be a string, not a NoneType": [{"tags": ["a", None]}],
    "tags[0] must be a string, not an object": [{"tags": [{"name": "a"}]}],
    "tags[1] is empty": [{"tags": ["a", ""]}],
    "tags[0] contains a control character": [{"tags": ["a\nb"]}],
    "tags[1] is the mark of a resource": [{"tags": ["a", " PULUMI:shop/dev/crm#abcdefghijklmn.0001"]}],
    "must be an object, not a string": [{"configuration": "x"}, {"provider_data": "code"}],
    "must be an object, not a list": [{"configuration": ["x"]}, {"provider_data": [{"code": "c"}]}],
    "must be an object, not a list; write extra={": [{"extra": []}],
    'extra["providerData"] has an argument of its own; write provider_data=': [{"extra": {"providerData": {}}}],
    'extra["element"] has an argument of its own; write your_mom=… instead': [{"extra": {"element": {}}}],
    'extra["token"] is set by the service; remove it': [{"extra": {"token": "t"}}],
    "must be a boolean, not a string; write enabled=True or enabled=False": [{"enabled": "yes"}],
    "must be a boolean, not a number": [{"events_enabled": 1}, {"require_valid": 30}],
    "has a key that is empty, not a string, or contains a control": [
        *({"configuration": {key: 1}} for key in ("", "a\x00", 1)),
        {"provider_data": {"a": {"": 1}}},
    ],
    'configuration["a"] has a key that is empty': [{"configuration": {"a": {"": 1}}}],
    'configuration["a"]["b"] is a bytes; write a string, a number': [{"configuration": {"a": {"b": BYTES}}}],
    'configuration["a"][0] is too large to stay exact': [{"configuration": {"a": [2**54]}}],
    'provider_data["a"][0]["b"] is a set': [{"provider_data": {"a": [{"b": {1, 2}}]}}],
    'configuration["api.key"] is what services show instead of': [{"configuration": {"api.key": "********"}}],
    'provider_data["a"][0] is what services show instead of a secret': [{"provider_data": {"a": ["********"]}}],
    'extra["file"] is an asset': [{"extra": {"file": {SIGNATURE_KEY: "c44067f5952c0a294b673a41bacd8c17"}}}],
    "provider_data is an asset, an arch": [{"provider_data": {SIGNATURE_KEY: "0def7320c3a5731c473e5ecbe6d01bc7"}}],
    '["n"] is not a finite number': [{key: {"n": value}} for key in IN_BOTH for value in (NAN, INFINITE)],
    '["n"] is too large to stay exact': [
        {key: {"n": value}} for key in IN_BOTH for value in (2**53, -(2**53), -(2**60), 10**400, 1e300)
    ],
    'provider_data["a"]["b"][0]["c"] is not a finite number': [{"provider_data": {"a": {"b": [{"c": NAN}]}}}],
    "must be the decimal id of an instance, not another string; write an id": [{"adopt_id": "../x"}],
    "is not a property of an Instance; remove it": [{"nmae": "x"}, {"token": "x"}, {"id": "x"}],
}


@pytest.mark.parametrize("says", BAD)
def test_a_bad_input_is_one_problem_of_its_property(says: str) -> None:
    """The problem names it, says what is wrong in one line, and says what to write instead."""
    for bad in BAD[says]:
        [problem] = check(inputs(**bad))[1]
        assert problem.property.startswith((*bad,))
        assert says in str(problem)
        assert "\n" not in str(problem)
        assert problem.advice


def test_every_problem_is_reported_at_once() -> None:
    """One run of the program shows everything that is wrong with it."""
    bad: Inputs = {"tags": [1, ""], "configuration": {"a": b"", "b": float("nan")}, "provider_data": 1, "y": 1}
    _, problems = check(bad)
    assert sorted(problem.property for problem in problems) == sorted(
        ["your_mom", "name", "tags[0]", "tags[1]", 'configuration["a"]', 'configuration["b"]', "provider_data", "y"]
    )


@pytest.mark.parametrize("key", ["name", "your_mom", "provider_data", "configuration", "adopt_id"])
def test_a_problem_never_repeats_the_value(key: str) -> None:
    """A value may be a secret, so the message gives its kind only."""
    secret = "s3cr3t-value"
    for value in ([secret], {"a": {"b": {secret}}}, {"a": [secret]}, f"{secret}\x00"):
        _, problems = check(inputs(**{key: value}))
        assert secret not in repr(problems)


@given(st.dictionaries(st.sampled_from([*INPUTS, "__provider", "stranger"]) | KEYS, ANYTHING, max_size=8))
def test_anything_gets_an_answer(bag: Inputs) -> None:
    """Whatever a program passes, the answer is inputs and one-line problems that each name a property, never a
    traceback.
    """
    made, problems = check(bag)
    assert set(made) <= set(INPUTS)
    for problem in problems:
        assert problem.property.startswith((*INPUTS, *map(quote, bag)))
        assert problem.fault
        assert problem.advice
        assert "\n" not in str(problem)
