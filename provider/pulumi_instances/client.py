"""The only HTTP: one pooled session per account, retries that never repeat a POST, errors that tell what to do."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .attempt import Attempt, Clock, Json
from .config import Settings, env_prefix
from .errors import (
    ConnectionFailed,
    Forbidden,
    InstancesError,
    NotFound,
    RateLimited,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
    quote,
    status_error,
)
from .model import normalise_id
from .pace import Pace

if TYPE_CHECKING:
    from .transport import Transport

log = logging.getLogger("pulumi_instances")

OnPage = Callable[[int, int | None], None]

_LONGEST_WAIT = 20.0
_RETRIED_STATUS = frozenset({429, 502, 503, 504})


class AnswerLost(InstancesError):
    """A POST was sent, and it is unknown whether it was acted on. ``attempt`` tells what came back."""

    def __init__(self, message: str, attempt: Attempt) -> None:
        """Keep what came back: it decides how long to look for the object."""
        super().__init__(message)
        self.attempt = attempt


class Client:
    """The five operations of the API for one account. Safe to share between threads.

    Every method raises a StatusError for an error status, ConnectionFailed without a usable answer and
    UnexpectedAnswer for one that the API document does not allow.
    """

    def __init__(self, settings: Settings, *, account: str | None = None, clock: Clock | None = None) -> None:
        """``account`` is the name given to `account()`, if any: messages name its variables."""
        self.settings = settings
        self.clock = clock or Clock()
        self._opened: Transport | None = None
        self._pace = Pace(self.clock, settings.max_requests_per_second)
        self._slots = threading.Semaphore(settings.parallelism)
        self._env = env_prefix(account)
        self._lock = threading.Lock()
        self._secrets = {settings.user_secret, settings.organization_secret}

    def hide(self, secrets: Iterable[str]) -> None:
        """Never repeat these in a message: a server's error may quote what it was sent."""
        with self._lock:
            self._secrets.update(secrets)

    # operations

    def get(self, instance_id: str) -> dict[str, Any]:
        """`GET /instances/{id}`."""
        return self._one("GET", instance_id, f"read instance {instance_id}")

    def list_all(self, on_page: OnPage | None = None) -> list[dict[str, Any]]:
        """`GET /instances`, every page. The live services answer 404 for an empty list: that is empty.

        ``on_page`` is told after each page how many instances there are so far, and of how many, if the API says so.
        """
        what = "list instances"
        found: list[dict[str, Any]] = []
        token: str | None = None
        seen: set[str] = set()
        while True:
            query = f"?{urlencode({'nextPage': token})}" if token else ""
            try:
                attempt = self._send("GET", f"/instances{query}", None, what)
            except NotFound:
                return found
            page = _decode(attempt, what)
            if not isinstance(page, list) or not all(isinstance(item, dict) for item in page):
                raise UnexpectedAnswer(f"{what}: the answer is not a list of instances; {_CHECK_URL}")
            found += page
            if on_page is not None:
                on_page(len(found), _count(attempt.headers.get("elements-total-count")))
            token = attempt.headers.get("elements-next-page-token")
            # A service that repeats a page's token would keep us here for ever.
            if not token or not page or token in seen:
                return found
            seen.add(token)

    def put(self, instance_id: str, body: Mapping[str, Json]) -> dict[str, Any]:
        """`PUT /instances/{id}`."""
        return self._one("PUT", instance_id, f"update instance {instance_id}", body)

    def delete(self, instance_id: str) -> None:
        """`DELETE /instances/{id}`. Raises NotFound when there is no such instance. The body does not matter."""
        self._send("DELETE", f"/instances/{normalise_id(instance_id)}", None, f"delete instance {instance_id}")

    def post(self, body: Mapping[str, Json]) -> dict[str, Any]:
        """`POST /instances`, sent once, unless the API surely did not act (connection refused, 429).

        Raises AnswerLost when it is unknown whether an instance was made.
        """
        what = f"create instance {body['name']!a}"
        attempt = self._send("POST", "/instances", body, what)
        try:
            answer = _decode(attempt, what)
            if not isinstance(answer, dict):
                raise UnexpectedAnswer(f"{what}: the answer is not an instance; {_CHECK_URL}")
            normalise_id(answer.get("id"))
        except InstancesError as error:
            raise AnswerLost(str(error).removesuffix(f"; {_CHECK_URL}"), attempt) from None
        return answer

    # one request, and its repetitions

    def _one(self, method: str, instance_id: str, what: str, body: Json = None) -> dict[str, Any]:
        path = f"/instances/{normalise_id(instance_id)}"
        answer = _decode(self._send(method, path, body, what), what)
        if not isinstance(answer, dict):
            raise UnexpectedAnswer(f"{what}: the answer is not an instance; {_CHECK_URL}")
        return answer

    def _send(self, method: str, path: str, body: Json, what: str) -> Attempt:
        timeout = self.settings.create_timeout if method == "POST" else self.settings.timeout
        deadline = self.clock.now() + timeout * (self.settings.max_retries + 1)
        for number in range(self.settings.max_retries + 1):
            attempt = self._attempt(method, path, body, timeout, number)
            if attempt.status is not None and 200 <= attempt.status < 300 and attempt.failure is None:
                return attempt
            if method == "DELETE" and number and attempt.status in (404, 410):
                return attempt  # an earlier try was acted on, and only its answer was lost
            wait = self._wait(attempt, number)
            if (
                not is_retried(method, attempt)
                or number == self.settings.max_retries
                or self.clock.now() + wait > deadline
            ):
                break
            if attempt.status == 429:
                self._pace.pause(wait)  # all calls of this account, this one included
            else:
                self.clock.sleep(wait)
        with self._lock:
            cause, request_id = _cause(attempt, self._secrets)
        if method == "POST" and is_lost(attempt):
            raise AnswerLost(f"{what}: {cause}", attempt)
        raise self._error(attempt, f"{what}: {cause}", request_id)

    def _attempt(self, method: str, path: str, body: Json, timeout: float, number: int) -> Attempt:
        transport = self._transport()
        self._pace.wait()
        with self._slots:
            started = time.monotonic()
            attempt = transport.request(method, path, body, timeout)
        outcome = attempt.status if attempt.failure is None else attempt.failure
        milliseconds = (time.monotonic() - started) * 1000
        log.debug("%s %s: %s in %.0f ms, attempt %d", method, path, outcome, milliseconds, number + 1)
        return attempt

    def _transport(self) -> Transport:
        """Opened by the first request: most previews send none, and `requests` costs more than all of this package."""
        with self._lock:
            if self._opened is None:
                from .transport import Transport

                self._opened = Transport(self.settings)
            return self._opened

    def _wait(self, attempt: Attempt, number: int) -> float:
        asked = retry_after(attempt.headers.get("Retry-After"))
        if asked is not None:
            return asked
        ceiling = min(_LONGEST_WAIT, 0.5 * float(2**number))
        return ceiling * (0.5 + 0.5 * self.clock.jitter())

    # errors

    def _error(self, attempt: Attempt, cause: str, request_id: str | None) -> InstancesError:
        if attempt.failure is not None or attempt.status is None:
            return ConnectionFailed(f"{cause}; {self._advice(attempt)}")
        if attempt.status < 400:
            return UnexpectedAnswer(f"{cause}; {_CHECK_URL}")
        kind = status_error(attempt.status)
        return kind(f"{cause}; {self._advice(attempt, kind)}", attempt.status, request_id)

    def _advice(self, attempt: Attempt, kind: type[InstancesError] = ConnectionFailed) -> str:
        secrets = f"{self._env}USER_SECRET, {self._env}ORGANIZATION_SECRET"
        if kind is ConnectionFailed and "certificate" in (attempt.failure or "").lower():
            return "check the server's certificate, or set instances:caBundle to the PEM file of its authority"
        if kind is ConnectionFailed:
            return "check instances:baseUrl, the network and instances:timeout, then run again"
        if attempt.status in (405, 415):  # what no request of ours can meet at the API itself
            return _CHECK_URL
        advice: dict[type[InstancesError], str] = {
            Unauthorized: f"check instances:userSecret and instances:organizationSecret ({secrets})",
            Forbidden: "ask for a role that may do this, then run again",
            NotFound: "check the id or connector and instances:baseUrl; `pulumi refresh` drops what is gone",
            RateLimited: "wait, then run again with a lower --parallel",
            ServerError: "run again later",
        }
        return advice.get(kind, "correct the inputs that it names, then run again")


_CHECK_URL = "check that instances:baseUrl names the API"


def is_retried(method: str, attempt: Attempt) -> bool:
    """Whether the request is sent again. A POST only where the API surely has not acted on it."""
    if attempt.final:
        return False
    if method == "POST":
        return not attempt.sent or (attempt.status == 429 and attempt.failure is None)
    return attempt.failure is not None or attempt.status in _RETRIED_STATUS


def is_lost(attempt: Attempt) -> bool:
    """Whether a POST that came to this may have made an instance."""
    if not attempt.sent:
        return False
    if attempt.status is None or attempt.status >= 500:
        return True
    return attempt.status < 300


def retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); None where there is none."""
    if not value:
        return None
    try:
        return max(0.0, float(int(value)))
    except (ValueError, OverflowError):
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _count(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() else None


def _decode(attempt: Attempt, what: str) -> Json:
    try:
        return json.loads(attempt.body)
    except (ValueError, RecursionError):
        problem = "is not JSON" if attempt.body.strip() else "is empty"
        raise UnexpectedAnswer(f"{what}: {attempt.status}, but the body {problem}; {_CHECK_URL}") from None


def _cause(attempt: Attempt, secrets: Iterable[str]) -> tuple[str, str | None]:
    """What came back, in the server's own words, and its ``requestId``."""
    if attempt.failure is not None or attempt.status is None:
        return quote(attempt.failure, secrets), None
    if 300 <= attempt.status < 400:
        return f"{attempt.status}, a redirect, which is not followed", None
    message, request_id = _server_words(attempt.body, secrets)
    said = f' "{message}"' if message else ""
    reference = f" (requestId {request_id})" if request_id else ""
    return f"{attempt.status}{said}{reference}", request_id


def _server_words(body: bytes, secrets: Iterable[str]) -> tuple[str, str | None]:
    """The `message`, with the `providerMessage` of the service behind, and the `requestId` of an error body."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return "", None
    if not isinstance(answer, dict):
        return "", None
    words = [quote(answer[key], secrets) for key in ("message", "providerMessage") if answer.get(key)]
    request_id = quote(answer["requestId"], secrets) if answer.get("requestId") else None
    return ": ".join(words), request_id
