"""Everything that can go wrong, as one tree.

InstancesError
├── SettingError            a setting is missing or malformed; nothing was sent
├── InputError              the engine handed over inputs or an id that cannot be used; nothing was sent
├── ConnectionFailed        no usable answer: refused, DNS, TLS, timeout, reset
├── UnexpectedAnswer        an answer that the API document does not allow: not JSON, wrong types, a redirect
├── AdoptionRefused         the object named by ``adopt_id`` is not the one that the program declares
├── LookupFailed            no instance matches a look-up that must find one, or several do
├── CreateUndecided         it cannot be decided which object a create has made
├── CreateLost              a create whose answer was lost has made nothing that can be found
└── StatusError             the API said no; ``status`` and ``request_id`` tell more
    ├── Unauthorized        401
    ├── Forbidden           403
    ├── NotFound            404, 410
    ├── RateLimited         429
    └── ServerError         500 and above

The text of each names the operation, the object, the cause and what to do next, in one line and without a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = [
    "AdoptionRefused",
    "ConnectionFailed",
    "CreateLost",
    "CreateUndecided",
    "Forbidden",
    "InputError",
    "InstancesError",
    "LookupFailed",
    "NotFound",
    "RateLimited",
    "ServerError",
    "SettingError",
    "StatusError",
    "Unauthorized",
    "UnexpectedAnswer",
]

_LONGEST_QUOTE = 300
_SHORTEST_SECRET = 6
# Characters that would turn around what follows them in a line of the terminal.
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class InstancesError(Exception):
    """Base of every error that this package raises."""


class SettingError(InstancesError):
    """One or more settings are missing or malformed. ``problems`` holds one line for each."""

    def __init__(self, problems: list[str]) -> None:
        """Join the problems for people; keep them apart for `check`."""
        super().__init__("; ".join(problems))
        self.problems = problems


class InputError(InstancesError):
    """Inputs or an id that no request may be built from."""


class ConnectionFailed(InstancesError):
    """The API could not be reached, or its answer never arrived."""


class UnexpectedAnswer(InstancesError):
    """The answer is not what the API document describes. Never taken for "gone"."""


class AdoptionRefused(InstancesError):
    """The object to adopt is missing, of another connector, or already taken by another resource."""


class LookupFailed(InstancesError):
    """Not exactly one instance matches. ``candidates`` holds the ids of those that do."""

    def __init__(self, message: str, candidates: list[str]) -> None:
        """Keep the candidates for callers that can choose."""
        super().__init__(message)
        self.candidates = candidates


class CreateUndecided(InstancesError):
    """Several new objects match a create whose answer was lost. ``candidates`` holds their ids."""

    def __init__(self, message: str, candidates: list[str]) -> None:
        """Keep the candidates for callers that can choose."""
        super().__init__(message)
        self.candidates = candidates


class CreateLost(InstancesError):
    """No object that matches a create whose answer was lost has appeared."""


class StatusError(InstancesError):
    """The API answered with an error status."""

    def __init__(self, message: str, status: int, request_id: str | None = None) -> None:
        """Keep the status and the API's ``requestId`` beside the text."""
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class Unauthorized(StatusError):
    """401: the secrets are wrong, or were rotated."""


class Forbidden(StatusError):
    """403: the user's role does not allow the operation."""


class NotFound(StatusError):
    """404 or 410: no such object."""


class RateLimited(StatusError):
    """429: too many, or too large, requests."""


class ServerError(StatusError):
    """500 and above: the service failed."""


def status_error(status: int) -> type[StatusError]:
    """The error type for an HTTP status of 400 or above."""
    exact = {401: Unauthorized, 403: Forbidden, 404: NotFound, 410: NotFound, 429: RateLimited}
    return exact.get(status, ServerError if status >= 500 else StatusError)


def quote(text: object, secrets: Iterable[str] = ()) -> str:
    """A server's words made safe to show: one line, no control characters, at most 300 characters, no secret.

    Each of ``secrets`` is replaced by ``[secret]``; those shorter than six characters are left, as they would
    blot out ordinary words.
    """
    words = str(text).encode("utf-8", "replace").decode()  # half a surrogate pair cannot be sent on
    for secret in sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True):
        words = words.replace(secret, "[secret]")
    words = re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+", " ", _DIRECTION.sub("", words)).strip()
    return words if len(words) <= _LONGEST_QUOTE else words[: _LONGEST_QUOTE - 1] + "…"
