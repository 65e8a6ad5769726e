"""What an outcome means: whether to try again, whether the API may have acted, and what the error says. Pure."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ..core.dialect import DIALECTS, Dialect
from ..core.errors import (
    ConnectionFailed,
    InstancesError,
    RateLimited,
    Unauthorized,
    UnexpectedAnswer,
    quote,
    status_error,
)
from .attempt import GAVE_UP, Attempt, Json

_TRUST = "check the server's certificate, or set instances:caBundle to the PEM file of its authority"
_MORE_TIME = "increase it, then run again"

_GONE = (404, 410)
_FOREIGN = (405, 415)
"""The API itself never answers one of our requests so."""
_DOWN = GAVE_UP | {503}
# The live services answer 429 to requests that are too large, too: those would be too large again.
_SIZE = re.compile(r"\b(size|large|bytes?|[kmg]i?b)\b", re.IGNORECASE)


class AnswerLost(InstancesError):
    """What must be sent once was sent, and it is unknown whether the API has acted. ``attempt`` is what came back."""

    def __init__(self, cause: str, attempt: Attempt) -> None:
        """Keep what came back: it decides how long to look for the object."""
        super().__init__(cause)
        self.attempt = attempt


def is_retried(attempt: Attempt, *, once: bool) -> bool:
    """Whether the request is sent again. If it must act ``once``, only where the API surely has not acted on it."""
    if attempt.final:
        return False
    if attempt.status == 429 and attempt.failure is None:
        return is_rate_limit(attempt)  # a request that is too large would be too large again
    if once:
        return not attempt.sent
    return attempt.failure is not None or attempt.status in _DOWN


def is_rate_limit(attempt: Attempt) -> bool:
    """Whether the request came too soon, so that it will be served in its turn."""
    if attempt.status != 429 or attempt.failure is not None:
        return False
    return "Retry-After" in attempt.headers or not _SIZE.search(_server_words(attempt.body, ())[0])


def is_down(attempt: Attempt) -> bool:
    """Whether nobody has answered who could serve the request."""
    return attempt.status is None or attempt.status in _DOWN


def says_missing(attempt: Attempt) -> bool:
    """Whether the API itself says that there is no such thing. A 404 of anybody else is about the URL."""
    return attempt.status in _GONE and attempt.failure is None and _is_error_body(attempt.body)


def is_lost(attempt: Attempt) -> bool:
    """Whether a POST that came to this may have made an instance."""
    if not attempt.sent:
        return False
    return attempt.status is None or attempt.status in GAVE_UP or attempt.status >= 500 or attempt.status < 300


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
    except Exception:  # whatever the header holds, the request was answered: dates alone fail in four ways
        return None


# what it holds


def one(attempt: Attempt, what: str) -> dict[str, Any]:
    """The instance in an answer. Raises UnexpectedAnswer."""
    answer = _decoded(attempt, what)
    if not isinstance(answer, dict):
        raise UnexpectedAnswer(f"{what}: the answer is not an instance")
    return answer


def several(attempt: Attempt, what: str) -> list[dict[str, Any]]:
    """The instances in a page of a listing. Raises UnexpectedAnswer."""
    page = _decoded(attempt, what)
    if not isinstance(page, list) or not all(isinstance(item, dict) for item in page):
        raise UnexpectedAnswer(f"{what}: the answer is not a list of instances")
    return page


def demand_dialect(answer: Mapping[str, Any], what: str, dialect: Dialect) -> None:
    """Raise UnexpectedAnswer where an instance names its connector as another dialect does."""
    if dialect.connector in answer:  # as nearly always: a listing may hold tens of thousands
        return
    for name, other in DIALECTS.items():
        if isinstance(answer.get(other.connector), dict):
            raise UnexpectedAnswer(
                f'{what}: the answer has "{other.connector}" instead of "{dialect.connector}"',
                f"set instances:dialect to {name}",
            )


def no_page(attempt: Attempt, what: str) -> None:
    """Raise UnexpectedAnswer where a success is a page of HTML: whoever sent it has not done what was asked."""
    if attempt.body.lstrip()[:1] == b"<":
        raise UnexpectedAnswer(f"{what}: {attempt.status}, but the body is an HTML page")


def _decoded(attempt: Attempt, what: str) -> Json:
    try:
        return json.loads(attempt.body)
    except (ValueError, RecursionError):
        problem = "is not JSON" if attempt.body.strip() else "is empty"
        raise UnexpectedAnswer(f"{what}: {attempt.status}, but the body {problem}") from None


# what to tell the user


def error_of(attempt: Attempt, what: str, secrets: Collection[str], env: str, *, once: bool) -> InstancesError:
    """The error that an attempt comes to: AnswerLost where what must happen ``once`` may have happened.

    ``what`` names operation and object, ``env`` is the start of the account's variables, as `INSTANCES_`.
    """
    came, request_id = _outcome(attempt, secrets)
    cause = f"{what}: {came}"
    if once and is_lost(attempt):
        return AnswerLost(cause, attempt)
    if attempt.failure is not None or attempt.status is None:
        advice = _MORE_TIME if attempt.out_of_time else _TRUST if attempt.untrusted else None
        return ConnectionFailed(cause, advice, timed_out=attempt.timed_out)
    if attempt.status < 400:
        return UnexpectedAnswer(cause)
    if attempt.status in _GONE and not says_missing(attempt):
        return UnexpectedAnswer(f"{cause}, but not in the API's own format")
    kind, advice = status_error(attempt.status), None
    if kind is Unauthorized:
        advice = f"{kind.advice} ({env}USER_SECRET, {env}ORGANIZATION_SECRET)"
    if kind is RateLimited and not is_rate_limit(attempt):
        advice = "send less at once: the service limits sizes as well"
    if attempt.status in _FOREIGN:
        advice = UnexpectedAnswer.advice
    return kind(cause, attempt.status, request_id, advice)


def missing_listing(attempt: Attempt, what: str, secrets: Iterable[str]) -> UnexpectedAnswer:
    """The error of a listing that the API does not know of."""
    return UnexpectedAnswer(f"{what}: {_outcome(attempt, secrets)[0]}, which is not a list of instances")


def _outcome(attempt: Attempt, secrets: Iterable[str]) -> tuple[str, str | None]:
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
    answer = _error_body(body)
    words = [quote(answer[key], secrets) for key in ("message", "providerMessage") if answer.get(key)]
    request_id = quote(answer["requestId"], secrets) if answer.get("requestId") else None
    return ": ".join(words), request_id


def _is_error_body(body: bytes) -> bool:
    """Whether it is an error of this API: every one has a ``message`` or a ``requestId``."""
    answer = _error_body(body)
    return any(isinstance(answer.get(key), str) and answer[key] for key in ("message", "requestId"))


def _error_body(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
