"""Faults that the emulator plays, and the queue of those that wait for requests.

`wrapper` takes one for each request, and plays it instead of, or after, what the API would do.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

__all__ = ["Fault", "Faults"]

Kind = Literal["answer", "normal", "existing", "drop", "truncate", "trickle"]

_HTML = b"<html><body><h1>Bad Gateway</h1></body></html>"
# A document that was typed with a word processor's quotes.
_SMART_QUOTES = "{ \u201cid\u201d: 27 }".encode()


@dataclass(frozen=True)
class Fault:
    """One way in which a request fails. Make it with the constructors below; `delayed` puts a wait before it.

    ``acts`` says whether the request is carried out, and ``kind`` what the client then sees.
    """

    kind: Kind
    acts: bool
    seconds: float = 0.0
    code: int = 200
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    interval: float = 0.0
    provider_message: str | None = None
    existing: int = 0

    @classmethod
    def status(
        cls,
        code: int,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        provider_message: str | None = None,
    ) -> Fault:
        """Do not act; answer ``code`` with ``{requestId, message}``, or with ``body`` where one is given.

        ``provider_message`` is what the provider behind the connector said: `providerMessage` in the answer.
        """
        raw = body.encode() if isinstance(body, str) else body
        return cls(
            "answer",
            acts=False,
            code=code,
            message=message,
            headers=headers or {},
            body=raw,
            provider_message=provider_message,
        )

    @classmethod
    def size_limit(cls) -> Fault:
        """Do not act; answer 429 as the live services do to a request that is too large. A retry fails again."""
        return cls.status(429, "The request or its answer exceeds the limit of 8 MB")

    @classmethod
    def status_after(cls, code: int, headers: Mapping[str, str] | None = None) -> Fault:
        """Act, then answer ``code`` with a page of HTML, as a proxy does that did not wait for the API."""
        return cls("answer", acts=True, code=code, headers={"content-type": "text/html", **(headers or {})}, body=_HTML)

    @classmethod
    def delay(cls, seconds: float) -> Fault:
        """Wait, then act and answer normally, even where the client has left."""
        return cls("normal", acts=True, seconds=seconds)

    @classmethod
    def drop_before(cls) -> Fault:
        """Reset the connection without acting."""
        return cls("drop", acts=False)

    @classmethod
    def drop_after(cls) -> Fault:
        """Act, then reset the connection without an answer."""
        return cls("drop", acts=True)

    @classmethod
    def answer_existing(cls, instance_id: int) -> Fault:
        """Make no instance in a POST; answer with this one, as a service does that allows a name only once."""
        return cls("existing", acts=True, existing=instance_id)

    @classmethod
    def garbage(cls) -> Fault:
        """Act, then answer 200 with a body that is not JSON: its quotes are typographic."""
        return cls("answer", acts=True, headers={"content-type": "application/json"}, body=_SMART_QUOTES)

    @classmethod
    def truncated(cls) -> Fault:
        """Act, then announce the whole answer, send half of its body and close."""
        return cls("truncate", acts=True)

    @classmethod
    def trickle(cls, interval: float) -> Fault:
        """Act, then send one byte each ``interval`` seconds, for ever."""
        return cls("trickle", acts=True, headers={"content-type": "application/json"}, interval=interval)

    @classmethod
    def redirect(cls, url: str, code: int = 302) -> Fault:
        """Do not act; send the client to ``url``."""
        return cls.status(code, headers={"location": url})

    @classmethod
    def big(cls, size: int) -> Fault:
        """Act, then answer 200 with a JSON string of ``size`` bytes."""
        body = b'"' + b"x" * (size - 2) + b'"'
        return cls("answer", acts=True, headers={"content-type": "application/json"}, body=body)

    @property
    def words(self) -> str:
        """What a client sees of it, for people."""
        what = {
            "normal": "the answer comes",
            "answer": f"{self.code} is answered" + (" with a wrong body" if self.acts else ""),
            "existing": f"instance {self.existing} is answered",
            "drop": "the connection is reset",
            "truncate": "the answer is cut",
            "trickle": "the answer never ends",
        }[self.kind]
        late = f" {self.seconds:g} s late" if self.seconds else ""
        return f"{what}{late}" if self.kind in ("normal", "existing") else f"{what}{late}, {_ACTS[self.acts]}"

    def delayed(self, seconds: float) -> Fault:
        """Return the same fault with a wait before it."""
        return replace(self, seconds=seconds)

    @classmethod
    def parse(cls, description: Mapping[str, Any]) -> Fault:
        """Return the fault of a JSON description: ``{"kind": "<constructor>", ...its arguments, "delayed": seconds}``.

        Raises ValueError for an unknown kind and TypeError for wrong arguments.
        """
        arguments = dict(description)
        kind, wait = arguments.pop("kind", None), arguments.pop("delayed", 0.0)
        if kind not in _CONSTRUCTORS:
            raise ValueError(f"kind must be one of {', '.join(_CONSTRUCTORS)}")
        fault: Fault = getattr(cls, kind)(**arguments)
        return fault.delayed(float(wait)) if wait else fault


_ACTS = {True: "the request was carried out", False: "nothing was done"}

_CONSTRUCTORS = (
    "status",
    "size_limit",
    "status_after",
    "delay",
    "drop_before",
    "drop_after",
    "answer_existing",
    "garbage",
    "truncated",
    "trickle",
    "redirect",
    "big",
)


@dataclass
class _Rule:
    method: str | None
    path: str | None
    fault: Fault
    left: int | None
    probability: float
    random: random.Random
    pattern: re.Pattern[str] | None = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the path for `take`."""
        self.pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.path))) if self.path else None

    @property
    def words(self) -> str:
        """Which requests meet which fault, and how many of them, for people."""
        requests = " ".join(filter(None, [self.method, self.path])) or "any request"
        chance = "" if self.probability >= 1 else f", {self.probability:.0%} of them"
        left = "" if self.left is None else f" ({self.left} left)"
        return f"{requests}{chance}: {self.fault.words}{left}"

    def take(self, method: str, path: str) -> bool:
        """Return whether this request meets the fault, and count it."""
        if self.left == 0 or self.method not in (None, method):
            return False
        if self.pattern and not self.pattern.fullmatch(path):
            return False
        if self.random.random() >= self.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class _Limit:
    """A limit of requests per second; a burst may use up the allowance of one second."""

    def __init__(self, per_second: float, retry_after: str | None) -> None:
        headers = {} if retry_after is None else {"retry-after": retry_after}
        self.refusal = Fault.status(429, "Too many requests", headers)
        self.words = f"more than {per_second:g} requests a second: {self.refusal.words}"
        self._per_second = per_second
        self._most = max(1.0, per_second)
        self._left = self._most
        self._last = time.monotonic()

    def take(self) -> bool:
        """Return whether one more request is allowed now, and count it."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._last) * self._per_second)
        self._last = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Faults:
    """The faults that wait for requests. Safe to share between threads."""

    def __init__(self) -> None:
        """Start without faults."""
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._limit: _Limit | None = None

    def limit(self, per_second: float, retry_after: str | None) -> None:
        """Limit the rate, as `Emulator.limit` describes."""
        with self._lock:
            self._limit = _Limit(per_second, retry_after)

    def add(
        self,
        method: str | None,
        path: str | None,
        fault: Fault,
        times: int | None = None,
        probability: float | None = None,
        seed: int | None = None,
    ) -> None:
        """Add a fault, as `Emulator.fail` describes."""
        left = 1 if times is None and probability is None else times
        chance = 1.0 if probability is None else probability
        rule = _Rule(method, path, fault, left, chance, random.Random(seed))  # noqa: S311 - no secret
        with self._lock:
            self._rules.append(rule)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault for this request, if any: that of the first rule that takes it."""
        with self._lock:
            if self._limit is not None and not self._limit.take():
                return self._limit.refusal
            return next((rule.fault for rule in self._rules if rule.take(method, path)), None)

    def waiting(self) -> list[str]:
        """Return which requests will meet which faults, for people."""
        with self._lock:
            limits = [] if self._limit is None else [self._limit.words]
            return [*limits, *(rule.words for rule in self._rules if rule.left != 0)]

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._rules.clear()
            self._limit = None
