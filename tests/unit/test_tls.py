from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulumi_instances.api.client import Client
from pulumi_instances.api.responses import AnswerLost
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import ConnectionFailed
from tests.support.certificates import self_signed
from tests.support.clock import FakeClock
from tests.support.scripted import Answer, ScriptedServer, answer

BODY = {"name": "billing", "your_mom": {"key": "dropbox"}, "tags": []}


def client(base_url: str, **changed: Any) -> Client:
    """A client whose waits take no time."""
    return Client(Settings(base_url, "us3r", "0rg", timeout=10, max_retries=2, **changed), clock=FakeClock())


def test_the_own_authority_is_trusted_through_the_bundle(tmp_path: Path) -> None:
    """`caBundle` names it."""
    tls, pem = self_signed(tmp_path)
    with ScriptedServer(answer(200, {"id": 7}), tls=tls) as server:
        assert client(server.base_url, ca_bundle=str(pem)).get("7") == {"id": 7}


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
        careful = client(server.base_url, ca_bundle=str(pem) if bundled else None)
        with pytest.raises(ConnectionFailed, match=why) as read:
            careful.get("7")
        with pytest.raises(ConnectionFailed, match=why) as created:
            careful.post(BODY)
        for message in (str(read.value), str(created.value)):
            assert "set instances:caBundle to the PEM file of its authority" in message
            assert "\n" not in message
        assert server.received == []
        assert server.connections <= 2


def test_a_post_whose_encryption_breaks_after_it_was_sent_may_have_been_acted_on(tmp_path: Path) -> None:
    """A TLS failure does not prove that nothing was sent, so the POST is searched for and never retried."""
    tls, pem = self_signed(tmp_path)
    with ScriptedServer(Answer(b"this is not TLS" * 9, "close", raw=True), tls=tls) as server:
        with pytest.raises(AnswerLost, match="TLS failed"):
            client(server.base_url, ca_bundle=str(pem)).post(BODY)
        assert [request.method for request in server.received] == ["POST"]


def test_a_server_without_tls_is_a_connection_that_failed() -> None:
    """An https URL points at a plain http port."""
    with ScriptedServer(answer(200, {"id": 7})) as server:
        with pytest.raises(ConnectionFailed, match="TLS failed"):
            client(server.base_url.replace("http:", "https:")).get("7")
        assert server.received == []


def test_a_bundle_that_holds_no_certificate_is_a_connection_that_failed(tmp_path: Path) -> None:
    """The error is one line, not a traceback."""
    tls, _ = self_signed(tmp_path)
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("not a certificate")
    with ScriptedServer(answer(200, {"id": 7}), tls=tls) as server:
        with pytest.raises(ConnectionFailed, match="TLS failed"):
            client(server.base_url, ca_bundle=str(bundle)).get("7")
        assert server.received == []
