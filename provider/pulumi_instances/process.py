"""What is true of the plugin process: its thread pool, whether the engine still hears it, and its log."""

from __future__ import annotations

import logging
import os
import select
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from .core.errors import Cancelled

try:
    import fcntl
except ImportError:  # Windows: nobody can tell there whether an engine has gone
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("pulumi_instances")

# How many calls at once. The SDK's dynamic server runs every call on a pool of four threads, whatever `--parallel` says
# (docs/engine.md, E22). A create takes seconds, so a large stack would wait for threads, not for the API. There is no
# public way to widen that pool. The public way round it are several explicit providers (`account`), each with a process
# and four threads of its own; they start one after another, so that it pays for long operations only.

OF_THE_SDK = 4
"""Threads of that pool. Other dynamic providers of the program run on it as well: with so many, they are left alone."""

SPARE = 4
"""Threads beside those that call the API, so that no check or diff ever waits for one of them."""


def widen(workers: int) -> bool:
    """Let the pool that runs the current thread grow to ``workers`` threads; False, and a log line, where it cannot.

    Called from `configure`, which the server runs on the pool itself. Threads are started as calls come in, so that a
    preview stays with one or two. On any surprise the pool stays as it is.
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
    """Destroy and refresh begin with many calls at once, and nothing starts a thread for a call that waits already.

    Python 3.11 and older even count a thread as idle for each such call that ends, and start none for later ones.
    """
    started = threading.Event()
    try:
        while len(pool._threads) < workers:
            pool.submit(started.wait)  # keeps a thread busy, so that the next one needs another
    finally:
        started.set()


def _current_pool() -> ThreadPoolExecutor | None:
    """The executor whose worker we are: it starts each with a weak reference to itself as the first argument."""
    arguments = getattr(threading.current_thread(), "_args", None)
    reference = arguments[0] if isinstance(arguments, tuple) and arguments else None
    pool = reference() if isinstance(reference, weakref.ref) else None
    if type(pool) is not ThreadPoolExecutor or not isinstance(getattr(pool, "_max_workers", None), int):
        return None
    return pool


# Whether anybody listens.

_POLL_EVERY = 5.0
"""Seconds between two looks at the engine's address. That it no longer reads our stdout is noticed at once."""

_canary = ThreadPoolExecutor(1)
_left = threading.Event()
_address: tuple[str, int] | None = None
_watching = False


def leave() -> None:
    """This process is going to end: nobody waits for what its calls answer from now on."""
    _left.set()


def sleep(seconds: float) -> None:
    """Sleep. Raises Cancelled where this process is going to end."""
    if _left.wait(seconds):
        raise Cancelled("the engine has ended", "run again")


def watch(address: str, then: Callable[[], None]) -> None:
    """Call ``then`` on another thread once the engine has died: it ends no plugin when it is killed.

    ``address`` is where it listens: it gives that to each plugin as an argument. Calling twice is fine.
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
    """Whether the engine still runs: one that has died reads our stdout no longer, and does not listen either.

    Its death shows at the address alone where a language host started this process (the engine's own death comes to the
    host minutes later), and on Windows.
    """
    return not _is_abandoned(0) and _listens()


def is_heard() -> bool:
    """Whether what a call answers can still reach the engine: not if it was killed. To be asked before each attempt.

    One that was told to stop twice has interrupted this process, whose calls run on, unheard, until it is killed some
    seconds later (docs/engine.md, E16).
    """
    if _left.is_set() or not has_engine():
        return False
    if fcntl is None:
        return True
    try:
        _canary.submit(int)
    except RuntimeError:  # the documented sign of an interpreter that is shutting down
        return False
    return True


def _is_abandoned(seconds: float) -> bool:
    """Whether nobody reads our stdout any more, or will not within so many seconds. Nobody can tell on Windows."""
    if fcntl is None:
        threading.Event().wait(seconds)
        return False
    stdout = select.poll()
    stdout.register(1, select.POLLHUP)  # macOS looks at nothing if nothing is asked for
    found = stdout.poll(seconds * 1000)
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in found):
        return True
    if found:  # it is closed, which says nothing
        threading.Event().wait(seconds)
    return False


def _listens() -> bool:
    """Whether the engine takes connections at its address. Only a refusal is a no."""
    if _address is None:
        return True
    try:
        socket.create_connection(_address, timeout=_POLL_EVERY).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
    return True


# What the SDK's server of dynamic providers leaves out: it runs on when its engine has died.

_calls = 0
_between_calls = threading.Condition()


def is_dynamic_server() -> bool:
    """Whether this process is the SDK's server, and no test or script."""
    return getattr(getattr(sys.modules["__main__"], "__spec__", None), "name", None) == "pulumi.dynamic.__main__"


@contextmanager
def call() -> Iterator[None]:
    """A call of the engine: `end_between_calls` waits for what runs inside."""
    global _calls
    with _between_calls:
        _calls += 1
    try:
        yield
    finally:
        with _between_calls:
            _calls -= 1
            _between_calls.notify_all()


def end_between_calls() -> None:
    """End this process as soon as no call runs: a request that is on its way may be making an instance."""
    with _between_calls:
        _between_calls.wait_for(lambda: _calls == 0)
        os._exit(1)  # the server's main thread waits for a signal; holding the lock, no call begins


# The one switch for logging: `INSTANCES_LOG=debug`.

_LOGGER = "pulumi_instances"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def switch_logging_on() -> None:
    """Show the log on stderr, which the engine shows, where `INSTANCES_LOG` names a level. Calling twice is fine."""
    level = _LEVELS.get(os.environ.get("INSTANCES_LOG", "").strip().lower())
    logger = logging.getLogger(_LOGGER)
    if level is None or any(handler.name == _LOGGER for handler in logger.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.name = _LOGGER
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
