"""The page of the emulator, over real sockets and as a browser sees it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from typing import Any

import pytest
import requests
from starlette.types import Message

from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.testing.emulator import Emulator, Fault, faults, page
from pulumi_instances.testing.emulator.api import application
from tests.support.marks import mark_of

from .conftest import Http

SCRIPT = '"><script>alert(1)</script>'


def view(api: Emulator, **query: str) -> str:
    response = requests.get(api.page_url, params=query, timeout=20)
    assert response.status_code == 200
    return response.text


def click(api: Emulator, headers: dict[str, str | None] | None = None, **form: Any) -> requests.Response:
    """Send a form as a browser does that shows the page."""
    own = {"Origin": api.page_url.removesuffix("/")}
    with requests.Session() as session:
        return session.post(api.page_url, form, headers={**own, **(headers or {})}, timeout=20, allow_redirects=False)


def test_it_shows_instances_requests_and_faults(api: Emulator, http: Http) -> None:
    """A tag that is a mark is shown as the resource that manages the instance. A view is no request of the API."""
    made = http.post(name="crm", tags=["billing", mark_of(line_of(Place("shop", "dev", "", "crm")), 1)]).json()["id"]
    api.fail("GET", "/instances/{id}", Fault.status(503))
    http("GET", f"/instances/{made}")
    api.break_authentication(api.add(name="files"))
    api.fail("POST", None, Fault.drop_after(), times=3)
    before = api.requests
    shown = view(api)
    for text in (
        f"{made}",
        "<bdi>crm</bdi>",
        '<bdi class="tag">billing</bdi>',
        "shop/dev/crm",
        "works",
        "broken; disabled after 5 more reads",
        f"<code>GET /instances/{made}</code>",
        "503 is answered, nothing was done",
        "POST: the connection is reset, the request was carried out (3 left)",
    ):
        assert text in shown, text
    assert "pulumi:shop" not in shown
    assert api.requests == before


def test_no_secret_is_shown_unless_asked(api: Emulator, http: Http) -> None:
    """Tokens are shown for one request, by a page that does not renew itself; other secrets never are."""
    http.post(configuration={"password": "hunter2"}, providerData={"code": "c0de"})
    [instance] = api.instances()
    secrets = (api.user_secret, api.organization_secret, "hunter2", "c0de")
    shown, asked = view(api), view(api, tokens="show")
    assert [text for text in (*secrets, instance["token"]) if text in shown] == []
    assert [text for text in secrets if text in asked] == []
    assert instance["token"] in asked
    assert ("http-equiv" in shown, "<script>" in shown) == (True, True)
    assert ("http-equiv" in asked, "<script>" in asked) == (False, False)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"action": "rename", "name": "by hand"}, {"name": "by hand"}),
        ({"action": "break"}, {"valid": False, "disabled": False}),
        ({"action": "mend"}, {"valid": True, "disabled": False}),
        ({"action": "delete"}, None),
    ],
)
def test_a_click_changes_an_instance(api: Emulator, form: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """The browser is led back to the page. The change is no request of the API."""
    made, other = api.add(), api.add()
    if form["action"] == "mend":
        api.break_authentication(made, refreshes=0)
    response = click(api, id=made, **form)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    if expected is None:
        assert [each["id"] for each in api.instances()] == [other]
    else:
        assert {key: api.instance(made)[key] for key in expected} == expected
    assert api.requests == []


@pytest.mark.parametrize("fault", page.FAULTS)
def test_a_click_sets_a_fault(api: Emulator, fault: str) -> None:
    """It waits for as many requests as the form says."""
    assert click(api, action="fail", method="PUT", times="2", fault=fault).status_code == 303
    assert f"PUT: {page.FAULTS[fault].words} (2 left)" in view(api).replace("&#x27;", "'")


def test_a_click_removes_the_faults(api: Emulator, http: Http) -> None:
    """Before that, the requests of the API meet them."""
    click(api, action="fail", method="any", times="5", fault="503: nothing is done")
    assert http("GET").status_code == 503
    assert click(api, action="forgive").status_code == 303
    assert "No fault waits" in view(api)
    assert http("GET").status_code == 200


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 400),
        ({"action": "reset"}, 400),
        ({"action": "rename", "id": "4001", "name": SCRIPT}, 404),
        ({"action": "rename", "name": "x"}, 404),
        ({"action": "break", "id": "x"}, 400),
        ({"action": "delete", "id": SCRIPT}, 400),
        ({"action": "delete", "id": str(10**30)}, 400),
        ({"action": "fail", "method": SCRIPT, "times": "1", "fault": "503: nothing is done"}, 400),
        ({"action": "fail", "method": "GET", "times": "0", "fault": "503: nothing is done"}, 400),
        ({"action": "fail", "method": "GET", "times": "1", "fault": "none"}, 404),
    ],
)
def test_a_click_that_does_nothing_says_why(api: Emulator, form: dict[str, Any], status: int) -> None:
    """It shows the page with one line more."""
    response = click(api, **form)
    assert response.status_code == status
    assert len(re.findall('<p class="alert" role="alert">[^<]+</p>', response.text)) == 1


def test_an_empty_name_is_refused(api: Emulator) -> None:
    """A PUT refuses it too."""
    made = api.add(name="kept")
    assert "name must be" in click(api, action="rename", id=made, name="").text
    assert api.instance(made)["name"] == "kept"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost"},
    ],
)
def test_another_site_cannot_click(api: Emulator, headers: dict[str, str | None]) -> None:
    """A browser sends the origin of the page that a form is on, and no page can change that."""
    made = api.add()
    assert click(api, headers, action="delete", id=made).status_code == 403
    assert len(api.instances()) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_machine_has_no_page(api: Emulator, method: str) -> None:
    """This holds even if the emulator listens to it, which a test cannot use: it needs no socket."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {"client": ("192.0.2.7", 50000), "path": "/", "query_string": b"", "headers": []}
    app = application(page.Page(api, faults.Faults()).routes())
    asyncio.run(app({"type": "http", "method": method, **scope}, receive, send))
    assert messages[0]["status"] == 403


def test_every_text_is_escaped(api: Emulator, http: Http) -> None:
    """Names, tags, connectors, managers and paths come from requests, and what was searched from a link."""
    api.add(name=f"{SCRIPT}\ud800", tags=[SCRIPT])
    http("GET", f"/instances/{SCRIPT}")
    shown = view(api, find=SCRIPT)
    assert shown.count("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;") == 5
    assert SCRIPT not in shown


def test_the_browser_runs_no_other_script_and_asks_no_other_host(api: Emulator) -> None:
    """The policy names the style and the script of the page by their digests, and there are no others."""
    response = requests.get(api.page_url, timeout=20)
    policy = response.headers["content-security-policy"]
    rules = dict(each.strip().partition(" ")[::2] for each in policy.split(";"))
    for rule, tag in (("style-src", "style"), ("script-src", "script")):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", response.text, re.DOTALL)
        assert rules[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert (rules["default-src"], rules["frame-ancestors"]) == ("'none'", "'none'")
    assert re.findall(r" on\w+=| style=|https?://(?!127\.0\.0\.1)", response.text) == []
    assert response.headers["cache-control"] == "no-store"


def test_of_a_large_account_some_are_shown_and_all_are_found(api: Emulator) -> None:
    """The page is made anew every two seconds, and must not occupy the emulator."""
    for number in range(page._SHOWN + 5):
        api.add(name=f"n-{number}-", tags=["Last"] if number > page._SHOWN else [])
    assert "205 in the account, the first 200 are shown" in view(api)
    shown = view(api, find="last")
    assert "4 of 205 in the account match" in shown
    assert "n-204-" in shown
