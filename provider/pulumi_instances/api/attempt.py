"""The outcome of one request, and the time as the client sees it.

What sends requests is in `transport`, which loads `requests`: only the first request needs it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any

GAVE_UP = frozenset({408, 502, 504, *range(520, 531)})
"""What proxies answer that lost the API, or waited for it in vain (RFC 9110, 15.5.9; Cloudflare: 520 to 530)."""

LONGEST_WAIT = 20.0
"""Seconds that we wait before a retry where the service asks for nothing longer."""


@dataclass
class Clock:
    """Time as the client sees it, in seconds: tests of the waiting put their own functions here."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    wait: Callable[[threading.Event, float], bool] = threading.Event.wait
    """Sleep so long, or until the event is set; True if it is."""


def backoff(number: int) -> float:
    """Seconds before a retry, ``number`` being 0 for the first."""
    return min(LONGEST_WAIT, 0.5 * 2.0 ** min(number, 10))


@dataclass(frozen=True)
class Attempt:
    """The outcome of one request: an answer's status and body, or in ``failure`` the reason why there is none.

    ``sent`` is False only where the request surely never reached the API. ``final`` says that another try would end
    the same way, ``timed_out`` that it took too long, and ``untrusted`` that the certificate was not accepted.
    """

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None
    sent: bool = True
    final: bool = False
    timed_out: bool = False
    untrusted: bool = False
    out_of_time: bool = False
    """Whether the operation's own timeout, in customTimeouts, has ended it (`limits`)."""
    repeated: bool = False
    """Whether an earlier try of the same request may have been acted on."""

    @property
    def succeeded(self) -> bool:
        """Whether the whole of a good answer has arrived."""
        return self.status is not None and 200 <= self.status < 300 and self.failure is None

    @property
    def unfinished(self) -> bool:
        """Whether the API may still be at work: no answer at all, or one by a proxy that gave up waiting."""
        return self.sent and (self.status is None or self.status in GAVE_UP)
