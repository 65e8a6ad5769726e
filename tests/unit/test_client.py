from __future__ import annotations

import gc
import gzip
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances.api import transport
from pulumi_instances.api.client import Client
from pulumi_instances.api.outcome import AnswerLost, Outcome, seconds_of
from pulumi_instances.api.retry import within
from pulumi_instances.core.config import Settings
from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.core.errors import (
    ConnectionFailed,
    Forbidden,
    InputError,
    InstancesError,
    NotFound,
    RateLimited,
    ServerError,
    StatusError,
    Unauthorized,
    UnexpectedAnswer,
)
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.certificates import self_signed
from tests.support.clock import FakeClock
from tests.support.processes import until
from tests.support.scripted import Answer, Received, ScriptedServer, answer

USER, ORGANIZATION = "us3r+s3cret/A=", "0123456789abcdef"
INSTANCE = {"id": 7, "name": "billing", "token": "t0ken"}
FOUND = {**INSTANCE, "id": "7"}
BODY = {"name": "billing", "your_mom": {"key": "dropbox"}, "tags": [], "providerData": {"code": "0ne-time-c0de"}}
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HTML = b"<html><body>Bad Gateway</body></html>"
SMART_QUOTES = '{"id": 7, "name": “billing"}'.encode()

CALLS: dict[str, Callable[[Client], Any]] = {
    "GET": lambda client: client.get("7"),
    "LIST": lambda client: client.list_all(),
    "PUT": lambda client: client.put("7", {"name": "billing", "tags": []}),
    "DELETE": lambda client: client.delete("7"),
    "POST": lambda client: client.post(BODY),
}


def settings(base_url: str, **changed: Any) -> Settings:
    """Settings with two retries and short timeouts."""
    return replace(Settings(base_url, USER, ORGANIZATION, timeout=10, create_timeout=10, max_retries=2), **changed)


@contextmanager
def served(*steps: Answer, **changed: Any) -> Iterator[tuple[Client, ScriptedServer]]:
    """A client that waits in no time, and the server that answers it by these steps."""
    with ScriptedServer(*steps) as server:
        yield Client(settings(server.base_url, **changed), clock=FakeClock()), server


def outcome(client: Client, call: str) -> type[InstancesError] | None:
    """The type of error that a call ends in, or None."""
    try:
        CALLS[call](client)
    except InstancesError as error:
        return type(error)
    return None


# method and failure -> requests sent, seconds waited, error

ONCE, TWICE_MORE = (1, 0.0), (3, 0.5 + 1.0)
UNTIL_THE_DEADLINE = (6, 0.5 + 1 + 2 + 4 + 8)  # the next wait would end after timeout * (maxRetries + 1)


def error_body(message: str = "No such thing") -> dict[str, str]:
    """The error body of the API."""
    return {"requestId": "5f1e", "message": message}


def _rows() -> Iterator[Any]:
    def row(calls: list[str], what: str, step: Answer, effort: tuple[int, float], error: Any) -> Iterator[Any]:
        yield from (pytest.param(call, step, effort, error, id=f"{call}: {what}") for call in calls)

    everything, idempotent = list(CALLS), ["GET", "LIST", "PUT", "DELETE"]
    for status in (400, 405, 409, 415, 422):
        yield from row(everything, str(status), answer(status, error_body()), ONCE, StatusError)
    yield from row(everything, "401", answer(401, error_body()), ONCE, Unauthorized)
    yield from row(everything, "403", answer(403, error_body()), ONCE, Forbidden)
    for status in (404, 410):
        yield from row(["GET", "PUT", "DELETE", "POST"], str(status), answer(status, error_body()), ONCE, NotFound)
    yield from row(["LIST"], "404", answer(404, error_body()), ONCE, UnexpectedAnswer)
    foreign = {"HTML": HTML, "empty": b"", "list": b"[]", "other JSON": b'{"detail": "Not Found"}'}
    for what, page in foreign.items():
        for status in (404, 410):
            yield from row(everything, f"{status} {what}", answer(status, page), ONCE, UnexpectedAnswer)
    yield from row(everything, "429", answer(429, error_body()), UNTIL_THE_DEADLINE, RateLimited)
    yield from row(everything, "429 size", answer(429, error_body("Request is larger than 8 MB")), ONCE, RateLimited)
    for status in (500, 501, 505):
        yield from row(idempotent, str(status), answer(status, error_body()), ONCE, ServerError)
        yield from row(["POST"], str(status), answer(status, error_body()), ONCE, AnswerLost)
    for status in (408, 502, 503, 504, 520, 524):
        yield from row(idempotent, str(status), answer(status, HTML), TWICE_MORE, ServerError)
        yield from row(["POST"], str(status), answer(status, HTML), ONCE, AnswerLost)

    for what, step in (
        ("connection reset", Answer(then="reset")),
        ("connection closed", Answer(then="close")),
        ("half a status line", Answer(b"HTTP/1.", "close")),
        ("truncated", answer(200, b'{"id": 7', announced=100)),
        ("truncated chunk", Answer(CHUNKED + b'9\r\n{"id"', "close")),
        ("missing last chunk", Answer(CHUNKED + b"1\r\n7\r\n", "close")),
        ("broken chunk", Answer(CHUNKED + b"x\r\n7\r\n", "close")),
        ("truncated error", answer(500, b'{"message', announced=100)),
    ):
        yield from row(idempotent, what, step, TWICE_MORE, ConnectionFailed)
        yield from row(["POST"], what, step, ONCE, AnswerLost)

    wrong: list[tuple[str, object]] = [
        ("HTML", HTML),
        ("empty", b""),
        ("blank", b" \n"),
        ("smart quotes", SMART_QUOTES),
        ("half JSON", b'{"id": 7, '),
        ("text", "words"),
        ("null", b"null"),
        ("number", b"7"),
        ("deeply nested", b"[" * 100_000),
        ("not UTF-8", b'{"id": 7, "name": "\xff"}'),
    ]
    for what, body in wrong:
        yield from row(["GET", "LIST"], what, answer(200, body), ONCE, UnexpectedAnswer)
        says_nothing = what in ("empty", "blank")  # an update may have no body
        yield from row(["PUT"], what, answer(200, body), ONCE, None if says_nothing else UnexpectedAnswer)
        yield from row(["DELETE"], what, answer(200, body), ONCE, UnexpectedAnswer if body == HTML else None)
        yield from row(["POST"], what, answer(200, body), ONCE, AnswerLost)
    yield from row(["GET", "PUT"], "list", answer(200, [INSTANCE]), ONCE, UnexpectedAnswer)
    yield from row(["LIST"], "object", answer(200, INSTANCE), ONCE, UnexpectedAnswer)
    yield from row(["LIST"], "list of ids", answer(200, [7]), ONCE, UnexpectedAnswer)
    yield from row(["POST"], "no id", answer(200, {"name": "billing"}), ONCE, AnswerLost)
    yield from row(["POST"], "strange id", answer(200, {"id": "../7"}), ONCE, AnswerLost)

    yield from row(["GET", "PUT", "POST", "DELETE"], "success", answer(200, INSTANCE), ONCE, None)
    yield from row(["POST"], "201", answer(201, INSTANCE), ONCE, None)
    yield from row(["PUT", "DELETE"], "204", Answer(b"HTTP/1.1 204 No Content\r\n\r\n"), ONCE, None)
    yield from row(["LIST"], "success", answer(200, [INSTANCE]), ONCE, None)


@pytest.fixture
def no_collection() -> Iterator[None]:
    """No garbage of earlier tests is collected meanwhile: at the depth of a RecursionError, its finalizers fail too."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize(("call", "step", "effort", "error"), list(_rows()))
def test_what_is_repeated_how_often_and_how_it_ends(
    call: str, step: Answer, effort: tuple[int, float], error: type[InstancesError] | None
) -> None:
    """The table has the requests, the seconds waited and the type of the error for every method and failure."""
    with ScriptedServer(step) as server:
        clock = FakeClock()
        assert outcome(Client(settings(server.base_url), clock=clock), call) is error
        assert (len(server.received), sum(clock.slept)) == effort


@pytest.mark.parametrize("call", CALLS)
def test_a_refused_connection_is_tried_again(call: str, closed: int) -> None:
    """A POST is tried again too: what was never sent never took effect."""
    clock = FakeClock()
    client = Client(settings(f"http://127.0.0.1:{closed}"), clock=clock)
    with pytest.raises(ConnectionFailed, match="connection refused; check instances:baseUrl") as refused:
        CALLS[call](client)
    assert (clock.slept, refused.value.timed_out) == ([0.5, 1.0], False)


SECOND_TRY: dict[str, tuple[str, Answer, Answer, type[InstancesError], bool]] = {
    "lost": ("DELETE", Answer(then="reset"), answer(404, error_body()), NotFound, True),
    "of a proxy": ("DELETE", answer(502, HTML), answer(410, error_body()), NotFound, True),
    "down": ("DELETE", answer(503), answer(404, error_body()), NotFound, True),
    "never acted on": ("DELETE", answer(429), answer(404, error_body()), NotFound, False),
    "a proxy's 404": ("DELETE", Answer(then="reset"), answer(404, HTML), UnexpectedAnswer, False),
    "a GET": ("GET", Answer(then="reset"), answer(404, error_body()), NotFound, False),
    "a PUT": ("PUT", Answer(then="reset"), answer(404, error_body()), NotFound, False),
}


@pytest.mark.parametrize("what", SECOND_TRY)
def test_a_delete_that_may_have_taken_effect_says_so(what: str) -> None:
    """Only the API's own 404 to a second DELETE, after a try that it may have acted on, counts as done."""
    call, first, second, error, repeated = SECOND_TRY[what]
    with ScriptedServer(first, second) as server:
        with pytest.raises(error) as raised:
            CALLS[call](Client(settings(server.base_url), clock=FakeClock()))
        assert len(server.received) == 2
    assert getattr(raised.value, "repeated", False) is repeated


# waiting


@pytest.mark.parametrize(("jitter", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_waits_grow_are_capped_and_jittered(jitter: float, share: float) -> None:
    """They double up to twenty seconds. Each is between half of that and all of it: clients do not come at once."""
    with ScriptedServer(answer(503)) as server:
        clock = FakeClock(jitter)
        with pytest.raises(ServerError):
            Client(settings(server.base_url, max_retries=8, timeout=1000), clock=clock).get("7")
    assert clock.slept == [seconds * share for seconds in (0.5, 1, 2, 4, 8, 16, 20, 20)]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("value", "slept"), [("7", 7.7), ("0", 0.5), ("-3", 0.5), ("soon", 0.5), ("", 0.5)])
def test_retry_after_in_seconds_is_followed(status: int, value: str, slept: float) -> None:
    """The wait is at most a tenth longer, and it is never shorter than ours."""
    with ScriptedServer(answer(status, Retry_After=value), answer(200, INSTANCE)) as server:
        clock = FakeClock()
        Client(settings(server.base_url), clock=clock).get("7")
    assert sum(clock.slept) == pytest.approx(slept)


YEAR = "Wed, 21 Oct 99999999999999 07:28:00 GMT"


@pytest.mark.parametrize(
    "value", [None, "", "soon", "1.5", "9" * 400, "9" * 5000, "Wed, 99 Oct 2015 07:28:00 GMT", YEAR]
)
def test_nonsense_is_no_wait(value: str | None) -> None:
    """Then our own wait is used. A date is understood (RFC 9110, 10.2.3); one that has passed means at once."""
    assert seconds_of(value) is None
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert seconds_of(formatdate(time.time() + 3600, usegmt=True)) == pytest.approx(3600, abs=100)


@pytest.mark.parametrize(("call", "status"), [("GET", 429), ("POST", 429), ("GET", 503)])
def test_a_wait_beyond_the_deadline_is_not_begun(call: str, status: int) -> None:
    """An operation ends within its timeout times its tries; if it would have to wait longer, it fails at once."""
    with ScriptedServer(answer(status, error_body("slow down"), Retry_After="86400")) as server:
        clock = FakeClock()
        client = Client(settings(server.base_url), clock=clock)
        said = rf'{status} "slow down" \(requestId 5f1e\), and the service asks to wait 24 h; run again after that$'
        with pytest.raises((RateLimited, ServerError), match=said):
            CALLS[call](client)
        assert (len(server.received), clock.slept) == (1, [])


@pytest.mark.parametrize("limited", [False, True], ids=["settings", "customTimeouts"])
@pytest.mark.parametrize("asked", ["86400", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_call_waits_for_what_another_was_asked_to_wait(asked: str, limited: bool) -> None:
    """After a 429 that asks for a day, every call of the account fails at once and says for how long."""
    with ScriptedServer(answer(429, Retry_After=asked), answer(200, INSTANCE)) as server:
        clock = FakeClock(jitter=0.0)
        client = Client(settings(server.base_url), clock=clock)
        assert outcome(client, "GET") is RateLimited
        said = "nothing was sent, since the service has answered 429 and asks to wait .*(h|days); run again after that"
        for call in CALLS:
            with within(10.0 if limited else 0.0, clock), pytest.raises(ConnectionFailed, match=said):
                CALLS[call](client)
        assert (len(server.received), clock.slept) == (1, [])


@pytest.mark.parametrize("call", CALLS)
def test_a_turn_after_the_custom_timeout_is_not_waited_for(call: str) -> None:
    """Nothing is sent then."""
    over = "the timeout of 10 s in customTimeouts is over; increase it, then run again$"
    good = answer(200, [INSTANCE] if call == "LIST" else INSTANCE)
    with served(good, max_requests_per_second=0.01) as (client, server):
        CALLS[call](client)
        with within(10.0, client.clock), pytest.raises(ConnectionFailed, match=over) as late:
            CALLS[call](client)
        assert len(server.received) == 1
    assert late.value.timed_out


@pytest.mark.parametrize("call", ["GET", "POST"])
def test_a_request_ends_with_its_custom_timeout(call: str) -> None:
    """One that hangs is cut off, and not sent again."""
    with ScriptedServer(answer(200, INSTANCE), Answer(then="hang")) as server:
        client = Client(settings(server.base_url))
        client.get("7")  # opens the connection
        error = AnswerLost if call == "POST" else ConnectionFailed
        with within(1.0, client.clock), pytest.raises(error, match="the timeout of 1 s in customTimeouts is over"):
            CALLS[call](client)
        assert len(server.received) == 2


def test_a_wait_for_another_request_ends_with_the_custom_timeout() -> None:
    """No 429 is to blame for it."""
    over = "the timeout of 0.5 s in customTimeouts is over; increase it, then run again$"
    with ScriptedServer(Answer(then="hang")) as server, ThreadPoolExecutor(1) as threads:
        client = Client(settings(server.base_url, parallelism=1, timeout=3.0, max_retries=0))
        other = threads.submit(client.get, "7")
        until(lambda: server.received)
        with within(0.5, client.clock), pytest.raises(ConnectionFailed, match=over):
            client.get("8")
        assert isinstance(other.exception(), ConnectionFailed)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (429, "the service has answered 429: no request is sent for 7 s"),
        (503, "read instance 7: 503, and the service asks to wait 7 s; trying again in 7 s"),
    ],
)
def test_a_long_wait_is_said(status: int, said: str, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer(answer(status, Retry_After="7"), answer(200, INSTANCE)) as server:
        Client(settings(server.base_url), clock=FakeClock(jitter=0.0)).get("7")
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [said]


# what is sent


def test_the_requests_are_those_of_the_document() -> None:
    """Each operation has the documented method, path, headers and body."""
    with served(answer(200, INSTANCE)) as (client, server):
        for call in ("GET", "PUT", "DELETE", "POST"):
            CALLS[call](client)
        client.patch("7", {"name": "n"})
        client.put("7", {"tags": []}, logs_in=True)
        client.set_enabled("7", True)
        client.set_enabled("7", False)
        assert [(request.method, request.path) for request in server.received] == [
            ("GET", "/v2/instances/7"),
            ("PUT", "/v2/instances/7"),
            ("DELETE", "/v2/instances/7"),
            ("POST", "/v2/instances"),
            ("PATCH", "/v2/instances/7"),
            ("PUT", "/v2/instances/7?reAuthenticate=true"),
            ("PUT", "/v2/instances/7/enabled"),
            ("DELETE", "/v2/instances/7/enabled"),
        ]
        assert [json.loads(request.body or b"null") for request in server.received] == [
            None,
            {"name": "billing", "tags": []},
            None,
            BODY,
            {"name": "n"},
            {"tags": []},
            None,
            None,
        ]
        for request in server.received:
            assert request.headers["authorization"] == f"User {USER}, Organization {ORGANIZATION}"
            assert request.headers["accept"] == "application/json"
            assert request.headers.get("content-type") == ("application/json" if request.body else None)


@pytest.mark.parametrize("suffix", [None, "acme-deploys/1.4"])
def test_the_user_agent_tells_the_versions_and_can_be_extended(suffix: str | None) -> None:
    """It is `pulumi-instances/<version> pulumi/<sdk version>`, followed by the user's own text."""
    (request,) = _received(user_agent_suffix=suffix)
    ours = f"pulumi-instances/{version('pulumi-instances')} pulumi/{version('pulumi')}"
    assert request.headers["user-agent"] == (f"{ours} {suffix}" if suffix else ours)


def _received(**changed: Any) -> list[Received]:
    with ScriptedServer(answer(200, INSTANCE)) as server:
        Client(settings(server.base_url, **changed)).get("7")
        return server.received


def test_no_netrc_replaces_the_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's ~/.netrc is for other tools."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    (request,) = _received()
    assert request.headers["authorization"] == f"User {USER}, Organization {ORGANIZATION}"


def test_no_cookie_is_kept() -> None:
    """Each request stands for itself; a session cookie would tie threads together."""
    with served(answer(200, INSTANCE, Set_Cookie="session=1; Path=/")) as (client, server):
        client.get("7")
        client.get("7")
        assert [request.headers.get("cookie") for request in server.received] == [None, None]


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", CALLS)
def test_a_redirect_is_not_followed(call: str, status: int) -> None:
    """The secrets go to the configured host only."""
    with (
        ScriptedServer(answer(200, INSTANCE)) as other,
        ScriptedServer(answer(status, Location=other.base_url)) as server,
    ):
        with pytest.raises(UnexpectedAnswer, match=rf"{status}, a redirect, which is not followed"):
            CALLS[call](Client(settings(server.base_url), clock=FakeClock()))
        assert (len(server.received), other.received) == (1, [])


PROXY_VARIABLES = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "api.localhost", "[::1]"])
@pytest.mark.parametrize("no_proxy", [None, "", "example.com"])
def test_no_proxy_sees_a_request_to_loopback(host: str, no_proxy: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would get both secrets in plain text."""
    with ScriptedServer(answer(200, INSTANCE)) as proxy:
        for name in PROXY_VARIABLES:
            monkeypatch.setenv(name, proxy.address)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            if no_proxy is not None:
                monkeypatch.setenv(name, no_proxy)
        for scheme in ("http", "https"):
            with pytest.raises(ConnectionFailed):
                Client(settings(f"{scheme}://{host}:9/v2", max_retries=0)).get("7")
        assert (proxy.received, proxy.connections) == ([], 0)


STRANGE_HEADERS = {
    "Location that is no URL": (302, b"Location: http://[::1"),
    "Location that is not UTF-8": (302, b"Location: http://h\xff\xfe/"),
    "Location without end": (301, b"Location: " + b"/" * 60_000),
    "Retry-After in the year 99999999999999": (429, f"Retry-After: {YEAR}".encode()),
    "Retry-After of 5000 digits": (503, b"Retry-After: " + b"9" * 5000),
    "Set-Cookie": (400, b"Set-Cookie: \xff=; expires=99999999999999; =;;"),
    "unknown encoding": (400, b"Content-Encoding: \xff"),
}


@pytest.mark.parametrize("call", ["GET", "POST"])
@pytest.mark.parametrize(("status", "header"), STRANGE_HEADERS.values(), ids=STRANGE_HEADERS)
def test_a_strange_header_is_no_reason_to_fall_over(call: str, status: int, header: bytes) -> None:
    """Every failure is an error of ours: anything else would hide that a POST may have taken effect."""
    step = Answer(b"HTTP/1.1 %d Strange\r\nContent-Length: 2\r\n%s\r\n\r\n{}" % (status, header))
    with ScriptedServer(step) as server:
        assert outcome(Client(settings(server.base_url), clock=FakeClock()), call) is not None


@pytest.mark.parametrize("call", ["GET", "POST"])
@pytest.mark.parametrize(
    ("where", "sent"), [("requests.adapters.HTTPAdapter.send", 0), ("requests.adapters.HTTPAdapter.build_response", 1)]
)
def test_an_unforeseen_exception_is_a_failure_of_ours(
    call: str, where: str, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library may raise anything. Once the request has left, it is unknown whether the API has acted on it."""

    def fail(*_: Any, **__: Any) -> None:
        raise LookupError("surprise " + USER)

    with ScriptedServer(answer(200, INSTANCE)) as server:
        monkeypatch.setattr(where, fail)
        client = Client(settings(server.base_url, max_retries=0), clock=FakeClock())
        is_lost = call == "POST" and sent
        with pytest.raises(AnswerLost if is_lost else ConnectionFailed, match="LookupError") as caught:
            CALLS[call](client)
        assert len(server.received) == sent
    assert USER not in str(caught.value)


@pytest.mark.parametrize("bad", ["", "../7"])
def test_no_request_is_built_from_a_crafted_id(bad: str) -> None:
    """An empty id would address the whole collection."""
    with served(answer(200, INSTANCE)) as (client, server):
        for call in (client.get, client.delete, lambda key: client.put(key, {"name": "x", "tags": []})):
            with pytest.raises(InputError):
                call(bad)
        assert server.received == []


# connections


def test_threads_share_the_pool() -> None:
    """There is at most one connection for each working thread, whatever the number of requests."""
    with served(answer(200, INSTANCE)) as (client, server):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: client.get("7"), range(64)))
        assert len(server.received) == 64
        assert server.connections <= 8


# answers that would not end


@pytest.mark.parametrize("call", ["GET", "POST"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_that_is_too_large_is_given_up(call: str, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not requested again, because it would be as large."""
    monkeypatch.setattr(transport, "LARGEST_BODY", 1024**2)
    expected = AnswerLost if call == "POST" else ConnectionFailed
    huge = b'"' + b"x" * 1024**2 + b'"'
    with ScriptedServer(
        answer(200, gzip.compress(huge), Content_Encoding="gzip") if packed else answer(200, huge)
    ) as server:
        with pytest.raises(expected, match="the answer is larger than 1 MiB"):
            CALLS[call](Client(settings(server.base_url), clock=FakeClock()))
        assert len(server.received) == 1


def test_an_answer_of_the_largest_size_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of exactly the limit is accepted."""
    body = json.dumps(INSTANCE).encode()
    monkeypatch.setattr(transport, "LARGEST_BODY", len(body))
    with ScriptedServer(answer(200, body)) as server:
        assert Client(settings(server.base_url)).get("7") == FOUND


TRICKLES = {
    "announced": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    "not announced": b"HTTP/1.1 200 OK\r\n\r\n",
    "chunked": CHUNKED + b"fffff\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 999999\r\n\r\n",
}


@pytest.mark.parametrize("what", TRICKLES)
@pytest.mark.parametrize("call", ["GET", "POST"])
def test_a_trickle_without_end_is_given_up(call: str, what: str) -> None:
    """The timeout bounds the whole answer, not each byte of it."""
    head, expected = TRICKLES[what], AnswerLost if call == "POST" and what != "redirect" else ConnectionFailed
    with served(Answer(head, "drip"), timeout=0.5, create_timeout=0.5) as (client, server):
        with pytest.raises(expected, match="the answer did not end in time"):
            CALLS[call](client)
        assert len(server.received) == 1


@pytest.mark.parametrize("call", ["GET", "POST"])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 "]
)
def test_headers_without_end_are_given_up(call: str, head: bytes, tls: bool, tmp_path: Path) -> None:
    """A byte each hundredth of a second is neither silence nor an answer."""
    context, authority = self_signed(tmp_path)
    with ScriptedServer(Answer(head, "drip"), tls=context if tls else None) as server:
        given = {"timeout": 0.5, "create_timeout": 0.5, "max_retries": 0, "ca_bundle": str(authority)}
        client = Client(settings(server.base_url, **given))
        with pytest.raises(AnswerLost if call == "POST" else ConnectionFailed, match="did not end in time"):
            CALLS[call](client)


@pytest.mark.parametrize(("call", "requests"), [("GET", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1)])
@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_silence_ends_in_a_timeout(call: str, requests: int, head: bytes) -> None:
    """It may come before an answer or in the middle of it."""
    with ScriptedServer(Answer(head, "hang")) as server:
        short = settings(server.base_url, timeout=0.5, create_timeout=0.5, max_retries=1)
        client = Client(short, clock=FakeClock())
        with pytest.raises(AnswerLost if call == "POST" else ConnectionFailed, match="timed out"):
            CALLS[call](client)
        assert len(server.received) == requests


@pytest.mark.parametrize("call", ["GET", "POST"])
def test_the_next_request_does_not_get_what_an_interim_answer_announces(call: str) -> None:
    """http.client takes a 103 for the answer, which is then still to come on the connection (RFC 9110, 15.2)."""
    interim = Answer(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
    with served(interim, answer(200, INSTANCE)) as (client, server):
        with pytest.raises(AnswerLost if call == "POST" else ConnectionFailed, match="103 before the answer"):
            CALLS[call](client)
        assert CALLS["GET"](client) == FOUND
        assert (len(server.received), server.connections) == (2, 2)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (Answer(b"SSH-2.0-OpenSSH\r\n", "close"), "the answer is not HTTP"),
        (answer(200, {}, X_Long="x" * 70_000), "the answer is not HTTP"),
        (answer(200, b"{}", Content_Encoding="gzip"), r"the answer broke off \(it cannot be decompressed\)"),
    ],
)
def test_a_malformed_answer_is_described_in_words(sent: Answer, why: str) -> None:
    """The name of a class of http.client would tell a user nothing."""
    with served(sent, max_retries=0) as (client, _), pytest.raises(ConnectionFailed, match=why):
        client.get("7")


def test_chunked_and_compressed_answers_are_read() -> None:
    """Any HTTP client does this."""
    body = json.dumps(INSTANCE).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:])) + b"0\r\n\r\n"
    packed = answer(200, gzip.compress(body), Content_Encoding="gzip")
    with served(Answer(CHUNKED + chunks), packed) as (client, server):
        assert [client.get("7"), client.get("7")] == [FOUND, FOUND]
        assert server.connections == 1


# errors


def test_an_error_tells_operation_status_words_request_id_and_advice() -> None:
    """All of it is in one line."""
    step = answer(400, {"requestId": "5f1e", "message": "Bad\nname"})
    with ScriptedServer(step) as server, pytest.raises(StatusError) as caught:
        CALLS["PUT"](Client(settings(server.base_url)))
    assert str(caught.value) == (
        'update instance 7: 400 "Bad name" (requestId 5f1e); correct what it names, then run again'
    )
    assert (caught.value.status, caught.value.request_id) == (400, "5f1e")


def test_a_401_names_the_variables_of_its_account() -> None:
    """Those of another account would not help."""
    with ScriptedServer(answer(401, error_body())) as server, pytest.raises(Unauthorized) as caught:
        Client(settings(server.base_url), account="eu").get("7")
    assert "instances:organizationSecret (INSTANCES_EU_USER_SECRET, INSTANCES_EU_ORGANIZATION_" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"[1]",
        b'"x"',
        b'{"message": null}',
        b'{"message": {"a": 1}, "requestId": 5}',
        b'{"message": "\\ud800"}',
    ],
)
def test_any_error_body_makes_a_line(body: bytes) -> None:
    """An error status may come with any body."""
    with (
        ScriptedServer(answer(400, body)) as server,
        pytest.raises(StatusError, match=r"^read instance 7: 400") as caught,
    ):
        Client(settings(server.base_url)).get("7")
    str(caught.value).encode()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_secret_that_the_server_repeats_is_not_repeated(status: int) -> None:
    """This covers the account's secrets and those that the client was told to hide."""
    words = f"bad header User {USER}, Organization {ORGANIZATION}; bad code 0ne-time-c0de"
    body = {"message": words, "providerMessage": words, "requestId": USER}
    with served(answer(status, body)) as (client, _):
        client.hide(["0ne-time-c0de"])
        with pytest.raises(InstancesError) as caught:
            CALLS["POST"](client)
    shown = f"{caught.value} {caught.value!r} {vars(caught.value)}" if status < 500 else str(caught.value)
    for secret in (USER, ORGANIZATION, "0ne-time-c0de"):
        assert secret not in shown
    assert "bad code [secret]" in shown


def test_only_what_took_too_long_is_a_timeout() -> None:
    """Creates continue without a listing that timed out, but not without a service that does not exist."""
    with pytest.raises(ConnectionFailed) as unresolved:
        Client(settings("https://api.invalid/v2", max_retries=0)).get("7")
    with ScriptedServer(Answer(then="hang")) as server, pytest.raises(ConnectionFailed) as silent:
        Client(settings(server.base_url, timeout=0.2, max_retries=0)).get("7")
    assert [error.value.timed_out for error in (unresolved, silent)] == [False, True]


@pytest.mark.parametrize("url", ["https://" + "a" * 64 + ".test", "https://a..b.test", "https://*.test"])
@pytest.mark.parametrize("call", ["GET", "POST"])
def test_a_url_that_no_request_can_use_is_a_connection_that_failed(url: str, call: str) -> None:
    """A POST to it certainly was not sent."""
    with pytest.raises(ConnectionFailed, match="check instances:baseUrl"):
        CALLS[call](Client(settings(url, max_retries=0)))


# the log


def test_the_log_tells_each_attempt_and_nothing_secret(caplog: pytest.LogCaptureFixture) -> None:
    """A line has method, path, status, milliseconds and attempt, but no body, header or secret."""
    with caplog.at_level(logging.DEBUG, "pulumi_instances"):
        with ScriptedServer(Answer(then="reset"), answer(503, error_body()), answer(200, INSTANCE)) as server:
            Client(settings(server.base_url), clock=FakeClock()).put("7", {"name": "n4me", "tags": ["t4g"]})
        with ScriptedServer(answer(500, error_body("0h no"))) as server, pytest.raises(AnswerLost):
            CALLS["POST"](Client(settings(server.base_url)))
    lines = [record.getMessage() for record in caplog.records if record.name == "pulumi_instances"]
    shapes = [
        r"PUT /instances/7: 127\.0\.0\.1:\d+: connection (reset|closed without an answer) in \d+ ms, attempt 1",
        r"PUT /instances/7: 503 in \d+ ms, attempt 2",
        r"PUT /instances/7: 200 in \d+ ms, attempt 3",
        r"POST /instances: 500 in \d+ ms, attempt 1",
    ]
    assert len(lines) == len(shapes)
    for line, shape in zip(lines, shapes, strict=True):
        assert re.fullmatch(shape, line)
    everything = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (USER, ORGANIZATION, "0ne-time-c0de", "t0ken", "n4me", "t4g", "0h no", "Authorization"):
        assert secret not in everything


@pytest.mark.parametrize("call", CALLS)
def test_only_a_create_is_given_the_time_of_a_create(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other request ends after `timeout`."""
    given = []

    def note(*arguments: Any) -> Outcome:
        given.append(arguments[-1])
        return Outcome(400)

    monkeypatch.setattr(transport.Transport, "request", note)
    outcome(Client(settings("http://127.0.0.1:9", timeout=7, create_timeout=99)), call)
    assert given == [99 if call == "POST" else 7]


# against the emulator


def client_of(api: Emulator, **changed: Any) -> Client:
    """A client of the emulator's default account."""
    secrets = {"user_secret": api.user_secret, "organization_secret": api.organization_secret}
    return Client(settings(api.base_url, **{**secrets, **changed}), clock=FakeClock())


@pytest.mark.parametrize(("objects", "page", "pages"), [(0, 2, 1), (1, 2, 1), (5, 2, 3), (4, 2, 2), (3, 200, 1)])
def test_a_list_is_followed_over_all_its_pages(objects: int, page: int, pages: int) -> None:
    """The paging headers lead from page to page; the last one may be exactly full. One that fails is repeated alone."""
    with Emulator(page_size=page) as api:
        ids = [api.add(name=f"n{number}") for number in range(objects)]
        api.fail("GET", "/instances", Fault.status(503))
        assert sorted(int(item["id"]) for item in client_of(api).list_all()) == ids
        assert pages + 1 <= len(api.requests) <= pages + 2


def _page(*ids: int, then: str | None = None, total: int | str | None = None) -> Answer:
    headers: dict[str, Any] = {"elements_next_page_token": then, "elements_total_count": total}
    given = {name: str(value) for name, value in headers.items() if value is not None}
    return answer(200, [{**INSTANCE, "id": number} for number in ids], announced=None, **given)


def test_strange_objects_in_a_listing_are_an_error_or_left_out() -> None:
    """A look-up must not overlook one; for the rest they are not ours, whatever they contain."""
    strange: list[Any] = [{}, {"id": "x"}, {"id": None, "name": "billing"}, {"id": 5, "name": 5}, {"id": 6, "tags": 7}]
    with served(answer(200, [*strange, INSTANCE])) as (client, server):
        assert [*client.pages(lenient=True)] == [[FOUND]]
        with pytest.raises(UnexpectedAnswer, match="the answer holds an instance without a numeric id"):
            client.list_all()
    with ScriptedServer(answer(200, [{"id": "odd"}])) as server:
        assert [*Client(settings(server.base_url)).pages(lenient=True)] == [[]], "a later page has to bring something"


ENDLESS = f"has nothing new, so the list would never end; {UnexpectedAnswer.advice}$"
LISTS: dict[str, tuple[list[Answer], list[int] | str]] = {
    "the same page for ever": ([_page(1, then="again")], ENDLESS),
    "an empty page that leads on": ([_page(then="a"), _page(1)], ENDLESS),
    "a later empty page that leads on": ([_page(1, then="a"), _page(then="b"), _page(2)], ENDLESS),
    "a later page without new ids": ([_page(1, 2, then="a"), _page(2, then="b"), _page(3)], ENDLESS),
    "a last page without new ids": ([_page(1, 2, then="a"), _page(2)], ENDLESS),
    "no instance": ([_page()], []),
    "a last page that is empty": ([_page(1, then="a"), _page()], [1]),
    "pages that overlap": ([_page(1, 2, then="a"), _page(2, 3)], [1, 2, 2, 3]),
    "fewer than announced": ([_page(1, 2, 3, total=5)], "5 instances are announced, and 3 shown; run again later"),
    "none of those announced": ([_page(total=5)], "5 instances are announced, and 0 shown"),
    "fewer in two pages": ([_page(1, 2, then="a", total=5), _page(3, total=5)], "5 instances are announced, and 3"),
    "one of them twice": ([_page(1, 2, then="a", total=4), _page(2, 3, total=4)], "4 instances are announced, and 3"),
    "as many": ([_page(1, 2, then="a", total=3), _page(3, total=3)], [1, 2, 3]),
    "more, since one was made meanwhile": ([_page(1, 2, then="a", total=2), _page(3, total=3)], [1, 2, 3]),
    "fewer, since one was deleted meanwhile": ([_page(1, 2, then="a", total=4), _page(3, total=3)], [1, 2, 3]),
    "an absurd number": ([_page(1, 2, 3, total="9" * 5000)], [1, 2, 3]),
    "announced on the first page only": ([_page(1, 2, then="a", total=4), _page(3)], "4 instances are announced"),
}


@pytest.mark.parametrize("what", LISTS)
def test_a_list_is_whole_or_an_error(what: str) -> None:
    """It is not followed for ever. One that lacks something never proves that an instance is missing."""
    steps, expected = LISTS[what]
    with served(*steps) as (client, server):
        if isinstance(expected, list):
            assert [instance["id"] for instance in client.list_all()] == [str(number) for number in expected]
            assert len(server.received) == len(steps)
            return
        with pytest.raises(UnexpectedAnswer, match=f"^list instances: .*{expected}"):
            client.list_all()
        assert len(server.received) <= 3


MISSING_PAGE = f"{{status}} .*; {UnexpectedAnswer.advice}$"
NO_PAGE: dict[str, tuple[str, list[Answer], list[str] | str]] = {
    "the first": ("default", [], f"^list instances: {MISSING_PAGE}"),
    "a later one": (
        "default",
        [_page(7, then="2")],
        f"^list instances: page 2: {{status}} .*; {UnexpectedAnswer.advice}$",
    ),
    "the first of live services": ("elements", [], []),
    "a later one of live services": ("elements", [_page(7, then="2")], ["7"]),
    "a later one, and all are shown": ("elements", [_page(7, then="2", total=1)], ["7"]),
    "a later one that is announced": (
        "elements",
        [_page(7, then="2", total=2)],
        "2 instances are announced, and 1 shown",
    ),
}


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("what", NO_PAGE)
def test_a_page_that_is_missing_is_an_empty_one_only_where_lists_are(what: str, status: int) -> None:
    """The live services answer 404 to an empty list, and on a last page that is full they give the way to a next."""
    dialect, steps, expected = NO_PAGE[what]
    with served(*steps, answer(status, error_body()), dialect=DIALECTS[dialect]) as (client, _):
        if isinstance(expected, list):
            assert [instance["id"] for instance in client.list_all()] == expected
            return
        with pytest.raises(UnexpectedAnswer, match=expected.format(status=status)):
            client.list_all()


def test_a_filtered_list_may_have_fewer() -> None:
    """What the count is about where a service filters is not documented."""
    with served(_page(1, total=5), dialect=DIALECTS["elements"]) as (client, _):
        assert client.list_all(text="x")


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"id": 8}, "the answer is about instance 8"),
        ({"id": "8"}, "the answer is about instance 8"),
        ({"id": 7, "valid": "yes"}, "the answer holds an instance whose `valid` is a string"),
        ({"id": "07"}, None),
        ({"id": 7}, None),
    ],
)
def test_the_answer_to_a_get_is_about_the_instance_that_was_asked_for(shown: dict[str, Any], said: str | None) -> None:
    """A cache or a proxy may have mixed them up."""
    with served(answer(200, {**INSTANCE, **shown})) as (client, _):
        if said is None:
            assert client.get("7") == FOUND
            return
        with pytest.raises(UnexpectedAnswer, match=f"^read instance 7: {said}"):
            client.get("7")


def test_the_token_of_the_next_page_is_quoted() -> None:
    """Whatever it contains, it stays one parameter."""
    steps = (
        answer(200, [INSTANCE], elements_next_page_token="a&b=c d/../é?".encode().decode("latin-1")),
        answer(200, []),
    )
    with ScriptedServer(*steps) as server:
        Client(settings(server.base_url)).list_all()
        assert server.received[1].path.startswith("/v2/instances?nextPage=a%26b%3Dc+d%2F..%2F")


def test_whoever_waits_for_a_listing_is_told_how_far_it_is() -> None:
    """After each page the callback gets the count so far, and the total where the API reports it."""
    first = answer(200, [INSTANCE], elements_total_count="2", elements_next_page_token="2")
    told: list[tuple[int, int | None]] = []
    with ScriptedServer(first, answer(200, [{**INSTANCE, "id": 8}])) as server:
        Client(settings(server.base_url)).list_all(lambda so_far, total: told.append((so_far, total)))
    assert told == [(1, 2), (2, None)]
