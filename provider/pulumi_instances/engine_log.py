"""Our log as the engine shows it: warnings, and beside a resource the status of a call that takes long.

The front ends say which resource a call is about (`about`, `waiting`); all other modules only use `logging`.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from . import process

_LOGGER = "pulumi_instances"
_TIMEOUT = 5.0
"""Seconds for the engine to take one line."""
_STATUS_EVERY = 10.0
"""Seconds until a call has its first status, and between two."""
_LOOK_EVERY = 1.0

log = logging.getLogger(_LOGGER)

_urn: ContextVar[str] = ContextVar("urn", default="")


@contextmanager
def about(urn: str) -> Iterator[None]:
    """Have the engine show what is logged inside beside this resource."""
    token = _urn.set(urn)
    try:
        yield
    finally:
        _urn.reset(token)


class _Handler(logging.Handler):
    """Sends statuses (INFO) to the engine, which shows each until the next, and warnings where ``warnings`` is set."""

    def __init__(self, address: str, *, warnings: bool) -> None:
        import grpc  # the command line does without
        from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

        super().__init__(logging.INFO)
        self._warnings = warnings
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))
        self._request = engine_pb2.LogRequest
        self._severities = {logging.INFO: engine_pb2.INFO, logging.ERROR: engine_pb2.ERROR}
        self._warning, self._failure = engine_pb2.WARNING, grpc.RpcError

    def emit(self, record: logging.LogRecord) -> None:
        is_status, line = record.levelno == logging.INFO, record.getMessage()
        if not (self._warnings or is_status):
            print(line, file=sys.stderr)  # the engine shows it
            return
        severity = self._severities.get(record.levelno, self._warning)
        try:
            request = self._request(severity=severity, message=line, urn=_urn.get(), ephemeral=is_status)
            self._stub.Log(request, timeout=_TIMEOUT)
        except self._failure:
            if not is_status:
                print(f"warning: {line}", file=sys.stderr)  # the engine has ended, or is another program


def connect(address: str, *, warnings: bool = False) -> None:
    """Send the log to the engine at this address, unless `INSTANCES_LOG` shows it on stderr. Once suffices.

    Without ``warnings``, those go to stderr, where the engine reads them.
    """
    process.switch_logging_on()
    if address and not log.handlers:
        log.addHandler(_Handler(address, warnings=warnings))
        log.setLevel(logging.INFO)
        log.propagate = False


# The status of calls that take long. One thread logs those of all calls.


class _Call:
    """A call that is under way."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._context = contextvars.copy_context()
        self._last_status = 0.0

    def show_status(self, now: float) -> None:
        """Log a status where it is time for one, as the call itself would."""
        seconds = now - self._began
        if seconds - self._last_status >= _STATUS_EVERY:
            self._last_status = seconds
            self._context.run(log.info, "%s: waiting for the service, %.0f s so far", self._what, seconds)


_calls: dict[int, _Call] = {}
_numbers = itertools.count()
_lock = threading.Lock()
_any = threading.Event()
_thread: threading.Thread | None = None


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Log for how long, every ten seconds while the block runs: ``create instance 'x'``."""
    global _thread
    number = next(_numbers)
    with _lock:
        _calls[number] = _Call(what)
        if _thread is None:
            _thread = threading.Thread(target=_watch, daemon=True)
            _thread.start()
        _any.set()
    try:
        yield
    finally:
        with _lock:
            del _calls[number]
            if not _calls:
                _any.clear()


def _watch() -> None:
    while _any.wait():
        time.sleep(_LOOK_EVERY)
        with _lock:
            calls = list(_calls.values())
        for call in calls:
            call.show_status(time.monotonic())
