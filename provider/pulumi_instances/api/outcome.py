"""The outcome of one request: whether it is sent again, whether the API may have acted, its contents and its error.

Nothing here sends or waits. It is not in `transport`, which imports `requests`: only the first request needs that.

    Outcome(503).is_retried(once=False)  # True
    Outcome(503).is_retried(once=True)  # False: a POST may have made an instance
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from ..core.errors import (
    ConnectionFailed,
    InstancesError,
    NotFound,
    RateLimited,
    Unauthorized,
    UnexpectedAnswer,
    quote,
    status_error,
)
from .retry import duration

Json = Any

_NO_ANSWER = frozenset({408, 502, 504, *range(520, 531)})
"""Statuses of proxies that got no answer from the API (RFC 9110, 15.5.9; Cloudflare: 520 to 530)."""
_DOWN = _NO_ANSWER | {503}
_MISSING = (404, 410)
_NOT_OF_THE_API = (405, 415)
"""Statuses that the API itself never answers to our requests."""
# The live services also answer 429 to requests that are too large, which would be too large again
# (docs/live-services.md).
_SIZE = re.compile(r"\b(size|large|bytes?|[kmg]i?b)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Outcome:
    """The status and body of an answer, or in ``failure`` the reason why it is missing or incomplete.

    ``sent`` is False only where the request surely never reached the API. ``final`` says that another try would end
    the same way, ``timed_out`` that the request took too long. ``advice`` is what the user can do, if it is known.
    """

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None
    advice: str | None = None
    sent: bool = True
    final: bool = False
    timed_out: bool = False
    repeated: bool = False
    """Whether an earlier try of a DELETE may have been acted on."""

    @property
    def succeeded(self) -> bool:
        """Whether the whole of a good answer has arrived."""
        return self.status is not None and 200 <= self.status < 300 and self.failure is None

    @property
    def is_rate_limit(self) -> bool:
        """Whether the request came too soon, so that it will be served in its turn."""
        if self.status != 429 or self.failure is not None:
            return False
        return "Retry-After" in self.headers or not _SIZE.search(_server_words(self.body, ())[0])

    @property
    def is_down(self) -> bool:
        """Whether neither the API nor a proxy that has reached it has answered."""
        return self.status is None or self.status in _DOWN

    @property
    def says_missing(self) -> bool:
        """Whether the API itself says that the object does not exist. A 404 from elsewhere is about the URL."""
        return self.status in _MISSING and self.failure is None and _is_error_body(self.body)

    @property
    def unfinished(self) -> bool:
        """Whether the API may still act: there is no answer, or one of a proxy that did not wait longer."""
        return self.sent and (self.status is None or self.status in _NO_ANSWER)

    @property
    def may_have_created(self) -> bool:
        """Whether a POST with this outcome may have made an instance."""
        return self.unfinished or (self.sent and (self.status or 0) not in range(300, 500))

    @property
    def retry_after(self) -> float | None:
        """The seconds that the service asks to wait before another try, if it does."""
        return seconds_of(self.headers.get("Retry-After"))

    def is_retried(self, *, once: bool) -> bool:
        """Return whether to send the request again; with ``once``, only where the API has surely not acted on it."""
        if self.final:
            return False
        if self.status == 429 and self.failure is None:
            return self.is_rate_limit
        if once:
            return not self.sent
        return self.failure is not None or self.status in _DOWN

    # its contents

    def json_object(self, what: str, expected: str = "a JSON object") -> dict[str, Any]:
        """Return the object in an answer. Raises UnexpectedAnswer, in which ``expected`` says what it should be."""
        answer = self._decoded(what)
        if not isinstance(answer, dict):
            raise UnexpectedAnswer(f"{what}: the answer is not {expected}")
        return answer

    def instances(self, what: str) -> list[dict[str, Any]]:
        """Return the instances in a page of a listing. Raises UnexpectedAnswer."""
        page = self._decoded(what)
        if not isinstance(page, list) or not all(isinstance(item, dict) for item in page):
            raise UnexpectedAnswer(f"{what}: the answer is not a list of instances")
        return page

    def demand_no_page(self, what: str) -> None:
        """Raise UnexpectedAnswer where a success is a page of HTML, which is not from the API."""
        if self.body.lstrip()[:1] == b"<":
            raise UnexpectedAnswer(f"{what}: {self.status}, but the body is an HTML page")

    def _decoded(self, what: str) -> Json:
        """Return the JSON in the body. Raises UnexpectedAnswer."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            problem = "is not JSON" if self.body.strip() else "is empty"
            raise UnexpectedAnswer(f"{what}: {self.status}, but the body {problem}") from None

    # its error

    def error(self, what: str, secrets: Collection[str], env: str, *, once: bool) -> InstancesError:
        """Return the error of this outcome: AnswerLost where a request that is to act ``once`` may have acted.

        ``what`` names operation and object, ``env`` is the start of the account's variables, as `INSTANCES_`.
        """
        cause = f"{what}: {self.cause(secrets)}"
        if once and self.may_have_created:
            return AnswerLost(cause, self)
        if self.failure is not None or self.status is None:
            return ConnectionFailed(cause, self.advice, timed_out=self.timed_out)
        if self.status < 400:
            return UnexpectedAnswer(cause)
        if self.status in _MISSING and not self.says_missing:
            return UnexpectedAnswer(f"{cause}, but not in the API's own format")
        kind, advice = status_error(self.status), self.advice
        if kind is Unauthorized:
            advice = f"{kind.advice} ({env}USER_SECRET, {env}ORGANIZATION_SECRET)"
        if kind is RateLimited and not self.is_rate_limit:
            advice = "send less at once: the service limits sizes as well"
        elif self._asks_to_wait:
            advice = "run again after that"
        if self.status in _NOT_OF_THE_API:
            advice = UnexpectedAnswer.advice
        error = kind(cause, self.status, _server_words(self.body, secrets)[1], advice)
        if isinstance(error, NotFound):
            error.repeated = self.repeated
        return error

    @property
    def _asks_to_wait(self) -> bool:
        return self.status in (429, 503) and bool(self.retry_after)

    def cause(self, secrets: Iterable[str]) -> str:
        """Return what went wrong, for a message: the failure, or the status with the server's own words."""
        if self.failure is not None or self.status is None:
            return quote(self.failure, secrets)
        if 300 <= self.status < 400:
            return f"{self.status}, a redirect, which is not followed"
        message, request_id = _server_words(self.body, secrets)
        words = f' "{message}"' if message else ""
        reference = f" (requestId {request_id})" if request_id else ""
        wait = f", and the service asks to wait {duration(self.retry_after or 0)}" if self._asks_to_wait else ""
        return f"{self.status}{words}{reference}{wait}"


class AnswerLost(InstancesError):
    """A request that is to act once was sent, and it is unknown whether the API has acted."""

    def __init__(self, cause: str, outcome: Outcome) -> None:
        """Keep the outcome, which decides how long to look for the object."""
        super().__init__(cause)
        self.outcome = outcome


def seconds_of(retry_after: str | None) -> float | None:
    """Return the seconds of a `Retry-After`, which has them or a date (RFC 9110, 10.2.3); None where it has neither."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(int(retry_after)))
    except (ValueError, OverflowError):
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except Exception:  # the request was answered, even with a malformed header; parsing dates raises four kinds
        return None


def _server_words(body: bytes, secrets: Iterable[str]) -> tuple[str, str | None]:
    """Return the `message` and `providerMessage`, and the `requestId`, of an error body."""
    answer = _error_body(body)
    words = [quote(answer[key], secrets) for key in ("message", "providerMessage") if answer.get(key)]
    request_id = quote(answer["requestId"], secrets) if answer.get("requestId") else None
    return ": ".join(words), request_id


def _is_error_body(body: bytes) -> bool:
    """Return whether it is an error of this API, which has a ``message`` or a ``requestId``."""
    answer = _error_body(body)
    return any(isinstance(answer.get(key), str) and answer[key] for key in ("message", "requestId"))


def _error_body(body: bytes) -> dict[str, Any]:
    """Return the object in a body; an empty dict where it does not hold one."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
