"""Every failure of any operation has a type, and one line with the cause and what to do, without a secret."""

from __future__ import annotations

import itertools
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances.api.operations import Operations
from pulumi_instances.api.transport import Transport
from pulumi_instances.core import identity, model
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import (
    AnotherInstance,
    ConnectionFailed,
    CreateLost,
    Forbidden,
    InstancesError,
    NotFound,
    RateLimited,
    ServerError,
    StatusError,
    Unauthorized,
    UnexpectedAnswer,
)
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.model import Update
from pulumi_instances.engine_calls import EngineCalls
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.certificates import self_signed
from tests.support.clock import FakeClock
from tests.support.marks import mark_of
from tests.support.scripted import ScriptedServer, answer
from tests.support.values import inputs

CODE = "0ne-time-c0de"
KNOWN = {"name": "billing", "your_mom": "dropbox", "tags": ["eu"], "valid": True, "disabled": False}
UNACTED = "no new instance like it was found"

LINE = line_of(Place("shop", "dev", "", "billing"))
MARK = mark_of(LINE, 1)
INPUTS = inputs(provider_data={"code": CODE}, **{model.LINE: LINE})
UPDATE = Update("PUT", {"name": "billing", "tags": ["eu"]})

Error = type[InstancesError]


def operations(settings: Settings) -> Operations:
    """The operations of one process that waits for nothing."""
    made = Operations(settings, clock=FakeClock())
    made.hide(INPUTS)
    return made


def settings(api: Emulator, **changed: Any) -> Settings:
    """Settings for the emulator's default account, without retries."""
    return replace(Settings(api.base_url, api.user_secret, api.organization_secret, max_retries=0), **changed)


State = dict[str, Any]


def engine_calls(api: Emulator, *, batch: bool) -> EngineCalls:
    """What the engine calls in one process, without retries."""
    calls = EngineCalls(FakeClock())
    config = {
        "baseUrl": api.base_url,
        "userSecret": api.user_secret,
        "organizationSecret": api.organization_secret,
        "maxRetries": "0",
        "batchReads": str(batch).lower(),
    }
    calls.configure({f"instances:{key}": value for key, value in config.items()}.get)
    return calls


OPERATIONS: dict[str, tuple[str, str, Callable[[Operations, str, State], Any]]] = {
    "create": ("POST", "/instances", lambda every, _id, _state: every.create(INPUTS)),
    "read": ("GET", "/instances/{id}", lambda every, id_, state: every.read(id_, state)),
    "update": ("PUT", "/instances/{id}", lambda every, id_, state: every.update(id_, state, INPUTS, UPDATE)),
    "delete": ("DELETE", "/instances/{id}", lambda every, id_, state: every.delete(id_, state)),
    "list": ("GET", "/instances", lambda every, _id, _state: every._client.list_all()),
}

EVERYWHERE = list(OPERATIONS)
DECODED = ["read", "update", "list"]


@pytest.fixture(autouse=True)
def _home(home: Mapping[str, str]) -> None:
    """Locks go to a directory of the test's own."""


def state_of(api: Emulator, instance_id: str) -> State:
    """What a state holds of an instance of this account."""
    account = identity.account_of(settings(api))
    return {**KNOWN, "token": api.instance(instance_id)["token"], model.ACCOUNT: account}


def failure_of(operation: str, api: Emulator, given: Settings) -> InstancesError:
    """The error that an operation on an existing instance ends in, having said nothing that it must not."""
    existing = str(api.add(name="other"))
    state = state_of(api, existing)
    with pytest.raises(InstancesError) as caught:
        OPERATIONS[operation][2](operations(given), existing, state)
    shown = f"{caught.value} {caught.value!r} {vars(caught.value)}"
    assert not re.search(r"[\x00-\x1f\x7f\u2028]", str(caught.value)), "one line"
    for secret in (given.user_secret, given.organization_secret, CODE, state["token"]):
        assert secret not in shown
    assert caught.value.__cause__ is None
    about = {"create": "create instance 'billing': ", "list": "list instances: "}
    assert str(caught.value).startswith(about.get(operation, f"{operation} instance {existing}: "))
    return caught.value


LADDER: dict[int, tuple[Error, str]] = {
    401: (
        Unauthorized,
        "check instances:userSecret and instances:organizationSecret "
        "(INSTANCES_USER_SECRET, INSTANCES_ORGANIZATION_SECRET)",
    ),
    403: (Forbidden, "ask for a role that may do this"),
    404: (NotFound, "check the id"),
    410: (NotFound, "check the id"),
    429: (RateLimited, "wait, then run again with a lower --parallel"),
    400: (StatusError, "correct what it names"),
    405: (StatusError, "check that instances:baseUrl names the API"),
    500: (ServerError, "run again later"),
    503: (ServerError, "run again later"),
}


@pytest.mark.parametrize("operation", EVERYWHERE)
def test_a_status_tells_the_servers_words_its_request_id_and_what_to_do(api: Emulator, operation: str) -> None:
    """The error does not repeat secrets that the server's message contains."""
    method, path, _ = OPERATIONS[operation]
    for status, (kind, advice) in LADDER.items():
        api.reset()
        api.fail(method, path, Fault.status(status, f"Not\nnow, {api.user_secret} {api.organization_secret} {CODE}!"))
        error = failure_of(operation, api, settings(api))
        if status in (404, 410) and operation in ("list", "read", "delete"):
            told = "check that instances:baseUrl" if operation == "list" else "but the API lists it"
            assert (type(error), told in str(error)) == (UnexpectedAnswer, True)
            continue
        if operation == "create" and status >= 500:
            kind, advice = CreateLost, UNACTED
        assert type(error) is kind
        said = rf'{status} "Not now, \[secret\] \[secret\] \[secret\]!" \(requestId [0-9a-f]{{24}}\)'
        assert re.search(rf"^[^;]*: {said}.*{re.escape(advice)}", str(error))
        if isinstance(error, StatusError):
            assert error.status == status
            assert f"(requestId {error.request_id})" in str(error)


BODIES = {
    "HTML": ("<html><body>Bad Gateway</body></html>", "200, but the body is not JSON"),
    "empty": ("", "200, but the body is empty"),
    "typographic quotes": ("{\u201cid\u201d: 7}", "200, but the body is not JSON"),
    "text": ('"words"', "the answer is not"),
    "null": ("null", "the answer is not"),
}


@pytest.mark.parametrize("operation", [*DECODED, "create"])
def test_a_body_that_is_no_answer_is_an_error(api: Emulator, operation: str) -> None:
    """For a login page, a cache or a proxy the error asks to check the base URL, or says that nothing was created."""
    method, path, _ = OPERATIONS[operation]
    expected = (CreateLost, UNACTED) if operation == "create" else (UnexpectedAnswer, "check that instances:baseUrl")
    for content, cause in BODIES.values():
        if operation == "update" and not content:
            continue  # it may be empty: then the instance is read
        api.reset()
        api.fail(method, path, Fault.status(200, body=content))
        error = failure_of(operation, api, settings(api))
        assert type(error) is expected[0]
        assert re.search(f"{cause}.*{expected[1]}", str(error))


def test_the_body_of_a_delete_does_not_matter(api: Emulator) -> None:
    """The API document does not describe one; a page of HTML is nobody's answer to it."""
    for content in [content for content, _ in BODIES.values() if not content.startswith("<")]:
        existing = str(api.add())
        api.fail("DELETE", None, Fault.status(200, body=content))
        operations(settings(api)).delete(existing, state_of(api, existing))


UNUSABLE = {
    "100 MB": (Fault.big(100 * 1024**2), "the answer is larger than 64 MiB"),
    "endless trickle": (Fault.trickle(0.01), "the answer did not end in time"),
    "connection lost": (Fault.drop_before(), "connection reset"),
    "silence": (Fault.delay(30.0), "timed out"),
}


@pytest.mark.parametrize("operation", ["read", "update", "delete", "list"])
@pytest.mark.parametrize("what", UNUSABLE)
def test_an_answer_that_cannot_be_had_is_a_connection_that_failed(api: Emulator, operation: str, what: str) -> None:
    """Memory and time are bounded, however long or large it would be. (For a create, it is a lost answer.)"""
    fault, cause = UNUSABLE[what]
    method, path, _ = OPERATIONS[operation]
    api.fail(method, path, fault)
    error = failure_of(operation, api, settings(api, timeout=10.0 if what == "100 MB" else 0.3))
    assert type(error) is ConnectionFailed
    assert f"{cause}; check instances:baseUrl, the network and instances:timeout, then run again" in str(error)


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_create_finds_what_it_made_behind_an_answer_that_cannot_be_had(api: Emulator, what: str) -> None:
    """Otherwise it says that it created nothing."""
    fault, cause = UNUSABLE[what]
    api.fail("POST", "/instances", fault)
    given = settings(api, create_timeout=10.0 if what == "100 MB" else 0.3)
    if fault.acts and not fault.seconds:
        assert operations(given).create(INPUTS)["id"] == str(api.instances()[0]["id"])
    else:
        error = failure_of("create", api, given)
        assert re.search(f"{cause}.*{UNACTED}", str(error))


@contextmanager
def _untrusted(directory: Path) -> Iterator[dict[str, Any]]:
    tls, _ = self_signed(directory)
    with ScriptedServer(answer(200, {"id": 7}), tls=tls) as server:
        yield {"base_url": server.base_url}
        assert server.received == []


@contextmanager
def _no_tls(_directory: Path) -> Iterator[dict[str, Any]]:
    with ScriptedServer(answer(200, {"id": 7})) as server:
        yield {"base_url": server.base_url.replace("http:", "https:")}
        assert server.received == []


@contextmanager
def _unresolvable(_directory: Path) -> Iterator[dict[str, Any]]:
    yield {"base_url": "https://api.invalid/v2"}  # never resolves (RFC 2606)


@contextmanager
def _refused(_directory: Path) -> Iterator[dict[str, Any]]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening
        yield {"base_url": f"http://127.0.0.1:{unused.getsockname()[1]}"}


UNREACHABLE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "untrusted certificate": (_untrusted, r"self.signed certificate.*set instances:caBundle to the PEM file"),
    "no TLS": (_no_tls, r"TLS failed.*check instances:baseUrl"),
    "DNS failure": (_unresolvable, r"the host name cannot be resolved; check instances:baseUrl"),
    "connection refused": (_refused, r"connection refused; check instances:baseUrl"),
}


@pytest.mark.parametrize("operation", EVERYWHERE)
@pytest.mark.parametrize("what", UNREACHABLE)
def test_a_host_that_cannot_be_reached_is_a_connection_that_failed(
    api: Emulator, tmp_path: Path, operation: str, what: str
) -> None:
    """No request is sent to whoever is there instead."""
    place, cause = UNREACHABLE[what]
    with place(tmp_path) as changed, pytest.raises(ConnectionFailed) as caught:
        OPERATIONS[operation][2](operations(settings(api, **changed)), "7", {})
    assert re.search(cause, str(caught.value))
    assert "\n" not in str(caught.value)
    assert api.requests == []


# wrong types in every documented field

WRONG: dict[str, Any] = {
    "null": None,
    "number": 5,
    "huge number": 10**400,
    "text": "x",
    "true": True,
    "list": [[]],
    "object": {"a": 1},
}


def _documented() -> dict[str, Any]:
    """The answer to a GET by id, as the document shows it."""
    with Emulator() as api:
        path = f"/instances/{api.add(name='billing', tags=['eu'])}"
        body: dict[str, Any] = json.loads(Transport(settings(api)).request("GET", path, None, 5.0).body)
        return body


DOCUMENTED = _documented()
IN_CONNECTOR = [f"your_mom.{key}" for key in DOCUMENTED["your_mom"]]


@pytest.mark.parametrize("operation", ["read", "update"])
def test_a_field_of_another_type_is_named_or_does_not_matter(api: Emulator, operation: str) -> None:
    """The answer is an error that names it, or outputs of the right types only."""
    method, path, _ = OPERATIONS[operation]
    existing = str(api.add(name="billing", tags=["eu"]))
    state = {**state_of(api, existing), model.MARK: MARK}
    calls = engine_calls(api, batch=False)
    for field, wrong in itertools.product((*DOCUMENTED, *IN_CONNECTOR), WRONG):
        content = json.loads(json.dumps({**DOCUMENTED, "id": int(existing), "tags": ["eu", MARK]}))
        content["token"] = state["token"]
        *parents, key = field.split(".")
        (content[parents[0]] if parents else content)[key] = WRONG[wrong]
        api.fail(method, path, Fault.status(200, body=json.dumps(content)))
        outs = _outputs(calls, operation, existing, state)
        if isinstance(outs, InstancesError):
            is_another = isinstance(outs, AnotherInstance)
            said = rf"`{key}` is |without a numeric id|with a tag that is|about instance"
            assert re.search("so nothing was done" if is_another else f"the answer .*({said})", str(outs))
            assert type(outs) is UnexpectedAnswer or field in ("token", "your_mom.key"), (field, wrong)
            continue
        kinds = {"your_mom": str, "name": str, "tags": list, "token": str, "valid": bool, "disabled": bool}
        if operation == "read" and wrong == "null" and field in ("valid", "disabled"):
            del kinds[field]  # an old value must not pass for what the API says now
        shown = {name: type(value) for name, value in outs.items() if name not in model.HIDDEN}
        assert shown == kinds, (field, wrong)
        assert all(isinstance(tag, str) for tag in outs["tags"])


def _outputs(calls: EngineCalls, operation: str, instance_id: str, state: State) -> dict[str, Any] | InstancesError:
    try:
        if operation == "update":
            return calls.update(instance_id, state, inputs(name="paid"))
        found = calls.read(instance_id, state)
    except InstancesError as error:
        return error
    assert found is not None
    assert found.id == instance_id
    return found.outputs


# refresh never drops what it cannot read

NOT_GONE = {
    **{str(status): Fault.status(status) for status in (400, 401, 403, 405, 409, 500, 502, 503, 504)},
    "HTML": Fault.status(200, body="<html>"),
    "empty": Fault.status(200, body=""),
    "an empty list": Fault.status(200, body="[]"),
    "a list of strangers": Fault.status(200, body='[{"id": 1, "name": "x"}]'),
    "garbage": Fault.garbage(),
    "truncated": Fault.truncated(),
    "connection lost": Fault.drop_before(),
    "redirect": Fault.redirect("http://127.0.0.1:9/"),
}


@pytest.mark.parametrize("path", ["/instances", "/instances/{id}", None], ids=["listing", "by id", "both"])
def test_a_refresh_of_many_drops_nothing_that_it_cannot_read(api: Emulator, path: str | None) -> None:
    """Six reads share a listing: each is served or is an error, and no instance counts as missing."""
    for what, fault in NOT_GONE.items():
        api.reset()
        states = {each: state_of(api, each) for each in [str(api.add(name="billing", tags=["eu"])) for _ in range(6)]}
        api.fail("GET", path, fault, times=99)
        refresh = partial(_refreshed, engine_calls(api, batch=True), states)
        with ThreadPoolExecutor(6) as threads:
            assert list(threads.map(refresh, states)) == [*states], what


def _refreshed(calls: EngineCalls, states: dict[str, State], instance_id: str) -> str | None:
    try:
        found = calls.read(instance_id, states[instance_id])
    except InstancesError as error:
        return instance_id if f"read instance {instance_id}: " in str(error) else str(error)
    return None if found is None else found.id
