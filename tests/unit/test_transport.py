"""Whether a request may have reached the API, and whom we trust: over real sockets, directly and through proxies."""

from __future__ import annotations

import gc
import ssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances.api import transport
from pulumi_instances.api.client import Client
from pulumi_instances.api.outcome import AnswerLost
from pulumi_instances.api.transport import Transport
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import ConnectionFailed, InstancesError, NotFound
from tests.support.certificates import self_signed
from tests.support.clock import FakeClock
from tests.support.scripted import Answer, ScriptedServer, answer

# http.client of Python 3.10 and 3.11 leaves the answer of a proxy that refuses a tunnel to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

HOST = "api.test"
"""A name that only a proxy resolves."""
Certificate = tuple[ssl.SSLContext, Path]
Through = Callable[[str], None]
CODE = {"providerData": {"code": "0nce"}}
MISSING = answer(404, {"message": "not there"})


ACCEPTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
TUNNEL, CUT_TUNNEL = Answer(ACCEPTED, "tunnel"), Answer(ACCEPTED, "reset tunnel")
CUT, CLOSED, REFUSED = Answer(then="reset"), Answer(then="close"), answer(502)


def acted_on(proxy: ScriptedServer) -> list[str]:
    """The methods of the requests that got through to where the API would have acted on them."""
    return [request.method for request in proxy.received if request.method != "CONNECT"]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What a test has left to the garbage collector does not show in another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return self_signed(tmp_path, host=HOST)


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Through:
    """Put the proxy at this address before every host."""

    def use(address: str) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, address)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)

    return use


def settings(scheme: str, certificate: Certificate, **changed: Any) -> Settings:
    given = {"timeout": 5.0, "create_timeout": 5.0, "max_retries": 2, "ca_bundle": str(certificate[1]), **changed}
    return Settings(f"{scheme}://{HOST}/v2", "us3r-s3cret", "0rg-s3cret", **given)


# what one request came to


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("what", ["refused", "not resolved"])
def test_a_proxy_that_is_not_there_has_sent_nothing(
    what: str, scheme: str, closed: int, certificate: Certificate, through: Through
) -> None:
    """Neither where nobody listens, nor where its name is unknown."""
    through(f"http://127.0.0.1:{closed}" if what == "refused" else "http://proxy.invalid:3128")
    outcome = Transport(settings(scheme, certificate)).request("POST", "/instances", {}, 5.0)
    assert (outcome.status, outcome.sent) == (None, False)


def test_what_this_thread_has_sent_before_does_not_count(closed: int) -> None:
    """It says nothing about the next request."""
    with ScriptedServer(answer(200, {})) as server:
        reached = Transport(Settings(server.base_url, "us3r-s3cret", "0rg-s3cret"))
        assert reached.request("GET", "/instances", None, 5.0).sent
        nowhere = Transport(Settings(f"http://127.0.0.1:{closed}/v2", "us3r-s3cret", "0rg-s3cret"))
        assert not nowhere.request("GET", "/instances", None, 5.0).sent


# what the client makes of it

CALLS: dict[str, Callable[[Client], Any]] = {
    "POST": lambda client: client.post({"name": "billing"}),
    "PUT with a one-time code": lambda client: client.put("7", CODE, logs_in=True),
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("call", CALLS)
def test_what_must_act_once_is_sent_once_behind_a_proxy(
    call: str, scheme: str, certificate: Certificate, through: Through
) -> None:
    """The connection was cut after it: the API may have acted."""
    tunnel = [TUNNEL] if scheme == "https" else []
    with ScriptedServer(*tunnel, CUT, *tunnel, CUT, tunnelled=certificate[0]) as proxy:
        through(proxy.address)
        with pytest.raises(AnswerLost):
            CALLS[call](Client(settings(scheme, certificate), clock=FakeClock()))
        assert acted_on(proxy) == [call.split()[0]]


@pytest.mark.parametrize("call", CALLS)
def test_what_never_left_is_sent_again(call: str, certificate: Certificate, through: Through) -> None:
    """The proxy has refused two tunnels."""
    script = (REFUSED, CUT_TUNNEL, TUNNEL, answer(200, {"id": 7}))
    with ScriptedServer(*script, tunnelled=certificate[0]) as proxy:
        through(proxy.address)
        assert CALLS[call](Client(settings("https", certificate), clock=FakeClock())) == {"id": "7"}
        assert len(proxy.received) == 4
        assert acted_on(proxy) == [call.split()[0]]


FIRST_TRIES: dict[str, tuple[str, list[Answer], bool]] = {
    "http: cut": ("http", [CUT], True),
    "http: closed": ("http", [CLOSED], True),
    "http: refused": ("http", [REFUSED], True),
    "https: cut": ("https", [TUNNEL, CUT], True),
    "https: cut in the handshake": ("https", [CUT_TUNNEL], False),
    "https: refused": ("https", [REFUSED], False),
    "https: closed": ("https", [CLOSED], False),
}


@pytest.mark.parametrize("first", FIRST_TRIES)
def test_a_delete_is_sent_again_and_says_whether_the_first_may_have_acted(
    first: str, certificate: Certificate, through: Through
) -> None:
    """The 404 to the second is then the answer to the first. (A 502 of a plain proxy says nothing of the API.)"""
    scheme, steps, repeated = FIRST_TRIES[first]
    second = [TUNNEL, MISSING] if scheme == "https" else [MISSING]
    with ScriptedServer(*steps, *second, tunnelled=certificate[0]) as proxy:
        through(proxy.address)
        with pytest.raises(NotFound) as caught:
            Client(settings(scheme, certificate), clock=FakeClock()).delete("7")
        assert caught.value.repeated is repeated


# what a company's network needs

MISSING_FILE = "{} names /missing/ca.pem, which does not exist; set {} to the PEM file of the authorities to trust"
PROBLEMS: dict[str, tuple[str, str, str]] = {
    "missing bundle": ("REQUESTS_CA_BUNDLE", "/missing/ca.pem", MISSING_FILE.format(*["REQUESTS_CA_BUNDLE"] * 2)),
    "missing bundle of curl": ("CURL_CA_BUNDLE", "/missing/ca.pem", MISSING_FILE.format(*["CURL_CA_BUNDLE"] * 2)),
    "SOCKS": (
        "HTTPS_PROXY",
        "socks5h://u:p4ss@proxy.test:1080",
        'HTTPS_PROXY names a SOCKS proxy, for which a package is missing; run pip install "requests[socks]"',
    ),
    "scheme": ("https_proxy", "foo://u:p4ss@proxy.test", "https_proxy is not the URL of a proxy; write it as http://"),
    "no host": ("ALL_PROXY", "http://", "ALL_PROXY is not the URL of a proxy; write it as http://"),
    "one slash": ("HTTPS_PROXY", "http:/proxy.test:3128", "HTTPS_PROXY is not the URL of a proxy"),
    "port": ("HTTPS_PROXY", "http://u:p4ss@proxy.test:x", "HTTPS_PROXY is not the URL of a proxy"),
    "proxy not resolved": (
        "HTTPS_PROXY",
        "proxy.invalid:3128",
        "api.test:443 through the proxy proxy.invalid:3128: the host name cannot be resolved; check HTTPS_PROXY and",
    ),
}


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """None that names a proxy or a file of authorities."""
    kinds = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in (*kinds, *map(str.upper, kinds), "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_variables")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("what", PROBLEMS)
def test_a_wrong_variable_is_named(what: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to write, and never the password of a proxy. Nothing was sent."""
    variable, value, said = PROBLEMS[what]
    if what == "SOCKS":
        monkeypatch.setattr(transport, "find_spec", lambda _: None)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConnectionFailed) as caught:
        CALLS[call](Client(Settings(f"https://{HOST}/v2", "us3r", "0rg", max_retries=1), clock=FakeClock()))
    assert f": {said}" in str(caught.value)
    assert "p4ss" not in str(caught.value)


REFUSALS = {
    407: "which answers 407; write user and password into https_proxy: http://user:password@127.0.0.1:{port}",
    403: "which answers 403; ask for access to the API through it, correct https_proxy, or name the host in NO_PROXY",
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_of_the_proxy_is_named(status: int, certificate: Certificate, through: Through) -> None:
    """It is an error at once, since it would be the same again."""
    with ScriptedServer(answer(status)) as proxy:
        port = proxy.address.rpartition(":")[2]
        through(f"http://someone:p4ss@127.0.0.1:{port}")
        with pytest.raises(ConnectionFailed) as caught:
            CALLS["POST"](Client(settings("https", certificate), clock=FakeClock()))
        with pytest.raises(InstancesError) as plain:
            CALLS["POST"](Client(settings("http", certificate), clock=FakeClock()))
        assert len(proxy.received) == 2
    said = REFUSALS[status].format(port=port)
    assert f"api.test:443 through the proxy 127.0.0.1:{port}, {said}" in str(caught.value)
    assert status != 407 or "write user and password into http_proxy" in str(plain.value)
    assert "p4ss" not in f"{caught.value} {plain.value}"


@pytest.mark.usefixtures("no_variables")
def test_what_is_not_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other tools take the authorities of SSL_CERT_FILE."""
    tls, pem = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    said = r"set instances:caBundle to .*; SSL_CERT_FILE is not read$"
    with ScriptedServer(answer(200, {"id": 7}), tls=tls) as server, pytest.raises(ConnectionFailed, match=said):
        tls_client(server.base_url).get("7")


# TLS

BODY = {"name": "billing", "your_mom": {"key": "dropbox"}, "tags": []}


def tls_client(base_url: str, **changed: Any) -> Client:
    """A client whose waits take no time."""
    return Client(Settings(base_url, "us3r", "0rg", timeout=10, max_retries=2, **changed), clock=FakeClock())


@pytest.mark.usefixtures("no_variables")
@pytest.mark.parametrize("named_by", ["caBundle", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_own_authority_is_trusted(named_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting names it, or a variable; on loopback as well."""
    tls, pem = self_signed(tmp_path)
    if named_by != "caBundle":
        monkeypatch.setenv(named_by, str(pem))
    with ScriptedServer(answer(200, {"id": 7}), tls=tls) as server:
        client = tls_client(server.base_url, ca_bundle=str(pem) if named_by == "caBundle" else None)
        assert client.get("7") == {"id": "7"}


@pytest.mark.usefixtures("no_variables")
@pytest.mark.parametrize(
    ("made", "bundled", "why"),
    [
        ({}, False, "self.signed certificate"),
        ({"days": -1}, True, "certificate has expired"),
        ({"host": "127.0.0.2"}, True, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_a_bad_certificate_is_refused(tmp_path: Path, made: dict[str, Any], bundled: bool, why: str) -> None:
    """No request is sent or retried, and the message says why and what to do."""
    tls, pem = self_signed(tmp_path, **made)
    with ScriptedServer(answer(200, {"id": 7}), tls=tls) as server:
        careful = tls_client(server.base_url, ca_bundle=str(pem) if bundled else None)
        with pytest.raises(ConnectionFailed, match=why) as read:
            careful.get("7")
        with pytest.raises(ConnectionFailed, match=why) as created:
            careful.post(BODY)
        for message in (str(read.value), str(created.value)):
            assert message.endswith(" or set instances:caBundle to the PEM file of its authority")
            assert "\n" not in message
        assert server.received == []
        assert server.connections <= 2


def test_a_post_whose_encryption_breaks_after_it_was_sent_may_have_been_acted_on(tmp_path: Path) -> None:
    """A TLS failure does not prove that nothing was sent, so the POST is searched for and never retried."""
    tls, pem = self_signed(tmp_path)
    with ScriptedServer(Answer(b"this is not TLS" * 9, "close", raw=True), tls=tls) as server:
        with pytest.raises(AnswerLost, match="TLS failed"):
            tls_client(server.base_url, ca_bundle=str(pem)).post(BODY)
        assert [request.method for request in server.received] == ["POST"]


def test_a_bundle_that_holds_no_certificate_is_a_connection_that_failed(tmp_path: Path) -> None:
    """The error is one line, not a traceback."""
    tls, _ = self_signed(tmp_path)
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("not a certificate")
    with ScriptedServer(answer(200, {"id": 7}), tls=tls) as server:
        with pytest.raises(ConnectionFailed, match="TLS failed"):
            tls_client(server.base_url, ca_bundle=str(bundle)).get("7")
        assert server.received == []
