"""The dialect of the live services: what public material says of them, and the emulator does.

Each section names where that is written down in ``instances-api-in-practice.md``, which the quoted words come from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pulumi_instances.testing.emulator import Emulator

from .conftest import Http

MASK = "********"


class ElementsHttp(Http):
    def make(self, key: str = "sfdc", **changed: Any) -> requests.Response:
        """POST a small instance; None for a field leaves it out."""
        body = {"element": {"key": key}, "name": "billing", **changed}
        return self("POST", json={field: value for field, value in body.items() if value is not None})

    def made(self, key: str = "sfdc", **changed: Any) -> dict[str, Any]:
        response = self.make(key, **changed)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def one(self, instance_id: int) -> dict[str, Any]:
        answer: dict[str, Any] = self("GET", f"/instances/{instance_id}").json()
        return answer


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    with Emulator(dialect="elements") as api:
        yield api


@pytest.fixture
def http(api: Emulator) -> Iterator[ElementsHttp]:
    http = ElementsHttp(api)
    with http.session:
        yield http


def refusal(response: requests.Response, status: int) -> dict[str, str]:
    """The body of an error with this status."""
    body: dict[str, str] = response.json()
    assert response.status_code == status
    assert re.fullmatch(r"[0-9a-f]{24}", body["requestId"])
    return body


# where it is, and who may use it: the head of the file, sections 1 and 4


def test_the_base_path_and_the_environment_of_the_provider(api: Emulator, http: ElementsHttp) -> None:
    """Head of the file: "the live service it describes spells it `element`, `/elements/api-v2`"."""
    assert api.base_url.endswith("/elements/api-v2")
    assert api.env["INSTANCES_DIALECT"] == "elements"
    assert api.env == {**api.add_account().env, **api.env}
    assert requests.get(api.base_url.replace("/elements/", "/your_moms/"), timeout=20).status_code == 404
    http.made()
    assert [(request.method, request.path) for request in api.requests] == [("POST", "/instances")]


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(ValueError, match="dialect must be one of default, elements, not 'klingon'"):
        Emulator(dialect="klingon")


# the connector: section 2, "element.key (or element.id)", and section 4


@pytest.mark.parametrize("connector", [{"key": "sfdc"}, {"id": 23}, {"id": "23"}])
def test_a_connector_is_named_by_key_or_id(http: ElementsHttp, connector: dict[str, Any]) -> None:
    """Section 2, on the body of a create: "`element.key` (or `element.id`)"."""
    answer = http("POST", json={"element": connector, "name": "x"}).json()
    assert (answer["element"]["key"], answer["element"]["id"], answer["elementId"]) == ("sfdc", 23, 23)
    assert "your_mom" not in json.dumps(answer).lower()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"element": {"key": "badelement"}}, 404, "No element found with key badelement"),
        ({"element": {"id": 1}}, 404, "No element found with ID 1"),
        ({"element": {}}, 400, "element.key or element.id is required"),
        ({"element": "sfdc"}, 400, "element.key or element.id is required"),
        ({"your_mom": {"key": "sfdc"}}, 400, "element.key or element.id is required"),
    ],
)
def test_a_connector_that_is_not_there_is_refused(
    api: Emulator, http: ElementsHttp, body: dict[str, Any], status: int, words: str
) -> None:
    """Section 4: "unknown connector key on POST: No element found with key badelement"."""
    assert words in refusal(http("POST", json={**body, "name": "x"}), status)["message"]
    assert api.instances() == []


# answers: section 3


def test_the_members_of_answers(http: ElementsHttp) -> None:
    """Section 3: 200 for a POST as well, and the keys by the age of the service."""
    made = http.made()
    assert made.keys() == {
        *("id", "name", "token", "element", "elementId", "tags", "valid", "disabled", "provisionInteractions"),
        *("maxCacheSize", "cacheTimeToLive", "cachingEnabled", "configuration", "traceLoggingEnabled"),
        *("externalAuthentication", "eventsEnabled", "subscriptionId", "user", "createdDate", "providerData"),
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["createdDate"])
    assert (made["externalAuthentication"], made["eventsEnabled"], made["user"]) == ("none", False, {})
    assert isinstance(made["subscriptionId"], int)
    assert http.one(made["id"]).keys() == made.keys() - {"providerData"}


def test_the_grant_is_echoed_by_a_create_and_by_nothing_else(http: ElementsHttp) -> None:
    """Section 3: "2017-11+: + `providerData`: `{}` or **the grant code in clear**"; absent from PUT and PATCH."""
    assert http.made()["providerData"] == {}
    made = http.made("dropbox", providerData={"code": "grant-1"})
    assert made["providerData"] == {"code": "grant-1"}
    changed = [http(method, f"/instances/{made['id']}", json={"name": "x"}) for method in ("PUT", "PATCH")]
    for answer in (*changed, http("GET"), http("GET", f"/instances/{made['id']}")):
        assert "grant-1" not in answer.text


def test_members_that_a_client_may_send_are_kept(http: ElementsHttp) -> None:
    """Section 2: `eventsEnabled` "as `"true"`", and the members of the Swagger type."""
    made = http.made(eventsEnabled="true", maxCacheSize=5)
    http("PUT", f"/instances/{made['id']}", json={"cachingEnabled": True})
    found = http.one(made["id"])
    assert (found["eventsEnabled"], found["maxCacheSize"], found["cachingEnabled"]) == (True, 5, True)


def test_configuration_comes_back_as_strings_and_nulls(http: ElementsHttp) -> None:
    """Section 3: "values are **strings or null** only: booleans come back `"true"`/`"false"`, the nested poller object
    as a JSON string, omitted keys as `null` or defaults"."""
    poller = {"contacts": {"url": "/hubs/crm/contacts", "pageSize": 200}}
    sent = {"on": True, "off": False, "number": 5, "text": "t", "nothing": None, "event.poller.configuration": poller}
    shown = http.made(configuration=sent)["configuration"]
    assert {type(value) for value in shown.values()} == {str, type(None)}
    assert (shown["on"], shown["off"], shown["number"], shown["text"]) == ("true", "false", "5", "t")
    assert json.loads(shown["event.poller.configuration"]) == poller
    assert shown["nothing"] is shown["event.notification.callback.url"] is None


def test_configuration_has_keys_that_nobody_sent(http: ElementsHttp) -> None:
    """Section 3: "10-25 keys that nobody sent (`base.url`, `pagination.*`, …, `event.*`, `oauth.token.url`, …)"."""
    shown = http.made("dropbox", providerData={"code": "c"})["configuration"]
    assert 10 <= len(shown) <= 25
    assert {"base.url", "pagination.max", "oauth.token.url", "event.notification.enabled"} <= shown.keys()
    assert (shown["event.notification.enabled"], shown["filter.response.nulls"]) == ("false", "true")
    assert shown["oauth.user.token"]
    assert "oauth.token.url" not in http.made("sfdc")["configuration"]
    assert http.made(configuration={"pagination.max": "50"})["configuration"]["pagination.max"] == "50"


def test_passwords_and_the_keys_of_an_oauth_client_are_masked(api: Emulator, http: ElementsHttp) -> None:
    """Section 3: "values of PASSWORD-typed properties are exactly `********`; `oauth.api.key` and `oauth.api.secret`
    too … Usernames are not masked"."""
    secret = {"password": "hidden-1", "oauth.api.key": "hidden-2", "oauth.api.secret": "hidden-3"}
    made = http.made(configuration={**secret, "username": "ada"})
    shown = made["configuration"]
    assert [shown[key] for key in secret] == [MASK] * 3
    assert shown["username"] == "ada"
    assert http.made()["configuration"]["password"] is None
    assert "hidden" not in http("GET").text
    assert api.instance(made["id"])["configuration"] == {**secret, "username": "ada"}


# names and tags: section 2, "Sanitising" and "Default tag"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize(
    ("sent", "kept"), [('<a href="#">@churros-xss</a>', "@churros-xss"), ("  spaced ", "spaced"), ("a < b", "a < b")]
)
def test_names_are_sanitised(http: ElementsHttp, method: str, sent: str, kept: str) -> None:
    """Section 2: "HTML is stripped from `name` on create and PATCH, `@` is kept"."""
    path = "/instances" if method == "POST" else f"/instances/{http.made()['id']}"
    answer = http(method, path, json={"element": {"key": "sfdc"}, "name": sent}).json()
    assert answer["name"] == http.one(answer["id"])["name"] == kept


def test_a_name_of_nothing_but_html_is_refused(http: ElementsHttp) -> None:
    assert "name" in refusal(http.make(name="<b> </b>"), 400)["message"]


@pytest.mark.parametrize("tags", [None, []])
def test_an_instance_without_tags_gets_its_name_as_one(http: ElementsHttp, tags: list[str] | None) -> None:
    """Section 2: "created without `tags` comes back with one tag equal to its (sanitised) name"."""
    assert http.made(name="<b>x</b>", tags=tags)["tags"] == ["x"]


def test_the_order_of_tags_is_not_kept(http: ElementsHttp) -> None:
    """Section 3: strings, and "Order not kept"."""
    made = http.made(tags=["Starter", "QA", "QA Box"])
    assert http.one(made["id"])["tags"] == made["tags"] == ["QA Box", "QA", "Starter"]
    assert http("GET").json()[0]["tags"] == ["QA", "QA Box", "Starter"]


# the listing: sections 1 and 3


@pytest.mark.parametrize("query", [{}, {"tags[]": "none"}, {"searchText": "none"}])
def test_a_listing_of_nothing_is_404(api: Emulator, http: ElementsHttp, query: dict[str, str]) -> None:
    """Section 3: "List of nothing = **404** with an error body, not `[]`: filtered search without hits"."""
    if query:
        api.add(name="one", your_mom="sfdc")
    assert refusal(http("GET", params=query), 404)["message"] == "No instances found"


def test_hydrate_false_leaves_the_configuration_out(http: ElementsHttp) -> None:
    """Section 1: "`hydrate=false` leaves `configuration` out"."""
    http.made()
    (whole,) = http("GET").json()
    (short,) = http("GET", params={"hydrate": "false"}).json()
    assert whole.keys() - short.keys() == {"configuration"}


# updates: section 2, "Update"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_update_merges(api: Emulator, http: ElementsHttp, method: str) -> None:
    """Section 2: "PUT merges at the top level", "`tags` are replaced as a whole", "`configuration` is merged by key";
    id, token and connector stay."""
    made = http.made(tags=["a", "b"], configuration={"username": "ada", "password": "old"})
    body = {"tags": ["c"], "configuration": {"password": "new"}, "element": {"key": "box"}, "id": 1, "token": "mine"}
    answer = http(method, f"/instances/{made['id']}", json=body).json()
    kept = api.instance(made["id"])
    assert answer.keys() == made.keys() - {"providerData"}
    assert (answer["id"], answer["token"], answer["name"]) == (made["id"], made["token"], "billing")
    assert (answer["tags"], answer["element"]["key"], answer["valid"]) == (["c"], "sfdc", True)
    assert kept["configuration"] == {"username": "ada", "password": "new"}
    assert http(method, f"/instances/{made['id']}", json={"tags": []}).json()["tags"] == []


def test_the_answer_to_a_get_can_be_put(http: ElementsHttp) -> None:
    """Section 2: "PUT of a GET body works"."""
    made = http.made("dropbox", providerData={"code": "c"})
    before = http.one(made["id"])
    assert http("PUT", f"/instances/{made['id']}", json={**before, "providerData": {}}).status_code == 200
    assert http.one(made["id"]) == before


def test_a_mask_that_is_sent_back_is_stored(api: Emulator, http: ElementsHttp) -> None:
    """Section 2: "Sending back `********`: effect unknown (server may store it)". The emulator does the worst."""
    made = http.made(configuration={"password": "right"})
    http("PUT", f"/instances/{made['id']}", json=http.one(made["id"]))
    assert api.instance(made["id"])["configuration"]["password"] == MASK


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_new_code_authenticates_in_place(api: Emulator, http: ElementsHttp, method: str) -> None:
    """Section 2: "`providerData` in PUT or PATCH re-authenticates in place; same id; **the token keeps working**"."""
    made = http.made("dropbox", providerData={"code": "one"})
    api.break_authentication(made["id"])
    answer = http(method, f"/instances/{made['id']}", json={"providerData": {"code": "two"}}).json()
    assert (answer["id"], answer["token"], answer["valid"]) == (made["id"], made["token"], True)
    assert answer["configuration"]["oauth.user.token"] != made["configuration"]["oauth.user.token"]


@pytest.mark.parametrize("name", ["code", "oauth_verifier"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_used_code_changes_nothing(api: Emulator, http: ElementsHttp, method: str, name: str) -> None:
    """Section 2: "The code is one-use"; section 4: `providerMessage` where "the error came from the provider"."""
    made = http.made("dropbox", providerData={name: "one"})
    before = api.instance(made["id"])
    body = {"name": "renamed", "providerData": {name: "one"}}
    assert "already used" in refusal(http(method, f"/instances/{made['id']}", json=body), 400)["providerMessage"]
    assert api.instance(made["id"]) == before
    assert "providerMessage" in refusal(http.make("dropbox", providerData={name: "one"}), 400)


def test_re_authenticate_needs_a_code_where_a_create_does(http: ElementsHttp) -> None:
    """Section 1: "`PUT /instances/{id}?reAuthenticate=true`"; the code of the create does not do again."""
    oauth, password = http.made("dropbox", providerData={"code": "one"}), http.made("sfdc")
    again = {"reAuthenticate": "true"}
    refused = http("PUT", f"/instances/{oauth['id']}", json={"name": "x"}, params=again)
    assert "must provide an OAuth code" in refusal(refused, 400)["message"]
    new = {"providerData": {"code": "two"}}
    assert http("PUT", f"/instances/{oauth['id']}", json=new, params=again).status_code == 200
    assert http("PUT", f"/instances/{password['id']}", json={}, params=again).json()["valid"] is True


# creating an OAuth instance: sections 2 and 4


def test_an_oauth_connector_demands_a_code(api: Emulator, http: ElementsHttp) -> None:
    """Section 4: "400: OAuth connector without a code ("must provide an OAuth code")"; others do not."""
    assert "must provide an OAuth code" in refusal(http.make("dropbox"), 400)["message"]
    assert api.instances() == []
    assert http.make("dropbox", providerData={"code": "c"}).status_code == http.make("sfdc").status_code == 200


@pytest.mark.parametrize(
    ("external", "key", "status"),
    [
        ("initial", "oauth.user.refresh_token", 200),
        ("initial", "oauth.user.token", 200),
        ("initial", "oauth.scope", 400),
        ("none", "oauth.user.refresh_token", 400),
        (None, "oauth.user.refresh_token", 400),
    ],
)
def test_tokens_stand_for_a_code(http: ElementsHttp, external: str | None, key: str, status: int) -> None:
    """Section 2: "`externalAuthentication: "initial"` + tokens in `configuration` = create without any code"."""
    made = http.make("dropbox", externalAuthentication=external, configuration={key: "given"})
    assert made.status_code == status
    if status == 200:
        assert made.json()["externalAuthentication"] == external
        assert made.json()["configuration"][key] == "given"


def test_a_test_can_do_without_codes() -> None:
    with Emulator(dialect="elements", demand_codes=False) as api:
        http = ElementsHttp(api)
        with http.session:
            assert http.made("dropbox")["valid"] is True


# enabling, disabling, and a service that does it by itself: sections 1 and 3


def test_an_instance_is_disabled_and_enabled(http: ElementsHttp) -> None:
    """Section 1: "`PUT,DELETE /instances[/{id}]/enabled`"; section 4: platform calls still work."""
    made = http.made()
    shown = [made["disabled"]]
    for method in ("DELETE", "DELETE", "PUT", "PUT"):
        assert http(method, f"/instances/{made['id']}/enabled").status_code == 200
        shown.append(http.one(made["id"])["disabled"])
    assert shown == [False, True, True, False, False]
    assert http.one(made["id"])["configuration"] == made["configuration"]


def test_a_broken_login_disables_after_failed_refreshes(api: Emulator, http: ElementsHttp) -> None:
    """Section 3: "five failed token refreshes lock and disable the instance until someone enables and
    re-authenticates it"."""
    made = http.made("dropbox", providerData={"code": "one"})
    path = f"/instances/{made['id']}"
    api.break_authentication(made["id"])
    reads = [http.one(made["id"]) for _ in range(6)]
    assert [read["valid"] for read in reads] == [False] * 6
    assert [read["disabled"] for read in reads] == [False] * 4 + [True] * 2
    http("PUT", f"{path}/enabled")
    assert [http.one(made["id"])["disabled"] for _ in range(5)] == [False] * 4 + [True]
    http("PUT", path, json={"providerData": {"code": "two"}})
    assert (http.one(made["id"])["valid"], http.one(made["id"])["disabled"]) == (True, True)
    http("PUT", f"{path}/enabled")
    assert [http.one(made["id"])["disabled"] for _ in range(6)] == [False] * 6


def test_a_broken_login_can_disable_at_once_or_be_mended(api: Emulator, http: ElementsHttp) -> None:
    made = http.made()["id"]
    api.break_authentication(made, refreshes=0)
    assert (http.one(made)["valid"], http.one(made)["disabled"]) == (False, True)
    api.change(made, valid=True, disabled=False)
    assert [http.one(made)["disabled"] for _ in range(2)] == [False, False]
    api.break_authentication(made, refreshes=1)
    assert http("GET").json()[0]["valid"] is False
    assert api.instance(made)["disabled"] is True
    with pytest.raises(KeyError):
        api.break_authentication(1)
    with pytest.raises(ValueError, match="negative"):
        api.break_authentication(made, refreshes=-1)


# one property at a time: section 1


def test_properties_are_read_and_changed_one_by_one(api: Emulator, http: ElementsHttp) -> None:
    """Section 1: "`GET /instances[/{id}]/configuration`, `GET,PATCH …/configuration/{configId}` (body
    `{propertyValue}`)"; section 3: the members of an item."""
    made = http.made(configuration={"password": "old", "own": "1"})
    path = f"/instances/{made['id']}/configuration"
    items = {item["key"]: item for item in http("GET", path).json()}
    assert {key: item["propertyValue"] for key, item in items.items()} == made["configuration"]
    assert items["own"].keys() == {
        *("id", "key", "name", "type", "propertyValue", "description", "active", "required", "hideFromConsole"),
    }
    kinds = [items[key]["type"] for key in ("password", "event.notification.enabled", "own")]
    assert (kinds[:2], kinds[2][:9]) == (["PASSWORD", "BOOLEAN"], "TEXTFIELD")

    enabled = f"{path}/{items['event.notification.enabled']['id']}"
    changed = http("PATCH", enabled, json={**items["event.notification.enabled"], "propertyValue": "true"})
    assert changed.json() == http("GET", enabled).json()
    assert changed.json()["propertyValue"] == "true"
    assert http.one(made["id"])["configuration"]["event.notification.enabled"] == "true"
    assert api.instance(made["id"])["configuration"]["password"] == "old"


@pytest.mark.parametrize(
    ("method", "name", "body", "status"),
    [
        ("GET", "1", None, 404),
        ("GET", "x", None, 404),
        ("PATCH", "1", {"propertyValue": "x"}, 404),
        ("PATCH", "1", {}, 400),
        ("DELETE", "1", None, 405),
    ],
)
def test_a_property_that_is_not_there_is_refused(
    http: ElementsHttp, method: str, name: str, body: Any, status: int
) -> None:
    refusal(http(method, f"/instances/{http.made()['id']}/configuration/{name}", json=body), status)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", ""),
        ("PUT", "/enabled"),
        ("DELETE", "/enabled"),
        ("GET", "/configuration"),
        ("GET", "/configuration/1"),
        ("PATCH", "/configuration/1"),
    ],
)
def test_an_instance_that_is_not_there_is_404(api: Emulator, http: ElementsHttp, method: str, path: str) -> None:
    """Section 4: "unknown id: "No <thing> found with ID <id>""; that of another account is not there."""
    theirs = api.add(your_mom="sfdc", account=api.add_account())
    for number in ("1", str(theirs)):
        response = http(method, f"/instances/{number}{path}", json={"propertyValue": "x"})
        assert refusal(response, 404)["message"] == f"No instance found with ID {number}"


# deletion: section 1


def test_deletion_is_soft(api: Emulator, http: ElementsHttp) -> None:
    """Section 1: "`GET /instances/{id}?includeDeleted=true` returns a deleted instance"."""
    made = http.made()
    path, before = f"/instances/{made['id']}", http.one(made["id"])
    assert http("DELETE", path).status_code == 200
    refusal(http("GET", path), 404)
    refusal(http("DELETE", path), 404)
    refusal(http("PUT", path, json={}), 404)
    refusal(http("GET"), 404)
    assert http("GET", path, params={"includeDeleted": "true"}).json() == before
    other = api.add_account()
    header = f"User {other.user_secret}, Organization {other.organization_secret}"
    refusal(http("GET", path, params={"includeDeleted": "true"}, headers={"Authorization": header}), 404)
    api.reset()
    refusal(http("GET", path, params={"includeDeleted": "true"}), 404)


# control


def test_objects_are_controlled_over_http(api: Emulator, http: ElementsHttp) -> None:
    """The control routes are the same in both dialects."""
    control = api.base_url.replace("/elements/api-v2", "/_emulator")
    made = requests.post(f"{control}/instances", json={"your_mom": "dropbox", "name": " x "}, timeout=20).json()["id"]
    requests.patch(f"{control}/instances/{made}", json={"name": "<b>y</b>"}, timeout=20)
    broken = f"{control}/instances/{made}/break_authentication"
    assert requests.post(broken, json={"refreshes": 1}, timeout=20).status_code == 200
    assert [requests.post(broken, json={"refreshes": wrong}, timeout=20).status_code for wrong in ("x", -1)] == [
        400
    ] * 2
    read = http.one(made)
    assert (read["name"], read["tags"], read["valid"], read["disabled"]) == ("y", ["x"], False, True)
    assert (api.instance(made)["your_mom"], api.requests[0].path) == ("dropbox", f"/instances/{made}")
