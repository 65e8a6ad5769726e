"""More than four calls at once.

The SDK's dynamic server runs every call on a pool of four threads, whatever `--parallel` says (dynamic/__main__.py). A
create takes seconds, so a large stack would wait for threads, not for the API. There is no public way to widen that
pool. The public way round it are several explicit providers (`account`), each with a process and four threads of its
own; they start one after another, so that it pays for long operations only.
"""

from __future__ import annotations

import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger("pulumi_instances")

SPARE = 4
"""Threads beside those that call the API, so that no check or diff ever waits for one of them."""


def widen(workers: int) -> bool:
    """Let the pool that runs the current thread grow to ``workers`` threads; False, and a log line, where it cannot.

    Called from `configure`, which the server runs on the pool itself. Threads are started as calls come in, so that a
    preview stays with one or two. On any surprise the pool stays as it is.
    """
    pool = _current_pool()
    if pool is None:
        log.info("parallelism stays as the SDK has it: its thread pool was not found")
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
