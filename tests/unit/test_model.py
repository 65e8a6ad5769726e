from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from pulumi.output import UNKNOWN as U

from pulumi_instances.core import model
from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.core.errors import InputError, UnexpectedAnswer
from pulumi_instances.core.marks import Place, line_of
from tests.support.marks import mark_of
from tests.support.values import ANYTHING, Inputs, inputs, outputs

DIALECT = DIALECTS["default"]
CODE = {"code": "c0de"}
CONFIG = {"oauth.api.key": "k"}

# ids


@pytest.mark.parametrize(
    ("given_id", "expected"),
    [
        ("4014", "4014"),
        (4014, "4014"),
        (4014.0, "4014"),
        ("0", "0"),
        ("9" * 30, "9" * 30),
        (10**30 - 1, "9" * 30),
        (2**53, "9007199254740992"),
        (float(2**53 - 1), "9007199254740991"),
    ],
)
def test_an_id_becomes_decimal_text(given_id: Any, expected: str) -> None:
    """Text, a number, and the float that the engine makes of a number have the same model."""
    assert model.normalise_id(given_id) == expected


NOT_IDS: dict[str, list[Any]] = {
    "an empty string": [""],
    "another string": [" ", "4014 ", "4014\n", "../x", "4014?x=1", "4014#", "-1", "0x10", "4e3", "٤٠١٤", "9" * 31, -1],
    "a number": [4014.5, float("nan"), float("inf"), 1e300, float(2**53), 10**40, 10**5000],
    "a boolean": [True, False],
    "a NoneType": [None],
    "a bytes": [b"4014"],
    "a list": [["4014"]],
    "an object": [{"id": 4014}],
    "a Unknown": [U],
}


@pytest.mark.parametrize("kind", NOT_IDS)
def test_what_is_not_a_decimal_id_is_refused(kind: str) -> None:
    """Nothing else may become part of a URL. It is described and not shown: it may be a secret in the wrong place."""
    for given_id in NOT_IDS[kind]:
        with pytest.raises(InputError) as caught:
            model.normalise_id(given_id)
        assert str(caught.value).startswith(f"must be the decimal id of an instance, not {kind}; write an id such as")


# tags


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], []),
        (["b", "a"], ["a", "b"]),
        (["a", "b", "a"], ["a", "b"]),
        (("b", "a"), ["a", "b"]),
        (["A", "a", "ä"], ["A", "a", "ä"]),
        (["b", U, "a"], ["a", "b", U]),
        (U, U),
    ],
)
def test_tags_have_one_spelling(tags: Any, expected: list[str]) -> None:
    """Order and repeats never matter: tags are a set. An unknown tag is the last of its set."""
    assert model.normalise_tags(tags) == expected


@pytest.mark.parametrize(
    ("olds", "tags", "expected"),
    [
        (["a", "b", "c"], ["b", "c", "d"], ["d", "b", "c"]),
        (["a", "b", "c"], ["c", "b", "a", "a"], ["a", "b", "c"]),
        (["c", "a"], ["a", "b", "c"], ["c", "a", "b"]),
        (["a", "b", "c"], ["b", "c"], ["c", "b"]),
        (["a", "b", "c", "d"], ["b", "x"], ["x", "b"]),
        (["a", "b", "c", "d"], ["d"], ["d"]),
        (["a", "b"], ["y", "x", "z"], ["x", "y", "z"]),
        (["a", "a", "b"], ["b", "c"], ["c", "b"]),
        (["a"], [], []),
        ([], ["b", "a"], ["a", "b"]),
        (None, ["b", "a"], ["a", "b"]),
        (["a", 1], ["b", "a"], ["a", "b"]),
        (["a", "b"], ["b", U], [U, "b"]),
        (["a"], U, U),
        (["a"], "b", "b"),
    ],
)
def test_tags_keep_their_places(olds: Any, tags: Any, expected: Any) -> None:
    """So that a list shows as few changed lines as it can."""
    assert model.in_order(tags, olds) == expected


# numbers and absent members


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3.0, 3),
        (3.5, 3.5),
        (-0.0, 0),
        (True, True),
        ("3.0", "3.0"),
        (None, None),
        (1e300, 1e300),
        (float(2**53 - 1), 2**53 - 1),
        (float(2**53), float(2**53)),
        ({"a": 3.0, "b": None, "c": {"d": None, "e": [1.0, None]}}, {"a": 3, "c": {"e": [1, None]}}),
        ((1.0, 2.5), [1, 2.5]),
    ],
)
def test_plain_undoes_what_the_engine_does_to_numbers(value: Any, expected: Any) -> None:
    """Whole floats are ints again and absent members are left out, at any depth; a list keeps its length.

    What the engine passed in is never changed.
    """
    before = repr(value)
    made = model.plain(value)
    assert made == expected
    assert (repr(made), repr(value)) == (repr(expected), before)


# diff: one row for every cell of the property table

NOTHING: tuple[list[str], list[str]] = ([], [])


@pytest.mark.parametrize(
    ("old", "new", "changed", "replaces"),
    [
        pytest.param({}, {}, [], [], id="nothing differs"),
        # your_mom: replace
        pytest.param({}, {"your_mom": "box"}, ["your_mom"], ["your_mom"], id="your_mom changed"),
        pytest.param({}, {"your_mom": U}, ["your_mom"], ["your_mom"], id="your_mom unknown"),
        # name: update
        pytest.param({}, {"name": "other"}, ["name"], [], id="name changed"),
        pytest.param({}, {"name": "Billing"}, ["name"], [], id="name is case-sensitive"),
        pytest.param({}, {"name": U}, ["name"], [], id="name unknown"),
        # tags: update, as a set
        pytest.param({"tags": ["a", "b"]}, {"tags": ["b", "a", "b"]}, [], [], id="tags: order and repeats"),
        pytest.param({"tags": None}, {"tags": []}, [], [], id="tags: absent is empty"),
        pytest.param({"tags": []}, {"tags": None}, [], [], id="tags: empty is absent"),
        pytest.param({"tags": ["a"]}, {"tags": ["a", "b"]}, ["tags"], [], id="tags: one added"),
        pytest.param({"tags": ["a", "b"]}, {"tags": ["a"]}, ["tags"], [], id="tags: one removed"),
        pytest.param({"tags": ["a"]}, {"tags": None}, ["tags"], [], id="tags: dropped"),
        pytest.param({"tags": ["a"]}, {"tags": U}, ["tags"], [], id="tags: unknown set"),
        pytest.param({"tags": []}, {"tags": U}, ["tags"], [], id="tags: unknown set over none"),
        pytest.param({"tags": ["a"]}, {"tags": ["a", U]}, ["tags"], [], id="tags: unknown member"),
        # configuration: replace where both sides hold it
        *(
            pytest.param({key: old}, {key: new}, changed, replaces, id=f"{key}: {what}")
            for key, one in (("configuration", CONFIG), ("provider_data", CODE))
            for what, old, new, changed, replaces in (
                ("same", one, dict(one), [], []),
                ("changed", one, {"x": "y"}, [key], [key]),
                ("member added", one, {**one, "x": "y"}, [key], [key]),
                ("member removed", {**one, "x": "y"}, one, [key], [key]),
                ("appears", None, one, [key], []),
                ("appears over empty", {}, one, [key], []),
                ("dropped", one, None, [key], []),
                ("emptied", one, {}, [key], []),
                ("empty is absent", None, {}, [], []),
                ("absent is empty", {}, None, [], []),
                ("unknown", one, U, [key], [key]),
                ("unknown where there was none", None, U, [key], []),
                ("unknown member", one, dict.fromkeys(one, U), [key], [key]),
                ("unknown member appears", None, dict.fromkeys(one, U), [key], []),
                ("3.0 is 3", {"n": 3}, {"n": 3.0}, [], []),
                ("3 is 3.0", {"n": 3.0}, {"n": 3}, [], []),
                ("3.5 is not 3", {"n": 3}, {"n": 3.5}, [key], [key]),
                ("True is not 1", {"n": 1}, {"n": True}, [key], [key]),
                ("1.0 is not True", {"n": True}, {"n": 1.0}, [key], [key]),
                ("False is not 0", {"n": False}, {"n": 0}, [key], [key]),
                ('"3" is not 3', {"n": "3"}, {"n": 3}, [key], [key]),
                ("None member is absent", {**one, "n": None}, one, [], []),
                ("order of keys", {"a": 1, "b": 2}, {"b": 2, "a": 1}, [], []),
            )
        ),
        pytest.param(
            {"provider_data": {"a": {"b": [1, {"c": 2.0}]}}},
            {"provider_data": {"a": {"b": [1.0, {"c": 2}]}}},
            [],
            [],
            id="provider_data: nested numbers",
        ),
        pytest.param(
            {"provider_data": {"a": {"b": [1, 2]}}},
            {"provider_data": {"a": {"b": [2, 1]}}},
            ["provider_data"],
            ["provider_data"],
            id="provider_data: the order of a list counts",
        ),
        pytest.param(
            {"provider_data": {"a": {"b": [{"c": "x"}]}}},
            {"provider_data": {"a": {"b": [{"c": U}]}}},
            ["provider_data"],
            ["provider_data"],
            id="provider_data: unknown deep inside",
        ),
        # adopt_id: used by create only
        pytest.param({}, {"adopt_id": "4014"}, [], [], id="adopt_id appears"),
        pytest.param({}, {"adopt_id": U}, [], [], id="adopt_id unknown"),
        # output-only properties never differ
        pytest.param({"valid": False}, {}, [], [], id="valid flipped"),
        pytest.param({"disabled": True}, {}, [], [], id="disabled flipped"),
        pytest.param({"token": "other"}, {}, [], [], id="token rotated"),
        pytest.param({"token": None, "valid": None, "disabled": None}, {}, [], [], id="no outputs"),
        # the engine's own key
        pytest.param({"__provider": "a"}, {"__provider": "b"}, [], [], id="another pickle"),
        # several at once
        pytest.param(
            {"configuration": CONFIG},
            {"your_mom": "box", "name": "n", "tags": ["x"], "configuration": {"a": 1}, "provider_data": CODE},
            ["your_mom", "name", "tags", "configuration", "provider_data"],
            ["your_mom", "configuration"],
            id="everything",
        ),
    ],
)
def test_diff_follows_the_property_table(
    old: dict[str, Any], new: Inputs, changed: list[str], replaces: list[str]
) -> None:
    """For every property and way to change it, the table says what changed and what of it replaces."""
    assert model.changes(outputs(**old), inputs(**new), DIALECT) == (changed, replaces)


# name and tags, given or not: every transition

KEPT: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("old", "new", "changed", "sent"),
    [
        # tags
        pytest.param((["tags"], []), KEPT, [], KEPT, id="tags: never given, none there"),
        pytest.param((["tags"], ["x"]), KEPT, [], KEPT, id="tags: never given, some there"),
        pytest.param((["tags"], []), {"tags": ["a"]}, ["tags"], {"tags": ["a"]}, id="tags: given now"),
        pytest.param((["tags"], ["x"]), {"tags": ["a"]}, ["tags"], {"tags": ["a"]}, id="tags: given now, others there"),
        pytest.param((["tags"], ["a"]), {"tags": ["a"]}, ["tags"], None, id="tags: given now, the same there"),
        pytest.param((["tags"], ["x"]), {"tags": []}, ["tags"], {"tags": []}, id="tags: [] clears"),
        pytest.param((["tags"], []), {"tags": []}, [], None, id="tags: [] over none"),
        pytest.param(([], ["a"]), {"tags": ["a"]}, [], None, id="tags: as before"),
        pytest.param(([], ["a"]), {"tags": ["b"]}, ["tags"], {"tags": ["b"]}, id="tags: changed"),
        pytest.param(([], ["a"]), {"tags": []}, ["tags"], {"tags": []}, id="tags: emptied"),
        pytest.param(([], ["a"]), KEPT, ["tags"], {"tags": []}, id="tags: dropped"),
        pytest.param(([], []), KEPT, ["tags"], None, id="tags: [] dropped is recorded"),
        pytest.param(([], []), {"tags": []}, [], None, id="tags: [] as before"),
        pytest.param((["tags"], ["a"]), {"tags": U}, ["tags"], None, id="tags: unknown"),
        # tags, states of 0.1.0
        pytest.param((None, []), KEPT, [], KEPT, id="0.1.0: no tags, not given"),
        pytest.param((None, []), {"tags": []}, [], None, id="0.1.0: no tags, [] given"),
        pytest.param((None, []), {"tags": ["a"]}, ["tags"], {"tags": ["a"]}, id="0.1.0: no tags, some given"),
        pytest.param((None, ["a"]), {"tags": ["a"]}, [], None, id="0.1.0: tags as before"),
        pytest.param((None, ["a"]), KEPT, ["tags"], {"tags": []}, id="0.1.0: tags dropped"),
        # name
        pytest.param((["name", "tags"], []), {"name": None}, [], KEPT, id="name: never given"),
        pytest.param((["name", "tags"], []), {"name": "n"}, ["name"], {"name": "n"}, id="name: given now"),
        pytest.param((["name", "tags"], []), {"name": "billing"}, ["name"], None, id="name: given now, the same there"),
        pytest.param((["tags"], []), {"name": None}, ["name"], None, id="name: dropped where adopted is recorded"),
        pytest.param((["tags"], []), {"name": "n"}, ["name"], {"name": "n"}, id="name: changed"),
        pytest.param((None, []), {"name": None}, [], KEPT, id="0.1.0: name left out"),
        pytest.param((None, []), {"name": "n"}, ["name"], {"name": "n"}, id="0.1.0: name changed"),
        # both
        pytest.param(
            (["name"], ["a"]), {"name": "n"}, ["name", "tags"], {"name": "n", "tags": []}, id="one given, one dropped"
        ),
    ],
)
def test_what_is_not_given_is_not_managed(
    old: tuple[list[str] | None, list[str]], new: Inputs, changed: list[str], sent: dict[str, Any] | None
) -> None:
    """The cases say what differs and what a PUT would change: nothing, where ``sent`` is None or empty."""
    marks, tags = old
    olds = outputs(tags=tags, **({} if marks is None else {"__defaults": marks}))
    news = inputs(**{"tags": None, **new})

    assert model.changes(olds, news, DIALECT) == (changed, [])

    if U in news.values():
        return
    body = model.to_update(news, olds)
    if sent:
        assert {key: value for key, value in body.items() if key in changed} == sent
        assert not model.is_met(body, olds)
    else:
        assert model.is_met(body, olds)
    # What the update writes settles it: no more difference, and a refresh mirrors what check fills.
    made = model.outputs({"id": "1"}, {**olds, **body, **news}, model.not_given(news))
    if changed or marks is not None:
        assert model.changes(made, news, DIALECT) == NOTHING
        assert model.inputs_of(made) == news


@pytest.mark.parametrize("tags", [[], ["a"]])
def test_a_refresh_marks_what_a_state_of_the_first_release_does_not_manage(tags: list[str]) -> None:
    """Tags in the state are managed, and nothing differs before or after."""
    state = outputs(tags=tags)
    made = model.outputs({"id": "1", "name": "billing", "tags": tags}, state, model.unmanaged(state))
    assert made["__defaults"] == ([] if tags else ["tags"])
    for bag in (state, made):
        assert model.changes(bag, inputs(tags=tags or None), DIALECT) == NOTHING
        assert model.changes(bag, inputs(tags=tags), DIALECT) == NOTHING, "the inputs of 0.1.0 hold tags in any case"


@pytest.mark.parametrize(
    ("paths", "ignored", "part"),
    [
        ([], False, None),
        (["name", "configuration.tags"], False, None),
        (["name", "tags"], True, None),
        (['["tags"]'], True, None),
        (["*"], True, None),
        (["[*]"], True, None),
        (["tags[0]"], False, "tags[0]"),
        (["name", '["tags"][1]'], False, '["tags"][1]'),
    ],
)
def test_tags_are_ignored_as_a_whole(paths: list[str], ignored: bool, part: str | None) -> None:
    """A part of a set cannot be named. Ignored tags are those of the state, or left alone as before."""
    assert (model.ignores_tags(paths), model.ignores_a_tag(paths)) == (ignored, part)
    news = inputs(tags=["new"])
    assert model.without_ignored_tags(outputs(tags=["old"]), news) == inputs(tags=["old"])
    assert model.without_ignored_tags(outputs(tags=["old"], __defaults=["tags"]), news) == inputs(tags=None)


def test_hidden_keys_are_carried_over() -> None:
    """They survive every operation."""
    hidden = {model.MARK: "m", model.ACCOUNT: "a", model.CREATED: 5, model.MADE: {"name": "made"}}
    found = {"id": "1", model.MARKS: ["another"]}
    made = model.outputs(found, outputs(**hidden), [])
    assert {key: made[key] for key in model.HIDDEN} == {model.DEFAULTS: [], **hidden}
    assert model.MARKS not in made


def test_the_inputs_of_a_state_hold_the_line_of_its_mark() -> None:
    """They are as the inputs that check fills: a refresh must not show a difference in it."""
    mark = mark_of(line_of(Place("shop", "dev", "", "billing")), 2)
    assert model.inputs_of(outputs(**{model.MARK: mark})) == inputs(**{model.LINE: mark.rpartition(".")[0]})
    assert model.inputs_of(outputs()) == inputs()


def test_marks_are_not_among_the_tags() -> None:
    """No program gives them, and none sees them."""
    mark = mark_of(line_of(Place("shop", "dev", "", "billing")), 2)
    for tags in (["eu", mark], [{"id": 1, "name": mark.upper()}, "eu"]):
        found = model.from_wire({"id": 1, "tags": tags}, DIALECT)
        assert found["tags"] == ["eu"]
        assert [each.text for each in found[model.MARKS]] == [mark]


@given(ANYTHING, ANYTHING)
def test_diff_never_fails(old: Any, new: Any) -> None:
    """Whatever old state and inputs contain where the API accepts anything, the answer is a list of properties."""
    bags = [{"your_mom": v, "name": v, "configuration": v, "provider_data": v, "adopt_id": v} for v in (old, new)]
    changed, replaces = model.changes(bags[0], bags[1], DIALECT)
    assert set(replaces) <= set(changed) <= set(model.INPUTS)


# wire


def test_a_create_sends_what_the_document_shows() -> None:
    """In the sample of the API document the connector is given by key, and providerData has its own model."""
    bag = inputs(
        name="my_first_instance",
        tags=["my_first_tag"],
        provider_data={"code": "Code on the Return URL"},
        configuration={"oauth.api.key": "za6jhr3hychnef0", "document.tagging": False},
        adopt_id="4014",
    )
    assert model.to_create(bag, DIALECT) == {
        "your_mom": {"key": "dropbox"},
        "providerData": {"code": "Code on the Return URL"},
        "configuration": {"oauth.api.key": "za6jhr3hychnef0", "document.tagging": False},
        "tags": ["my_first_tag"],
        "name": "my_first_instance",
    }


def test_a_create_leaves_out_what_is_empty() -> None:
    """Empty configuration and data are not sent at all; whole numbers are sent as such."""
    body = model.to_create(inputs(configuration={}, provider_data={"a": [{"b": 5.0}]}), DIALECT)
    assert repr(body.pop("providerData")) == "{'a': [{'b': 5}]}"
    assert body == {"your_mom": {"key": "dropbox"}, "name": "billing", "tags": ["eu"]}


def test_the_connector_is_spelled_as_the_dialect_says() -> None:
    """The live services say `element` for `your_mom`, both ways."""
    elements = DIALECTS["elements"]
    assert model.to_create(inputs(), elements)["element"] == {"key": "dropbox"}
    assert model.from_wire({"id": 1, "element": {"key": "box"}}, elements)["your_mom"] == "box"
    assert "your_mom" not in model.from_wire({"id": 1, "element": {"key": "box"}}, DIALECT)


def test_an_update_sends_the_whole_name_and_tags_and_nothing_else() -> None:
    """A PUT replaces tags as a whole, and holds neither what is not managed nor what is sent at creation only."""
    bag = inputs(configuration=CONFIG, provider_data=CODE, adopt_id="1")
    assert model.to_update(bag) == {"name": "billing", "tags": ["eu"]}
    assert model.to_update(inputs(tags=None)) == {"name": "billing"}
    assert model.to_update(inputs(name=None)) == {"tags": ["eu"]}


SHOWN = {"id": 27, "name": "n", "token": "BUI=", "your_mom": {"id": 14, "key": "box"}, "valid": True, "disabled": False}
READ = {**SHOWN, "id": "27", "your_mom": "box"}
NULLS = dict.fromkeys(("name", "token", "your_mom", "tags", "valid"))
ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "POST: tags as objects": (
        {**SHOWN, "tags": [{"id": 13, "name": "b"}, {"id": 12, "name": "a"}], "provisionInteractions": []},
        {**READ, "tags": ["a", "b"]},
    ),
    "GET: tags as text": ({**SHOWN, "tags": ["QA", "B"]}, {**READ, "tags": ["B", "QA"]}),
    "PUT: no tags": (SHOWN, READ),
    "nothing but an id": ({"id": 1}, {"id": "1"}),
    "an id as text": ({"id": "1"}, {"id": "1"}),
    "an id as a float": ({"id": 1.0}, {"id": "1"}),
    "null is empty": ({"id": 1, **NULLS}, {"id": "1", "tags": []}),
    "null among the tags": ({"id": 1, "tags": [None, "a"]}, {"id": "1", "tags": ["a"]}),
    "empty name and token are absent": ({"id": 1, "name": "", "token": ""}, {"id": "1"}),
    "a connector without a key": ({"id": 1, "your_mom": {"id": 22}}, {"id": "1"}),
    "mixed tags": ({"id": 1, "tags": ["a", {"name": "a"}]}, {"id": "1", "tags": ["a"]}),
    "fields that the document does not know": ({"id": 1, "new_field": [{}]}, {"id": "1"}),
    "half a surrogate pair, which UTF-8 does not have": (
        {"id": 1, "name": "a\ud800", "tags": ["b\udc00", {"name": "c\ud800"}]},
        {"id": "1", "name": "a?", "tags": ["b?", "c?"]},
    ),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_answers_are_read_in_all_their_shapes(what: str) -> None:
    """Each operation of the API answers with other fields and another spelling of tags."""
    answer, found = ANSWERS[what]
    assert model.from_wire(answer, DIALECT) == {**found, **({model.MARKS: []} if "tags" in found else {})}


def _wrong_types() -> Iterator[tuple[str, Any]]:
    anything: list[Any] = ["x", 1, 1.5, True, [], {}, ["x"]]
    tags: list[Any] = ["x", 1, True, {}, [1], [["x"]], [{}], [{"name": 1}]]
    keys: list[Any] = [1, True, [], {}]
    ids: list[Any] = [None, "", "x", True, 1.5, [], {}, -1, "../1"]
    for key, kind in (("name", str), ("token", str), ("valid", bool), ("disabled", bool), ("your_mom", dict)):
        yield from ((key, value) for value in anything if not isinstance(value, kind))
    yield from (("tags", value) for value in tags)
    yield from (("your_mom", {"key": value}) for value in keys)
    yield from (("id", value) for value in ids)


@pytest.mark.parametrize(("key", "value"), list(_wrong_types()))
def test_a_documented_field_of_another_type_is_an_error(key: str, value: Any) -> None:
    """It is neither stored nor taken as proof that the instance is gone."""
    with pytest.raises(UnexpectedAnswer, match=r"^an instance w"):
        model.from_wire({"id": 1, key: value}, DIALECT)


# outputs


KNOWN = {**inputs(), "token": "t0ken-of-billing", "valid": True, "disabled": False, "__defaults": []}


@pytest.mark.parametrize(
    ("found", "known", "expected"),
    [
        pytest.param(
            {"name": "renamed", "valid": False},
            outputs(configuration=CONFIG, provider_data=CODE, adopt_id="27"),
            {**KNOWN, "configuration": CONFIG, "provider_data": CODE, "name": "renamed", "valid": False},
            id="what is answered, over what is known",
        ),
        pytest.param({"token": "new"}, outputs(), {**KNOWN, "token": "new"}, id="a new token"),
        pytest.param(
            {"token": "t"},
            {**inputs(tags=None), "__provider": "p", "stranger": 1},
            {"your_mom": "dropbox", "name": "billing", "tags": [], "token": "t", "__defaults": []},
            id="neither the pickle nor the id, but tags in any case",
        ),
        pytest.param({}, outputs(tags=["b", "a", "b"]), {**KNOWN, "tags": ["b", "a"]}, id="tags in the order known"),
    ],
)
def test_outputs_are_the_answer_over_what_is_known(found: Inputs, known: Inputs, expected: Inputs) -> None:
    """What the API omits is carried forward; configuration and data are as declared."""
    assert model.outputs({"id": "27", **found}, known, []) == expected


def test_inputs_of_a_read_are_the_keys_that_check_fills() -> None:
    """A refresh returns inputs with these keys only: one more would show as removed by the next `up`."""
    for left_out in ([], ["tags"], ["name", "tags"]):
        bag = inputs(configuration=CONFIG, **dict.fromkeys(left_out))
        made = model.outputs({"id": "1", "name": "n", "tags": ["x"], "token": "t"}, bag, model.not_given(bag))
        assert made["__defaults"] == left_out
        assert (made["name"], made["tags"]) == ("n", ["x"])
        assert set(model.inputs_of(made)) == set(bag)


# secrets


SECRET_KEYS = {
    "a word of it": ["oauth.api.secret", "oauth.api.key", "db.passwd", "user.token", "oauth.code", "client.credential"],
    "in capitals": ["password", "PASSWORD", "apiKey", "samlAssertion", "authorization", "private.pem", "session.id"],
    "a short one": ["db.pass", "dbPass", "PASS", "smtp_pass", "user-pin", "otp", "JWT", "tls.cert", "clientCert"],
    "another short one": ["sentry_dsn", "x.HMAC", "JWTPem"],
}
READABLE_KEYS = {
    "no such word": ["oauth.callback.url", "document.tagging", "event.notification.enabled", "username", "siteAddress"],
    "a short one inside of a word": ["mapping", "certain", "bypass", "compass", "spin", "pinned", "item", "adsnap"],
}


@pytest.mark.parametrize("what", [*SECRET_KEYS, *READABLE_KEYS])
def test_keys_that_look_secret_are_known(what: str) -> None:
    """Values under these keys are kept secret; others stay readable in a diff."""
    keys = {**SECRET_KEYS, **READABLE_KEYS}[what]
    assert [key for key in keys if model.is_secret_key(key)] == (keys if what in SECRET_KEYS else [])


def test_secret_values_are_found_at_any_depth() -> None:
    """No message may repeat any text or number of configuration and data, whatever its key."""
    bag = inputs(
        configuration={"oauth.api.secret": "s1", "oauth.callback.url": "https://x", "key": 5.0, "on": True},
        provider_data={"code": "s2", "nested": {"list": ["s3", 4, {"deep": "s4"}]}},
    )
    assert sorted(model.secret_values(bag)) == ["4", "5", "https://x", "s1", "s2", "s3", "s4"]
    assert model.secret_values(inputs()) == []


@pytest.mark.parametrize("key", model.OUTPUT_ONLY)
def test_a_lookup_is_told_from_a_refresh_by_its_outputs(key: str) -> None:
    """`.get` passes inputs only; an output that no program can write means a refresh."""
    assert model.is_lookup({**inputs(), "__provider": "p"})
    assert not model.is_lookup({**inputs(), key: False})


@pytest.mark.parametrize(
    ("outs", "said"),
    [
        ({"valid": True}, None),
        ({"valid": U}, None),
        ({"valid": False}, "its connection does not work (valid: false)"),
        ({}, "the service does not say that its connection works (it sends no `valid`)"),
        ({"valid": False, "enabled": False}, None),
        ({"valid": False, "require_valid": False}, None),
    ],
)
def test_anything_but_true_is_no_working_connection(outs: dict[str, Any], said: str | None) -> None:
    """What the program disables, or demands nothing of, may be as it is."""
    assert model.unmet({"require_valid": True, **outs}) == said


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2017-05-22T04:12:16Z", datetime(2017, 5, 22, 4, 12, 16, tzinfo=timezone.utc)),
        ("2017-05-22T04:12:16", datetime(2017, 5, 22, 4, 12, 16, tzinfo=timezone.utc)),
        (1495426336000, datetime(2017, 5, 22, 4, 12, 16, tzinfo=timezone.utc)),
        (None, None),
        ("yesterday", None),
        (True, None),
        (1e300, None),
        ([], None),
    ],
)
def test_the_time_of_creation_is_known_where_the_api_tells(value: object, moment: datetime | None) -> None:
    """The field is spelled as on live services."""
    assert model.from_wire({"id": 1, "createdDate": value}, DIALECT).get(model.CREATED_AT) == moment


# the keys of a state, which are those of the front end that wrote it

_ALIKE = {"name": "crm", "tags": ["a"], "token": "t", "__defaults": ["name"]}
NATIVE: Inputs = {"yourMom": "box", "providerData": {"aB": 1}, **_ALIKE}
OURS: Inputs = {"your_mom": "box", "provider_data": {"aB": 1}, **_ALIKE}


@pytest.mark.parametrize("bag", [NATIVE, OURS, {**NATIVE, "__provider": "p"}, {**OURS, "__provider": "p"}])
def test_the_keys_of_both_are_read(bag: dict[str, Any]) -> None:
    """The members of a property stay as they are."""
    assert model.from_native(bag) == model.old_inputs(bag) == model.old_outputs(bag, None) == OURS


def test_those_of_the_native_package_are_recognised() -> None:
    """Names of one word are the same in both."""
    assert model.is_native(NATIVE)
    assert not model.is_native(OURS)
    assert not model.is_native({"name": "crm", "__provider": "p"})


def test_what_was_imported_is_managed_as_the_program_says() -> None:
    """The import itself says nothing of it."""
    imported = {**NATIVE, "__imported": True}
    assert model.old_inputs(imported) == {key: OURS[key] for key in OURS if key not in ("name", "tags")}
    assert model.old_outputs(imported, {"your_mom": "box", "tags": []}) == {**OURS, "__defaults": ["name"]}
    assert model.old_outputs(imported, None) == {**OURS, "__defaults": ["name", "tags"]}
