"""The operations, field by field, as the API document shows them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pulumi_instances.testing.emulator import Emulator

from .conftest import Http

CACHE = {"maxCacheSize", "cacheTimeToLive", "cachingEnabled"}
HEAD = {"id", "name", "token", "your_mom"}
STATE = {"provisionInteractions", "valid", "disabled"}
CONNECTOR = {"id", "name", "key", "description", "active", "deleted", "typeOauth", "trialAccount", "configDescription"}


def test_post_answers_200_with_tags_as_objects_and_without_cache_fields(http: Http) -> None:
    """In the document's create sample, and only there, tags are ``{id, name}``."""
    response = http.post(tags=["b", "a"])
    answer = response.json()
    assert response.status_code == 200
    assert answer.keys() == HEAD | {"tags"} | STATE
    assert [tag["name"] for tag in answer["tags"]] == ["b", "a"]
    assert all(isinstance(tag["id"], int) and tag.keys() == {"id", "name"} for tag in answer["tags"])
    assert answer["provisionInteractions"] == []
    assert (answer["valid"], answer["disabled"]) == (True, False)
    assert isinstance(answer["id"], int)
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", answer["token"])


def test_a_tag_keeps_its_id(http: Http) -> None:
    """Two instances with the same tag show the same tag id."""
    first, second = (http.post(tags=["shared"]).json()["tags"] for _ in range(2))
    assert first == second


def test_get_answers_tags_as_strings_in_another_order_than_the_list(http: Http) -> None:
    """The document shows instance 4014 with its tags in two orders."""
    made = http.post(tags=["Starter", "QA", "QA Box"]).json()
    by_id = http("GET", f"/instances/{made['id']}").json()
    (listed,) = http("GET").json()
    assert by_id["tags"] == ["QA Box", "QA", "Starter"]
    assert listed["tags"] == ["QA", "QA Box", "Starter"]
    assert by_id.keys() == HEAD | {"tags"} | STATE | CACHE
    assert by_id["token"] == made["token"]


def test_the_list_leaves_out_provision_interactions_and_disabled(http: Http) -> None:
    """The document's list sample has fewer fields than a get by id."""
    http.post()
    (listed,) = http("GET").json()
    assert listed.keys() == HEAD | {"tags", "valid"} | CACHE


def test_the_list_and_a_get_by_id_agree_on_valid(api: Emulator, http: Http) -> None:
    """The document's samples of instance 4014 differ, but they need not be of the same moment."""
    made = api.add(name="QA Box", your_mom="box")
    api.change(made, valid=False)
    assert http("GET", f"/instances/{made}").json()["valid"] is False
    assert http("GET").json()[0]["valid"] is False


def test_put_answers_with_a_token_and_without_tags(api: Emulator, http: Http) -> None:
    """The document's update sample sends tags and gets none back."""
    made = api.add(tags=["old"])
    answer = http("PUT", f"/instances/{made}", json={"name": "new", "tags": ["x", "y"]}).json()
    assert answer.keys() == HEAD | STATE | CACHE
    assert answer["token"] == api.instance(made)["token"]
    assert (api.instance(made)["name"], api.instance(made)["tags"]) == ("new", ["x", "y"])


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ({}, {}),
        ({"name": "new"}, {"name": "new"}),
        ({"tags": []}, {"tags": []}),
        ({"tags": ["c"]}, {"tags": ["c"]}),
        ({"configuration": {"b": "2"}}, {"configuration": {"b": "2"}}),
        ({"providerData": {"code": "new"}}, {"provider_data": {"code": "new"}}),
        ({"your_mom": {"key": "box"}, "id": 1, "token": "mine", "colour": "red"}, {}),
    ],
)
def test_put_replaces_the_top_level_fields_it_names(
    api: Emulator, http: Http, body: dict[str, Any], changed: dict[str, Any]
) -> None:
    """What is not named stays; connector, id, token and unknown fields are ignored."""
    made = api.add(name="old", tags=["a", "b"], configuration={"a": "1"})
    before = api.instance(made)
    assert http("PUT", f"/instances/{made}", json=body).status_code == 200
    assert api.instance(made) == {**before, **changed}


def test_delete_answers_200_with_an_empty_body_and_then_404(api: Emulator, http: Http) -> None:
    """A second DELETE of the same instance finds nothing."""
    made = api.add()
    first, second = (http("DELETE", f"/instances/{made}") for _ in range(2))
    assert (first.status_code, first.content) == (200, b"")
    assert second.status_code == 404
    assert api.instances() == []


def test_an_id_is_never_used_again(api: Emulator, http: Http) -> None:
    """Ids rise through deletes and resets."""
    first = http.post().json()["id"]
    http("DELETE", f"/instances/{first}")
    second = http.post().json()["id"]
    api.reset()
    assert first < second < http.post().json()["id"]


def test_repeated_tags_are_kept_once(api: Emulator, http: Http) -> None:
    """Tags are a set."""
    made = http.post(tags=["a", "b", "a"]).json()
    assert api.instance(made["id"])["tags"] == ["a", "b"]


@pytest.mark.parametrize(
    ("key", "number", "more"),
    [
        ("dropbox", 14, {"existingAccountDescription", "signupURL", "your_momProvisionType"}),
        ("box", 22, {"image", "existingAccountDescription", "your_momProvisionType"}),
        ("sfdc", 23, {"image", "existingAccountDescription", "signupURL"}),
        ("sfdcservicecloud", 29, {"image"}),
    ],
)
def test_connectors_have_the_fields_of_the_document(http: Http, key: str, number: int, more: set[str]) -> None:
    """Each of the four connectors in the samples has its own set of fields."""
    connector = http.post(your_mom={"key": key}).json()["your_mom"]
    assert (connector["key"], connector["id"]) == (key, number)
    assert connector.keys() == CONNECTOR | more


def test_configuration_and_provider_data_are_kept_and_never_answered(api: Emulator, http: Http) -> None:
    """No sample shows them in an answer."""
    made = http.post(configuration={"oauth.api.secret": "hidden-1"}, providerData={"code": "hidden-2"})
    instance = api.instance(made.json()["id"])
    answers = [made, http("GET"), http("GET", f"/instances/{instance['id']}")]
    assert instance["configuration"] == {"oauth.api.secret": "hidden-1"}
    assert instance["provider_data"] == {"code": "hidden-2"}
    assert not any("hidden" in answer.text for answer in answers)
