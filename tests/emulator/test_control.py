"""The control routes of an emulator in another process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import requests
from starlette.types import Message

from pulumi_instances.testing.emulator import Emulator, Fault
from pulumi_instances.testing.emulator.api import application
from pulumi_instances.testing.emulator.control import Control

from .conftest import Http


def control(api: Emulator, method: str, path: str, body: Any = None) -> requests.Response:
    return requests.request(
        method, api.base_url.replace("/your_moms/api-v2", "/_emulator") + path, json=body, timeout=20
    )


def test_objects_are_added_changed_and_removed_without_secrets(api: Emulator) -> None:
    """These requests do what `add`, `change` and `remove` do, and are not in the log."""
    made = control(api, "POST", "/instances", {"your_mom": "box", "name": "x", "tags": ["a"]}).json()["id"]
    assert control(api, "PATCH", f"/instances/{made}", {"name": "y", "valid": False}).status_code == 200
    assert control(api, "GET", "/instances").json() == api.instances()
    assert (api.instance(made)["name"], api.instance(made)["valid"]) == ("y", False)
    assert control(api, "DELETE", f"/instances/{made}").status_code == 200
    assert (api.instances(), api.requests) == ([], [])


def test_the_log_can_be_read_and_reset(api: Emulator, http: Http) -> None:
    """The fields are those of `Request`."""
    http.post()
    (request,) = control(api, "GET", "/requests").json()
    assert (request["method"], request["path"], request["status"]) == ("POST", "/instances", 200)
    assert control(api, "POST", "/reset", {}).status_code == 200
    assert (api.instances(), api.requests) == ([], [])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "status", "code": 503, "message": "Later"}, Fault.status(503, "Later")),
        ({"kind": "status_after", "code": 502}, Fault.status_after(502)),
        ({"kind": "delay", "seconds": 2}, Fault.delay(2)),
        ({"kind": "drop_before"}, Fault.drop_before()),
        ({"kind": "drop_after", "delayed": 0.5}, Fault.drop_after().delayed(0.5)),
        ({"kind": "size_limit"}, Fault.size_limit()),
        ({"kind": "garbage"}, Fault.garbage()),
        ({"kind": "truncated"}, Fault.truncated()),
        ({"kind": "trickle", "interval": 0.1}, Fault.trickle(0.1)),
        ({"kind": "redirect", "url": "http://127.0.0.1"}, Fault.redirect("http://127.0.0.1")),
        ({"kind": "big", "size": 100}, Fault.big(100)),
    ],
)
def test_a_description_of_a_fault_makes_the_fault(fault: dict[str, Any], expected: Fault) -> None:
    """It gives the name of a constructor, and its arguments."""
    assert Fault.parse(fault) == expected


def test_faults_are_set_over_http(api: Emulator, http: Http) -> None:
    """The arguments are those of `fail`."""
    rule = {"method": "GET", "path": "/instances", "times": 2, "fault": {"kind": "status", "code": 503}}
    assert control(api, "POST", "/faults", rule).status_code == 200
    assert [http("GET").status_code for _ in range(3)] == [503, 503, 200]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/faults", {}, 400),
        ("POST", "/faults", {"fault": {"kind": "parse"}}, 400),
        ("POST", "/faults", {"fault": {"kind": "delay"}}, 400),
        ("POST", "/faults", {"fault": {"kind": "garbage"}, "colour": "red"}, 400),
        ("POST", "/faults", [], 400),
        ("POST", "/instances", {"your_mom": "nowhere"}, 404),
        ("POST", "/instances", {"name": 5}, 400),
        ("POST", "/instances", {"colour": "red"}, 400),
        ("PATCH", "/instances/1", {"name": "x"}, 404),
        ("PATCH", "/instances/1", {"id": 2}, 400),
        ("DELETE", "/instances/1", None, 404),
        ("DELETE", f"/instances/{10**30}", None, 400),
        ("GET", "/nothing", None, 404),
        ("GET", "/reset", None, 405),
    ],
)
def test_a_wrong_control_request_is_an_error(api: Emulator, method: str, path: str, body: Any, status: int) -> None:
    """The body is that of the API's errors."""
    response = control(api, method, path, body)
    assert response.status_code == status
    assert response.json().keys() == {"requestId", "message"}


def test_a_web_page_cannot_control_the_emulator(api: Emulator) -> None:
    """A browser sends another site only what needs no permission, and application/json does."""
    url = api.base_url.replace("/your_moms/api-v2", "/_emulator")
    api.add()
    for path in ("/reset", "/faults", "/instances"):
        assert (
            requests.post(url + path, data="{}", headers={"Content-Type": "text/plain"}, timeout=20).status_code == 415
        )
    assert len(api.instances()) == 1


@pytest.mark.parametrize(("client", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 403)])
def test_only_loopback_may_control(api: Emulator, client: str, status: int) -> None:
    """This holds even if the emulator listens to other machines, which a test cannot use: it needs no socket."""
    assert asyncio.run(get_instances_as(api, client)) == status


async def get_instances_as(api: Emulator, client: str) -> int:
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    address = {"client": (client, 50000), "path": "/_emulator/instances", "query_string": b"", "headers": []}
    app = application(list(Control(api).routes()))
    await app({"type": "http", "method": "GET", **address}, receive, send)
    return int(messages[0]["status"])
