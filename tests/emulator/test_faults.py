"""Every fault, as a client sees it, and whether the request took effect."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

import pytest
import requests

from pulumi_instances.testing.emulator import Emulator, Fault

from .conftest import Http

ELSEWHERE = "http://127.0.0.1:1/elsewhere"
ANSWERED: dict[str, tuple[Fault, int, dict[str, str], str, int]] = {
    "an error of the API": (
        Fault.status(409, "Not now", headers={"Retry-After": "7"}),
        409,
        {"retry-after": "7", "content-type": "application/json"},
        "Not now",
        0,
    ),
    "what the provider said": (Fault.status(400, "No", provider_message="WRONG"), 400, {}, "WRONG", 0),
    "a size limit of the live services": (Fault.size_limit(), 429, {}, "8 MB", 0),
    "a page of a proxy": (
        Fault.status(404, body="<html>", headers={"content-type": "text/html"}),
        404,
        {"content-type": "text/html"},
        "<html>",
        0,
    ),
    "a proxy that has waited too long": (Fault.status_after(502), 502, {"content-type": "text/html"}, "", 1),
    "typographic quotes, as in the document": (Fault.garbage(), 200, {}, "\u201c", 1),
    "a redirect": (Fault.redirect(ELSEWHERE), 302, {"location": ELSEWHERE}, "", 0),
    "more than a client may want": (Fault.big(3_000_000), 200, {"content-length": "3000000"}, '"', 1),
}
"""A fault, the status, headers and a part of the body that it answers, and how many instances the POST has made."""


@pytest.mark.parametrize("what", ANSWERED)
def test_a_fault_answers_as_it_says(api: Emulator, http: Http, what: str) -> None:
    """Whether the POST takes effect depends on it."""
    fault, status, headers, words, made = ANSWERED[what]
    api.fail("POST", "/instances", fault)
    response = http.post()
    assert response.status_code == status
    assert {name: response.headers[name] for name in headers} == headers
    assert words in response.text
    assert len(api.instances()) == made


@pytest.mark.parametrize(("fault", "made"), [(Fault.drop_before(), 0), (Fault.drop_after(), 1)])
def test_a_dropped_connection_is_reset_before_or_after_acting(
    api: Emulator, http: Http, fault: Fault, made: int
) -> None:
    """The client gets no answer; the log has no status."""
    api.fail("POST", "/instances", fault)
    with pytest.raises(requests.ConnectionError) as caught:
        http.post()
    assert "reset" in str(caught.value).lower()
    assert len(api.instances()) == made
    (request,) = api.requests
    assert request.status is None
    assert request.finished is not None


def test_answer_existing_makes_nothing_and_answers_with_an_instance(api: Emulator, http: Http) -> None:
    """It is the one of the default account, as it was."""
    there = api.add(name="of somebody", tags=["theirs"])
    before = api.instances()
    api.fail("POST", "/instances", Fault.answer_existing(there))
    answered = http.post().json()
    assert (answered["id"], answered["name"]) == (there, "of somebody")
    assert api.instances() == before
    assert http.post().json()["id"] != there


def test_a_lag_hides_what_a_post_has_made(api: Emulator, http: Http) -> None:
    """The count of a list leaves it out as well, and the end of the lag shows it."""
    there = api.add()
    api.lag(1000)
    made = http.post().json()["id"]
    assert http("GET", f"/instances/{made}").status_code == 404
    assert http("PUT", f"/instances/{made}", json={"name": "x"}).status_code == 404
    assert http("DELETE", f"/instances/{made}").status_code == 404
    listed = http("GET")
    assert ([each["id"] for each in listed.json()], listed.headers["elements-total-count"]) == ([there], "1")
    assert [each["id"] for each in http("GET", params={"tags[]": "billing"}).json()] == []
    api.lag(0)
    assert [each["id"] for each in http("GET").json()] == [there, made]
    assert http("DELETE", f"/instances/{made}").status_code == 200


def test_a_lag_hides_nothing_that_was_added_by_hand(api: Emulator, http: Http) -> None:
    """An instance that a POST had made may have had the same id."""
    api.restart_ids()
    made = http.post().json()["id"]
    api.remove(made)
    api.restart_ids()
    assert api.add() == made
    api.lag(1000)
    assert http("GET", f"/instances/{made}").status_code == 200


def test_ids_can_start_again(api: Emulator) -> None:
    """A service that was set up anew does so: an instance may have the id of one that was deleted."""
    api.restart_ids()
    first = api.add()
    assert api.add() == first + 1
    api.restart_ids()
    assert api.add() == first + 2, "no id is given twice at a time"
    for number in range(3):
        api.remove(first + number)
    api.restart_ids()
    assert api.add() == first
    api.remove(first)


def test_truncated_acts_and_sends_half_of_the_body(api: Emulator, http: Http) -> None:
    """The announced length is that of the whole answer."""
    api.fail("POST", "/instances", Fault.truncated())
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        http.post()
    assert len(api.instances()) == 1


def test_truncated_cuts_an_answer_without_a_body_too(api: Emulator, http: Http) -> None:
    """The DELETE takes effect, and its answer never ends."""
    made = api.add()
    api.fail("DELETE", "/instances/{id}", Fault.truncated())
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        http("DELETE", f"/instances/{made}")
    assert api.instances() == []


def test_delay_acts_although_the_client_has_left(api: Emulator, http: Http) -> None:
    """A slow server does the same; the log says when it is done."""
    api.fail("POST", "/instances", Fault.delay(0.3))
    with pytest.raises(requests.Timeout):
        http("POST", json={"your_mom": {"key": "box"}, "name": "late"}, timeout=0.05)
    assert api.instances() == []
    assert api.requests[0].finished is None
    assert http.post().status_code == 200  # others do not wait
    wait_until_idle(api)
    assert sorted(each["name"] for each in api.instances()) == ["billing", "late"]


def test_any_fault_can_be_delayed(api: Emulator, http: Http) -> None:
    """It waits, acts, and then drops the connection."""
    api.fail("POST", "/instances", Fault.drop_after().delayed(0.05))
    with pytest.raises(requests.ConnectionError):
        http.post()
    (request,) = api.requests
    assert request.finished is not None
    assert request.finished - request.started >= 0.05
    assert len(api.instances()) == 1


def test_a_request_that_waits_is_dropped_by_a_reset(api: Emulator, http: Http) -> None:
    """It must not act in the middle of the next test."""
    api.fail("POST", "/instances", Fault.delay(0.3))
    failed = []

    def post() -> None:
        try:
            http.post()
        except requests.ConnectionError as error:
            failed.append(error)

    thread = threading.Thread(target=post)
    thread.start()
    while not api.requests:
        pass
    api.reset()
    thread.join()
    assert len(failed) == 1
    assert (api.instances(), api.requests) == ([], [])


def test_trickle_keeps_the_body_coming_for_ever(api: Emulator, http: Http) -> None:
    """No single read times out, yet the answer never ends; the instance is made."""
    api.fail("POST", "/instances", Fault.trickle(0.01))
    body = {"your_mom": {"key": "box"}, "name": "x"}
    with http("POST", json=body, stream=True, timeout=5) as response:
        chunks = response.iter_content(1)
        assert [next(chunks) for _ in range(20)] == [b" "] * 20
    assert len(api.instances()) == 1


@pytest.mark.parametrize(
    ("method", "path", "hit"),
    [
        ("GET", "/instances", [False, True, False]),
        ("GET", "/instances/{id}", [False, False, True]),
        ("GET", None, [False, True, False]),
        (None, "/instances", [True, False, False]),
        (None, None, [True, False, False]),
        ("PUT", None, [False, False, False]),
    ],
)
def test_a_fault_meets_the_requests_it_names(
    api: Emulator, http: Http, method: str | None, path: str | None, hit: list[bool]
) -> None:
    """None matches all; ``{id}`` matches any id, but not the list. By default it meets one request."""
    api.fail(method, path, Fault.status(503))
    answers = [http.post(), http("GET"), http("GET", "/instances/1")]
    assert [answer.status_code == 503 for answer in answers] == hit


def test_a_fault_meets_as_many_requests_as_asked_for(api: Emulator, http: Http) -> None:
    """Then the next fault applies, and then all is normal."""
    api.fail("GET", "/instances", Fault.status(503), times=2)
    api.fail("GET", "/instances", Fault.status(500))
    assert [http("GET").status_code for _ in range(4)] == [503, 503, 500, 200]


def test_a_seed_makes_random_faults_repeatable(api: Emulator, http: Http) -> None:
    """A fault with a probability has no limit of its own."""
    runs = []
    for _ in range(2):
        api.reset()
        api.fail("GET", None, Fault.status(503), probability=0.5, seed=7)
        runs.append([http("GET").status_code for _ in range(30)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


def test_a_fault_comes_before_the_secrets_are_checked(api: Emulator, http: Http) -> None:
    """A proxy in front of the API would answer so."""
    api.fail("GET", None, Fault.status(503))
    assert http("GET", headers={"Authorization": "wrong"}).status_code == 503


def test_faults_and_broken_requests_leave_nothing_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """This covers dropped connections, requests cut off by the exit, and bytes that are not HTTP."""
    with Emulator() as api:
        http = Http(api)
        with http.session:
            for fault in (Fault.drop_before(), Fault.drop_after(), Fault.truncated(), Fault.delay(60)):
                api.fail("GET", None, fault)
                with pytest.raises(requests.RequestException):
                    http("GET", timeout=0.1)
            api.fail("GET", None, Fault.trickle(0.01), times=2)
            http("GET", stream=True).close()
            cut = http("GET", stream=True)
        with socket.create_connection(("127.0.0.1", urlsplit(api.base_url).port or 0)) as raw:
            raw.sendall(b"not HTTP at all\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 400")
    with pytest.raises(requests.RequestException):
        _ = cut.content
    assert capfd.readouterr() == ("", "")


def wait_until_idle(api: Emulator) -> None:
    """Wait for the requests in flight; the test's own time limit ends it."""
    tick = threading.Event()
    while any(request.finished is None for request in api.requests):
        tick.wait(0.01)
