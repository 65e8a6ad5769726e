"""One HTTP request, sent over a pooled session, and its outcome. Every failure is an `Outcome`; nothing is raised.

It is the only place that speaks HTTP. `client` decides what an outcome means, and whether the request is sent again.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version

import requests
import urllib3
from requests.auth import AuthBase
from urllib3.exceptions import LocationValueError

from ..core.config import Settings
from .connections import Adapter, expect_request, may_have_left
from .environment import Environment
from .outcome import Json, Outcome

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes. A page of 200 instances with their connectors is below 1 MiB."""


class Transport:
    """A pooled session for one account. Safe to share between threads: nothing in it changes once it is built."""

    def __init__(self, settings: Settings) -> None:
        """Open no connection yet."""
        self._settings = settings
        self._session = _Session()
        self._session.auth = _SecretsAuth(settings)
        self._session.headers.update({"Accept": "application/json", "User-Agent": user_agent(settings)})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, Adapter(pool_connections=2, pool_maxsize=settings.parallelism))

    @cached_property
    def _environment(self) -> Environment:
        return Environment(self._settings)

    def request(self, method: str, path: str, body: Json, timeout: float) -> Outcome:
        """Send one request; ``timeout`` (seconds) bounds connecting, each silence, and the whole answer."""
        if (problem := self._environment.problem) is not None:
            return Outcome(failure=problem[0], advice=problem[1], sent=False, final=True)
        expect_request()
        try:
            request = self._session.prepare_request(requests.Request(method, self._settings.base_url + path, json=body))
            with self._session.send(
                request,
                timeout=timeout,
                stream=True,
                allow_redirects=False,  # the secrets go to the configured host only
                **self._environment.options,
            ) as response:
                return self._received(response, timeout)
        except Exception as error:  # after an unforeseen one, too, the caller must learn whether a POST may have left
            return self._failed(error, sent=may_have_left())

    def _received(self, response: requests.Response, timeout: float) -> Outcome:
        """Return the answer with its body, read as it arrives: reading ends at `LARGEST_BODY` and at the timeout."""
        status, headers, deadline = response.status_code, response.headers, time.monotonic() + timeout
        body = bytearray()
        try:
            # Unlike read and stream, read1 returns as soon as there are any bytes, also within a chunk.
            while part := response.raw.read1(65536, decode_content=True):
                body += part
                if len(body) > LARGEST_BODY:
                    failure = f"the answer is larger than {LARGEST_BODY // 1024**2} MiB"
                    return Outcome(status, headers=headers, failure=failure, final=True)
                if time.monotonic() > deadline:
                    failure = "the answer did not end in time"
                    return Outcome(status, headers=headers, failure=failure, final=True, timed_out=True)
        except Exception as error:
            failure = f"{self._environment.where}: the answer broke off ({_reason(error)})"
            return Outcome(status, headers=headers, failure=failure, timed_out=isinstance(_cause(error), _TIMEOUTS))
        advice = self._environment.how_to_pass(status) if status == 407 else None
        return Outcome(status, bytes(body), headers, advice=advice)

    def _failed(self, error: Exception, *, sent: bool) -> Outcome:
        """Return the outcome of a request that has no answer."""
        cause, environment = _cause(error), self._environment
        if refusal := re.match(r"Tunnel connection failed: (\d{3})", str(cause)):
            status = int(refusal[1])
            failure, advice = f"{environment.where}, which answers {status}", environment.how_to_pass(status)
            return Outcome(failure=failure, advice=advice, sent=sent, final=status < 500)
        if isinstance(error, requests.exceptions.SSLError):
            advice = environment.how_to_trust() if isinstance(cause, ssl.SSLCertVerificationError) else None
            failure = f"{environment.where}: TLS failed ({_reason(error)})"
            return Outcome(failure=failure, advice=advice, sent=sent, final=True)
        failure = f"{environment.where}: {_reason(error)}"
        advice = None if sent else environment.how_to_reach()
        return Outcome(failure=failure, advice=advice, sent=sent, timed_out=isinstance(cause, _TIMEOUTS))


class _Session(requests.Session):
    """A session that sends each request to its own URL, and never follows a redirect."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: with a target, requests would read the whole body, however long, before the next request."""


class _SecretsAuth(AuthBase):
    """Sets the header per request, so that no session repr holds it and no .netrc replaces it."""

    def __init__(self, settings: Settings) -> None:
        self._header = f"User {settings.user_secret}, Organization {settings.organization_secret}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


def user_agent(settings: Settings) -> str:
    """Return ``pulumi-instances/<version> pulumi/<sdk version>``, and the user's own suffix."""
    parts = [f"{name}/{version(name)}" for name in ("pulumi-instances", "pulumi")]
    return " ".join([*parts, settings.user_agent_suffix or ""]).strip()


def _cause(error: BaseException) -> BaseException:
    """Return the innermost error: requests, urllib3 and http.client wrap it up to four times, each in another way."""
    for inner in (getattr(error, "reason", None), *error.args, error.__cause__):
        if isinstance(inner, BaseException):  # the `reason` of an ssl.SSLError is a word
            return _cause(inner)
    return error


_TIMEOUTS = (TimeoutError, requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)
_UNUSABLE_URL = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, LocationValueError)

_REASONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (socket.gaierror, "the host name cannot be resolved"),
    (ConnectionRefusedError, "connection refused"),
    (_TIMEOUTS, "timed out"),
    (http.client.RemoteDisconnected, "connection closed without an answer"),  # a ConnectionResetError as well
    (ConnectionResetError, "connection reset"),
    (http.client.IncompleteRead, "fewer bytes than announced"),
    (_UNUSABLE_URL, "the URL cannot be used"),
)


def _reason(error: BaseException) -> str:
    """Return why there is no answer, in a few words that contain neither URL nor header."""
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {cause.verify_message}"
    return next((words for kinds, words in _REASONS if isinstance(cause, kinds)), type(cause).__name__)
