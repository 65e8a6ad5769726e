"""The errors that this package raises, as one tree, and the removal of secrets from texts.

InstancesError
├── SettingError            a setting is missing or malformed; nothing was sent
├── InputError              the engine handed over inputs or an id that cannot be used; nothing was sent
├── ConnectionFailed        no usable answer: refused, DNS, TLS, timeout, reset
│   └── Cancelled           the engine has ended a wait; the request after it was not sent
├── UnexpectedAnswer        an answer that the API document does not allow: not JSON, wrong types, a redirect
├── AnotherInstance         the API has another instance with the id of the state
├── AdoptionRefused         the object named by ``adopt_id`` is not the one that the program declares
├── LookupFailed            no instance matches a look-up that must find one, or several do
├── CreateUndecided         it cannot be decided which object a create has made
│   ├── CreateIncomplete    the object that was created is known, but its token is not
│   └── LeftBehind          an interrupted run has made one for this resource, and the user has to decide
├── CreateLost              a create whose answer was lost has made nothing that can be found
└── StatusError             the API refused; ``status`` and ``request_id`` have the details
    ├── Unauthorized        401
    ├── Forbidden           403
    ├── NotFound            404, 410
    ├── RateLimited         429
    └── ServerError         500 and above

The cause of each names the operation, the object and what happened; its advice says what to do next. Both together are
one line without a secret. Messages repeat `model.QUOTED` only, the inputs that are mostly no secrets:

- Where the program says that one is secret, the front end names it (`model.CONCEALED`), and `Operations.conceal` notes
  its texts. Our own messages then show `BLOT`; a name or connector that is formatted is a `Concealed`.
- All else that may be secret (`model.secret_values`) is noted by `Operations.hide`. `without` replaces what was noted,
  by either, in the words of a server.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote as percent_encoded
from urllib.parse import quote_plus

__all__ = [
    "AdoptionRefused",
    "AnotherInstance",
    "Cancelled",
    "ConnectionFailed",
    "CreateIncomplete",
    "CreateLost",
    "CreateUndecided",
    "Forbidden",
    "InputError",
    "InstancesError",
    "LeftBehind",
    "LookupFailed",
    "NotFound",
    "Problem",
    "RateLimited",
    "ServerError",
    "SettingError",
    "StatusError",
    "Unauthorized",
    "UnexpectedAnswer",
]

BLOT = "[secret]"
"""The text in place of a secret that is not shown."""

_LONGEST_QUOTE = 300
_SHORTEST_SECRET = 3
_SHORTEST_PART = 6
"""A shorter secret is replaced only where it is a word: it may be a part of many."""
_LINE_END = re.compile(r"[\r\n]|\\[rn]")
"""The end of a line, also in JSON."""
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]|\\/|%2[BFbf]){4,}(?:=|%3[Dd]){0,2}")
"""Text that may be base64, also where it is encoded again for JSON or a URL."""
# Characters that change the direction of the text after them on a terminal.
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Problem(NamedTuple):
    """A fault of one property or setting, and its advice: ``str()`` makes the line that users read."""

    property: str
    """Its name, or the path of a value inside it, such as ``tags[0]``."""
    fault: str
    """What is wrong, as the predicate of a sentence about the property: ``must be a string, not a number``."""
    advice: str
    """What to do about it."""

    def sentence(self) -> str:
        """Return the property and its fault, without the advice."""
        return f"{self.property} {self.fault}"

    def __str__(self) -> str:
        """Return all of it in one line."""
        return f"{self.sentence()}; {self.advice}"


Error = TypeVar("Error", bound="InstancesError")


class InstancesError(Exception):
    """Base of every error that this package raises.

    ``cause`` says what happened, and to which object; ``advice`` says what to do about it. ``str()`` joins them.
    """

    advice: str = ""
    """The advice of most errors of a class; an error can have its own."""

    def __init__(self, cause: str, advice: str | None = None) -> None:
        """Keep the cause, and an ``advice`` that replaces that of the class."""
        # No call of super: `args` stays what each constructor was given, so that every error can be pickled.
        self.cause = cause
        if advice is not None:
            self.advice = advice

    def __str__(self) -> str:
        """Return cause and advice in one line."""
        return f"{self.cause}; {self.advice}" if self.advice else self.cause

    def without(self: Error, secrets: Iterable[str]) -> Error:
        """Replace these secrets in the error, and return it."""
        known = [*secrets]
        self.cause, self.advice = without(self.cause, known), without(self.advice, known)
        self.args = tuple(without(each, known) if isinstance(each, str) else each for each in self.args)
        return self


class SettingError(InstancesError):
    """One or more settings are missing or malformed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems, since `check` reports one line for each."""
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class InputError(InstancesError):
    """Inputs or an id are such that no request can be made of them."""


class ConnectionFailed(InstancesError):
    """The API could not be reached, or its answer never arrived; ``timed_out`` if that took too long."""

    advice = "check instances:baseUrl, the network and instances:timeout, then run again"

    def __init__(self, cause: str, advice: str | None = None, *, timed_out: bool = False) -> None:
        """Keep whether the time was over: a slow listing does not stop a create."""
        super().__init__(cause, advice)
        self.timed_out = timed_out


class Cancelled(ConnectionFailed):
    """The engine has cancelled the operation while it was waiting."""


class UnexpectedAnswer(InstancesError):
    """The answer is not what the API document describes. It never proves that an instance no longer exists."""

    advice = "check that instances:baseUrl names the API"


class AdoptionRefused(InstancesError):
    """The object to adopt is missing, of another connector, or already taken by another resource."""


class AnotherInstance(InstancesError):
    """The API has another instance with an id of the state, of another account or made since. Nothing was done."""


class LookupFailed(InstancesError):
    """Not exactly one instance matches. ``candidates`` holds the ids of those that do."""

    def __init__(self, cause: str, advice: str, candidates: list[str]) -> None:
        """Keep the candidates for callers that can choose."""
        super().__init__(cause, advice)
        self.candidates = candidates


class CreateUndecided(InstancesError):
    """Several new objects match a create whose answer was lost. ``candidates`` holds their ids."""

    def __init__(self, cause: str, advice: str, candidates: list[str]) -> None:
        """Keep the candidates for callers that can choose."""
        super().__init__(cause, advice)
        self.candidates = candidates


class CreateIncomplete(CreateUndecided):
    """The one instance in ``candidates`` was created, but its token cannot be read; ``why`` is the cause.

    ``known`` are the properties that a state needs besides its inputs.
    """

    def __init__(self, cause: str, advice: str, candidates: list[str], why: str, known: Mapping[str, Any]) -> None:
        """Keep what is known for callers that can keep the instance in the state."""
        super().__init__(cause, advice, candidates)
        self.why = why
        self.known = known


class LeftBehind(CreateUndecided):
    """An instance carries the mark of the resource that is to be created: ``candidates`` holds the ids."""


class CreateLost(InstancesError):
    """No object that matches a create whose answer was lost has appeared."""

    advice = "run again, which looks for it first (with a new OAuth code, if it takes one)"


class StatusError(InstancesError):
    """The API answered with an error status."""

    advice = "correct what it names, then run again"

    def __init__(self, cause: str, status: int, request_id: str | None = None, advice: str | None = None) -> None:
        """Keep the status and the API's ``requestId`` beside the text."""
        super().__init__(cause, advice)
        self.status = status
        self.request_id = request_id


class Unauthorized(StatusError):
    """401: the secrets are wrong, or were rotated."""

    advice = "check instances:userSecret and instances:organizationSecret"


class Forbidden(StatusError):
    """403: the user's role does not allow the operation."""

    advice = "ask for a role that may do this, then run again"


class NotFound(StatusError):
    """404 or 410: no such object. ``repeated`` says that an earlier try of the same request may have deleted it."""

    advice = "check the id or connector, instances:baseUrl and the secrets"
    repeated = False


class RateLimited(StatusError):
    """429: too many, or too large, requests."""

    advice = "wait, then run again with a lower --parallel"


class ServerError(StatusError):
    """500 and above: the service failed."""

    advice = "run again later"


def status_error(status: int) -> type[StatusError]:
    """Return the type of the error for an HTTP status of 400 or above."""
    exact = {401: Unauthorized, 403: Forbidden, 404: NotFound, 408: ServerError, 410: NotFound, 429: RateLimited}
    return exact.get(status, ServerError if status >= 500 else StatusError)


class Concealed(str):
    """Text that goes to the API as it is. Messages show texts by `quote` or by their repr, and `BLOT` for this one."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the text that messages show."""
        return BLOT


def quote(text: object, secrets: Iterable[str] = ()) -> str:
    """Return a server's words as messages show them: one line of at most 300 characters, no controls, no secret."""
    if isinstance(text, Concealed):
        return BLOT
    words = str(text).encode("utf-8", "replace").decode()  # half a surrogate pair cannot be sent on
    words = without(words, secrets)
    words = re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+", " ", _DIRECTION.sub("", words)).strip()
    return words if len(words) <= _LONGEST_QUOTE else words[: _LONGEST_QUOTE - 1] + "…"


def first_of(texts: Sequence[str], most: int = 10) -> str:
    """Return the first of these texts as messages show them, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def without(words: str, secrets: Iterable[str]) -> str:
    """Return the words with `BLOT` in place of each of these secrets, and of each line of one that has several.

    Secrets are also found where they are encoded for a URL, JSON or HTML, or are a part of a text in base64. Those of
    three to five characters are replaced where they are a word; shorter ones, and lines shorter than six, are not.
    """
    decoded = {run: _decoded(run) for run in _BASE64.findall(words)}
    everything = "\n".join([words, *(text for texts in decoded.values() for text in texts)])
    parts = [part for secret in secrets for part in _parts(secret) if _may_be_in(part, everything)]
    forms = {form for part in parts for form in _forms(part)}
    if not forms:
        return words
    holds_one = _any_of(forms).search
    encoded = [run for run, texts in decoded.items() if any(map(holds_one, texts))]
    return _any_of(forms.union(encoded)).sub(BLOT, words)


def _parts(secret: str) -> Iterator[str]:
    """Yield the secret, and the lines of one that has several: a service may repeat a line that it cannot read."""
    yield secret
    if _LINE_END.search(secret):
        lines = (line.strip() for line in _LINE_END.split(secret))
        yield from (line for line in lines if len(line) >= _SHORTEST_PART)


def _decoded(run: str) -> list[str]:
    """Return four texts that a run may encode in base64: it may begin at any of the first four characters."""
    text = re.sub(r"=|%3[Dd]", "", run)
    text = re.sub(r"\\/|%2[Ff]|_", "/", re.sub(r"%2[Bb]|-", "+", text))
    found = []
    for start in range(4):
        length = len(text) - start
        whole = text[start : len(text) - (length % 4 == 1)]
        found.append(base64.b64decode(whole + "=" * (-len(whole) % 4)).decode("utf-8", "replace"))
    return found


def _any_of(forms: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(_pattern, sorted(forms, key=len, reverse=True))))


def _may_be_in(secret: str, words: str) -> bool:
    """Return whether a form of the secret may be in the words. This is cheap, since there may be tens of thousands."""
    if len(secret) < _SHORTEST_SECRET:
        return False
    plain = re.findall(r"[A-Za-z0-9]+", secret)  # what no encoding changes
    return all(part in words for part in plain)


def _forms(secret: str) -> Iterator[str]:
    """Yield the secret as it is, and as a server may have encoded it."""
    yield secret
    for escaped in (percent_encoded(secret, safe=""), percent_encoded(secret), quote_plus(secret)):
        yield escaped
        yield re.sub("%..", lambda code: code[0].lower(), escaped)
    for ascii_only in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield from (escaped, escaped.replace("/", r"\/"))
    yield html.escape(secret, quote=False)
    for apostrophe in ("&#x27;", "&#39;", "&apos;"):
        escaped = html.escape(secret).replace("&#x27;", apostrophe)
        yield from (escaped, escaped.replace("&quot;", "&#34;"))


def _pattern(form: str) -> str:
    if len(form) >= _SHORTEST_PART:
        return re.escape(form)
    before = r"(?<!\w)" if re.match(r"\w", form) else ""
    after = r"(?!\w)" if re.search(r"\w$", form) else ""
    return before + re.escape(form) + after
