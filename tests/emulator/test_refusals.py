"""What the API refuses, with which status and which message."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from pulumi_instances.testing.emulator import Emulator

from .conftest import Http

DROPBOX = {"key": "dropbox"}


def assert_error(response: requests.Response, status: int, words: str) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() == {"requestId", "message"}
    assert re.fullmatch(r"[0-9a-f]{24}", body["requestId"])
    assert words in body["message"]


def test_the_parts_of_the_authorization_header_come_in_any_order(api: Emulator, http: Http) -> None:
    """The document writes User first; others write Organization first."""
    header = f"Organization {api.organization_secret}, User {api.user_secret}"
    assert http("GET", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer x",
        "User {user}",
        "Organization {organization}",
        "User wrong, Organization {organization}",
        "User {user}, Organization wrong",
        "User {organization}, Organization {user}",
        "User {user}, Organization {organization}, Element x",
        "User {user}, User {user}",
    ],
)
def test_wrong_secrets_are_401_with_one_sentence_for_every_cause(
    api: Emulator, http: Http, method: str, header: str | None
) -> None:
    """Nothing in the answer tells which part was wrong."""
    filled = header and header.format(user=api.user_secret, organization=api.organization_secret)
    response = http(method, headers={"Authorization": filled}, json={"your_mom": DROPBOX, "name": "x"})
    assert_error(response, 401, "Invalid Organization or User secret, or invalid Element token provided.")
    assert api.instances() == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"name": "x"}, 400, "your_mom.key"),
        ({"name": "x", "your_mom": "dropbox"}, 400, "your_mom.key"),
        ({"name": "x", "your_mom": {}}, 400, "your_mom.key"),
        ({"name": "x", "your_mom": {"key": 14}}, 400, "your_mom.key"),
        ({"name": "x", "your_mom": {"key": "nowhere"}}, 404, "No your_mom found with key nowhere"),
        ({"your_mom": DROPBOX}, 400, "name"),
        ({"your_mom": DROPBOX, "name": ""}, 400, "name"),
        ({"your_mom": DROPBOX, "name": 5}, 400, "name"),
        ({"your_mom": DROPBOX, "name": "x", "tags": "a"}, 400, "tags"),
        ({"your_mom": DROPBOX, "name": "x", "tags": [1]}, 400, "tags"),
        ({"your_mom": DROPBOX, "name": "x", "tags": None}, 400, "tags"),
        ({"your_mom": DROPBOX, "name": "x", "configuration": []}, 400, "configuration"),
        ({"your_mom": DROPBOX, "name": "x", "providerData": "code"}, 400, "providerData"),
        ({"your_mom": DROPBOX, "name": "x", "providerData": {"code": 1}}, 400, "providerData.code"),
        ([], 400, "JSON object"),
        ("text", 400, "JSON object"),
    ],
)
def test_post_names_the_field_that_is_wrong(api: Emulator, http: Http, body: Any, status: int, words: str) -> None:
    """A refused POST makes nothing."""
    assert_error(http("POST", json=body), status, words)
    assert api.instances() == []


@pytest.mark.parametrize("body", [{"name": ""}, {"name": None}, {"tags": "a"}, {"configuration": 1}, []])
def test_put_checks_types_and_changes_nothing_when_it_refuses(api: Emulator, http: Http, body: Any) -> None:
    """The checks are those of a POST."""
    made = api.add(name="old", tags=["a"])
    before = api.instance(made)
    assert http("PUT", f"/instances/{made}", json=body).status_code == 400
    assert api.instance(made) == before


@pytest.mark.parametrize(
    "body",
    [
        "{ \u201cname\u201d: \u201cQA SFDC Service Cloud\u201d }".encode(),
        b"",
        b"{",
        b"\xff\xfe",
        b'{"your_mom": {"key": "dropbox"}, "name": "\\ud800"}',
        b"[" * 100_000,
    ],
    ids=["smart quotes", "empty", "cut", "not UTF-8", "half a surrogate pair", "too deep"],
)
def test_a_body_that_is_not_json_is_400(http: Http, body: bytes) -> None:
    """The document warns twice about quotes that are not straight."""
    assert_error(http("POST", data=body, headers={"Content-Type": "application/json"}), 400, "JSON")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_another_content_type_is_415(http: Http, kind: str | None) -> None:
    """Only application/json is understood."""
    assert_error(http("POST", data=b"{}", headers={"Content-Type": kind}), 415, "application/json")


def test_a_content_type_may_name_its_charset(http: Http) -> None:
    """Parameters of the content type do not matter."""
    body = b'{"your_mom": {"key": "box"}, "name": "x"}'
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert http("POST", data=body, headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("name", ["1", "nope", "-1", "4001.0", "\u0664", "9" * 30, "9" * 5000])
def test_an_unknown_id_is_404(http: Http, method: str, name: str) -> None:
    """It does not matter whether it is a number."""
    body: dict[str, str] | None = {} if method == "PUT" else None
    assert_error(http(method, f"/instances/{name}", json=body), 404, f"No instance found with ID {name}")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/instances", {"GET", "HEAD", "POST"}),
        ("PATCH", "/instances", {"GET", "HEAD", "POST"}),
        ("DELETE", "/instances", {"GET", "HEAD", "POST"}),
        ("POST", "/instances/4001", {"GET", "HEAD", "PUT", "DELETE"}),
        ("PATCH", "/instances/4001", {"GET", "HEAD", "PUT", "DELETE"}),
    ],
)
def test_other_methods_are_405(http: Http, method: str, path: str, allowed: set[str]) -> None:
    """The document has five operations; the answer names those of the path."""
    response = http(method, path)
    assert_error(response, 405, "Method Not Allowed")
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/", "/instances/", "/instances/1/2", "/nothing"])
def test_other_paths_are_404(http: Http, path: str) -> None:
    """A slash too many counts as another path: there are no redirects."""
    assert_error(http("GET", path), 404, "Not Found")


def test_accounts_do_not_see_each_other(api: Emulator, http: Http) -> None:
    """Another account's instance is 404 for every operation, and not in the list."""
    other = api.add_account()
    made = api.add(name="theirs", account=other)
    statuses = [http(method, f"/instances/{made}", json={}).status_code for method in ("GET", "PUT", "DELETE")]
    header = f"User {other.user_secret}, Organization {other.organization_secret}"
    assert statuses == [404, 404, 404]
    assert http("GET").json() == []
    assert [each["id"] for each in http("GET", headers={"Authorization": header}).json()] == [made]
    assert [each["name"] for each in api.instances(other)] == ["theirs"]
    assert api.instances() == []
    assert other.user_secret not in repr(other)


@pytest.mark.parametrize("path", ["/your_moms/api-v2/instances", "/_emulator/instances", "/"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example:{port}", 403),
        ("127.0.0.1.evil.example", 403),
        ("[", 403),
        ("localhost:{port}", 200),
        ("[::1]:{port}", 200),
        ("127.0.0.1", 200),
    ],
)
def test_a_web_page_cannot_read_it_under_another_name(
    api: Emulator, http: Http, path: str, host: str, status: int
) -> None:
    """A page whose name resolves to loopback (DNS rebinding) is of the same origin, for a browser."""
    root = api.base_url.removesuffix("/your_moms/api-v2")
    response = http.session.get(root + path, headers={"Host": host.format(port=root.rpartition(":")[2])}, timeout=20)
    assert response.status_code == status
    if status == 403:
        assert_error(response, 403, "reached as localhost or 127.0.0.1 only")
        assert api.requests == []


@pytest.mark.parametrize("path", ["/your_moms/api-v2/instances", "/_emulator/instances"])
def test_a_huge_body_is_refused_before_it_is_read(api: Emulator, http: Http, path: str) -> None:
    """It would occupy the emulator for all others."""
    root = api.base_url.removesuffix("/your_moms/api-v2")
    body = b'{"name": "' + b"x" * 11 * 1024**2 + b'"}'
    headers = {"Content-Type": "application/json"}
    assert_error(http.session.post(root + path, body, headers=headers, timeout=20), 413, "larger than 10 MiB")
    assert (api.requests, api.instances()) == ([], [])
