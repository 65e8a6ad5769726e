"""The plugin process and its engine: its threads, whether the engine still runs, and its log as the engine shows it.

Both front ends use it, and say which resource a call is about (`about`, `waiting`); other modules only use `logging`.
It knows the engine and the SDK (docs/engine.md), and nothing of instances.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import os
import select
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

from .core.errors import Cancelled

try:
    import fcntl
except ImportError:  # Windows: nothing there says whether the engine has ended
    fcntl = None  # type: ignore[assignment]

_LOGGER = "pulumi_instances"
log = logging.getLogger(_LOGGER)

# How many calls at once. The SDK's dynamic server runs every call on a pool of four threads, whatever `--parallel` says
# (docs/engine.md, E22). A create takes seconds, so a large stack would wait for threads, not for the API. The SDK
# has no public way to widen that pool. Several explicit providers (`account`) each have a process and four threads of
# their own, but these processes start one after another, which pays for long operations only.

OF_THE_SDK = 4
"""Threads of that pool. All dynamic providers of a program share it; with so many wanted, it is left alone."""

SPARE = 4
"""Threads beside those that call the API, so that no check or diff ever waits for one of them."""


def widen(workers: int) -> bool:
    """Let the pool that runs the current thread grow to ``workers`` threads. Returns False where it is not found.

    Called from `configure`, which the server runs on the pool itself. Threads are started as calls come in, so a
    preview has one or two.
    """
    pool = _current_pool()
    if pool is None:
        log.info("the SDK's own parallelism is used: its thread pool was not found")
        return False
    if workers > pool._max_workers:
        pool._max_workers = workers
        if pool._work_queue.qsize():
            _start_all(pool, workers)
    return True


def _start_all(pool: ThreadPoolExecutor, workers: int) -> None:
    """Start all threads of the pool, for the calls that wait in its queue: destroy and refresh begin with many.

    An executor starts a thread only when a call is submitted. Python 3.11 and older also count a thread as idle for
    each call of the queue that ends, and start none for later ones.
    """
    started = threading.Event()
    try:
        while len(pool._threads) < workers:
            pool.submit(started.wait)  # keeps a thread busy, so that the next one needs another
    finally:
        started.set()


def _current_pool() -> ThreadPoolExecutor | None:
    """Return the executor of this thread: it starts each with a weak reference to itself as the first argument."""
    arguments = getattr(threading.current_thread(), "_args", None)
    reference = arguments[0] if isinstance(arguments, tuple) and arguments else None
    pool = reference() if isinstance(reference, weakref.ref) else None
    if type(pool) is not ThreadPoolExecutor or not isinstance(getattr(pool, "_max_workers", None), int):
        return None
    return pool


# Whether the engine still runs.

_POLL_EVERY = 5.0
"""Seconds between two connections to the engine's address. That it no longer reads our stdout shows at once."""

_probe = ThreadPoolExecutor(1)
_leaving = threading.Event()
_address: tuple[str, int] | None = None
_watching = False


def leave() -> None:
    """Note that this process is going to end: the engine reads no answer of its calls from now on."""
    _leaving.set()


def sleep(seconds: float) -> None:
    """Sleep. Raises Cancelled where this process is going to end."""
    if _leaving.wait(seconds):
        raise Cancelled("the engine has ended", "run again")


def watch(address: str, then: Callable[[], None]) -> None:
    """Call ``then`` on another thread once the engine has died: a killed engine does not end its plugins.

    ``address`` is where the engine listens, which each plugin gets as an argument. A second call does nothing.
    """
    global _address, _watching
    if _watching:
        return
    host, _, port = address.rpartition(":")
    if port.isdecimal():
        _address = (host, int(port))
    _watching = True
    threading.Thread(target=_watch, args=[then], daemon=True).start()


def _watch(then: Callable[[], None]) -> None:
    while not _is_abandoned(_POLL_EVERY) and _listens():
        pass
    leave()
    then()


def has_engine() -> bool:
    """Return whether the engine still runs: it reads our stdout, and listens at its address.

    Only the address shows its death on Windows, and where a language host has started this process, which reads our
    stdout for minutes longer.
    """
    return not _is_abandoned(0) and _listens()


def is_heard() -> bool:
    """Return whether the answer of a call can still reach the engine, which may have been killed.

    An engine that is interrupted twice interrupts this process: its calls run on, but their answers are lost, until it
    is killed some seconds later (docs/engine.md, E16).
    """
    if _leaving.is_set() or not has_engine():
        return False
    if fcntl is None:
        return True
    try:
        _probe.submit(int)
    except RuntimeError:  # the documented sign of an interpreter that is shutting down
        return False
    return True


def _is_abandoned(seconds: float) -> bool:
    """Wait for so many seconds, unless our stdout loses its reader. Returns whether it has none; on Windows, False."""
    if fcntl is None:
        threading.Event().wait(seconds)
        return False
    stdout = select.poll()
    stdout.register(1, select.POLLHUP)  # macOS reports nothing for an empty mask
    found = stdout.poll(seconds * 1000)
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in found):
        return True
    if found:  # stdout is closed in this process, which says nothing of the engine
        threading.Event().wait(seconds)
    return False


def _listens() -> bool:
    """Return whether the engine takes connections at its address; True for anything but a refusal."""
    if _address is None:
        return True
    try:
        socket.create_connection(_address, timeout=_POLL_EVERY).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
    return True


# The calls of the API that are under way. Each that takes long has a status; one thread logs those of all.

_STATUS_EVERY = 10.0
"""Seconds until a call has its first status, and between two."""
_LOOK_EVERY = 1.0


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
_calls_changed = threading.Condition()
_thread: threading.Thread | None = None


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Log for how long, every ten seconds while the block calls the API: ``create instance 'x'``."""
    global _thread
    number = next(_numbers)
    with _calls_changed:
        _calls[number] = _Call(what)
        if _thread is None:
            _thread = threading.Thread(target=_show_statuses, daemon=True)
            _thread.start()
        _calls_changed.notify_all()
    try:
        yield
    finally:
        with _calls_changed:
            del _calls[number]
            _calls_changed.notify_all()


def _show_statuses() -> None:
    while True:
        with _calls_changed:
            _calls_changed.wait_for(lambda: _calls)
        time.sleep(_LOOK_EVERY)
        with _calls_changed:
            calls = [*_calls.values()]
        for call in calls:
            call.show_status(time.monotonic())


def is_dynamic_server() -> bool:
    """Return whether this process is the SDK's server, and not a test or a script."""
    return getattr(getattr(sys.modules["__main__"], "__spec__", None), "name", None) == "pulumi.dynamic.__main__"


def end_between_calls() -> None:
    """End this process as soon as no call of the API runs, since a request that was sent may be making an instance.

    The SDK's server of dynamic providers would run on when its engine has died.
    """
    with _calls_changed:
        _calls_changed.wait_for(lambda: not _calls)
        os._exit(1)  # the main thread waits for a signal; no call begins, as this holds the lock


# The log

_TIMEOUT = 5.0
"""Seconds for the engine to take one line."""

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def switch_logging_on() -> None:
    """Show the log on stderr, which the engine shows, where `INSTANCES_LOG` names a level. Calling twice is fine."""
    level = _LEVELS.get(os.environ.get("INSTANCES_LOG", "").strip().lower())
    if level is None or any(handler.name == _LOGGER for handler in log.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.name = _LOGGER
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    log.addHandler(handler)
    log.setLevel(level)
    log.propagate = False


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


def connect_log(address: str, *, warnings: bool = False) -> None:
    """Send the log to the engine at this address, unless `INSTANCES_LOG` shows it on stderr. Once suffices.

    Without ``warnings``, those go to stderr, where the engine reads them.
    """
    switch_logging_on()
    if address and not log.handlers:
        log.addHandler(_Handler(address, warnings=warnings))
        log.setLevel(logging.INFO)
        log.propagate = False
