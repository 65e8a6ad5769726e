"""One HTTP request, and what it came to. Nothing here decides; nothing here raises."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase
from urllib3.exceptions import LocationValueError

from ..core.config import Settings, is_loopback
from . import patience
from .attempt import Attempt, Json
from .patience import PatientAdapter

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
            self._session.mount(scheme, PatientAdapter(pool_connections=2, pool_maxsize=settings.parallelism))

    def request(self, method: str, path: str, body: Json, timeout: float) -> Attempt:
        """Send one request; ``timeout`` (seconds) bounds connecting, each silence, and the whole answer."""
        try:
            request = self._session.prepare_request(requests.Request(method, self._settings.base_url + path, json=body))
        except Exception as error:  # whatever it is, nothing was sent
            return Attempt(failure=_reason(error), sent=False)
        patience.expect_departure()
        try:
            with self._session.send(
                request,
                timeout=timeout,
                allow_redirects=False,  # the secrets go to the configured host only
                **self._environment,
            ) as response:
                return _received(response, timeout)
        except requests.exceptions.SSLError as error:
            refused = isinstance(_cause(error), ssl.SSLCertVerificationError)
            sent = patience.may_have_left()
            return Attempt(failure=f"TLS failed ({_reason(error)})", sent=sent, final=True, untrusted=refused)
        except Exception as error:  # an unforeseen one, too, must not hide that a POST may have been acted on
            return Attempt(failure=_reason(error), sent=patience.may_have_left(), timed_out=_has_timed_out(error))

    @cached_property
    def _environment(self) -> dict[str, Any]:
        """What HTTPS_PROXY, NO_PROXY and REQUESTS_CA_BUNDLE say of the one host, as `requests.Session.send` takes it.

        No proxy may see a request to loopback: it would get both secrets in plain text, whatever the variables say.
        """
        url = self._settings.base_url
        found = self._session.merge_environment_settings(url, {}, True, self._settings.ca_bundle or True, None)
        return {**found, "proxies": {}} if is_loopback(urlsplit(url).hostname or "") else dict(found)


class _Session(requests.Session):
    """A session that sends what it is given where it is told to, and nothing else."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """No redirect has a target: requests would read its whole body, however long, to prepare the next request."""


class _SecretsAuth(AuthBase):
    """Sets the header per request, so that no session repr holds it and no .netrc replaces it."""

    def __init__(self, settings: Settings) -> None:
        self._header = f"User {settings.user_secret}, Organization {settings.organization_secret}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


def user_agent(settings: Settings) -> str:
    """``pulumi-instances/<version> pulumi/<sdk version>``, and the user's own suffix."""
    parts = [f"{name}/{version(name)}" for name in ("pulumi-instances", "pulumi")]
    return " ".join([*parts, settings.user_agent_suffix or ""]).strip()


class _TooMuch(Exception):
    """The body is longer, or takes longer (``late``), than any answer of this API."""

    def __init__(self, fault: str, *, late: bool) -> None:
        self.fault = fault
        self.late = late


def _received(response: requests.Response, timeout: float) -> Attempt:
    """The answer with its body, or the reason why that did not arrive."""
    status, headers = response.status_code, response.headers
    deadline = time.monotonic() + timeout
    try:
        content = _read(response, deadline)
    except _TooMuch as error:
        return Attempt(status, headers=headers, failure=error.fault, final=True, timed_out=error.late)
    except Exception as error:
        failure = f"the answer broke off ({_reason(error)})"
        return Attempt(status, headers=headers, failure=failure, timed_out=_has_timed_out(error))
    return Attempt(status, content, headers)


def _read(response: requests.Response, deadline: float) -> bytes:
    """The body, piece by piece as it arrives, so that neither a huge nor an endless one can hold us."""
    chunks: list[bytes] = []
    size = 0
    # Unlike the other ways to read, read1 answers as soon as there is anything, within a chunk too.
    while chunk := response.raw.read1(65536, decode_content=True):
        size += len(chunk)
        if size > LARGEST_BODY:
            raise _TooMuch(f"the answer is larger than {LARGEST_BODY // 1024**2} MiB", late=False)
        if time.monotonic() > deadline:
            raise _TooMuch("the answer did not end in time", late=True)
        chunks.append(chunk)
    return b"".join(chunks)


def _cause(error: BaseException) -> BaseException:
    """The innermost reason: requests, urllib3 and http.client wrap it up to four times, each in another way."""
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


def _has_timed_out(error: BaseException) -> bool:
    return isinstance(_cause(error), _TIMEOUTS)


def _reason(error: BaseException) -> str:
    """Why there is no answer, in a few words that hold neither URL nor header."""
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {cause.verify_message}"
    return next((words for kinds, words in _REASONS if isinstance(cause, kinds)), type(cause).__name__)
