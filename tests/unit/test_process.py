"""Widening the pool that runs the provider's calls."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from pulumi_instances import process


def peak_of(pool: ThreadPoolExecutor, calls: int, seconds: float = 5.0) -> int:
    """How many of these calls the pool runs at once: all of them, or none has met all others in so many seconds."""
    meeting = threading.Barrier(calls)

    def meet() -> bool:
        try:
            meeting.wait(timeout=seconds)
        except threading.BrokenBarrierError:
            return False
        return True

    return sum(pool.map(lambda _: meet(), range(calls)))


def test_the_pool_grows_while_calls_wait_already() -> None:
    """A refresh begins with 32 calls at once, all of which wait for `configure`, which one of them runs."""
    with ThreadPoolExecutor(4) as pool:
        come, configured = threading.Event(), threading.Event()

        def configure() -> None:
            come.wait()
            process.widen(36)
            configured.set()

        configuring = pool.submit(configure)
        calls = [pool.submit(configured.wait) for _ in range(31)]
        come.set()
        configuring.result()
        wait(calls)
        assert peak_of(pool, 36) == 36


def test_the_pool_never_shrinks() -> None:
    """`instances:parallelism: 1` does not remove the threads that the SDK has: they cannot be taken back."""
    with ThreadPoolExecutor(4) as pool:
        assert pool.submit(process.widen, 1).result()
        assert peak_of(pool, 4) == 4


def test_outside_a_pool_nothing_happens_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """A server that runs its calls in another way keeps its own limit."""
    with caplog.at_level(logging.INFO, "pulumi_instances"):
        assert not process.widen(32)
    assert "the SDK's own parallelism is used" in caplog.text


def test_an_executor_of_another_kind_is_left_alone() -> None:
    """Only the standard pool is known well enough to be changed."""

    class Other(ThreadPoolExecutor):
        pass

    with Other(2) as pool:
        assert not pool.submit(process.widen, 32).result()
        assert peak_of(pool, 3, seconds=0.2) == 0


# A process that says on stderr whether it is heard, once somebody writes to its stdin or closes it.
ASK = """
import sys
from pulumi_instances import process
sys.stdin.read(1)
sys.stderr.write(str(process.is_heard()))
"""

# As the SDK's server does when it is interrupted: the main thread ends, and a call runs on.
ASK_AT_THE_END = """
import sys, threading
from pulumi_instances import process
def call():
    threading.main_thread().join()
    sys.stderr.write(str(process.is_heard()))
threading.Thread(target=call).start()
"""


@pytest.mark.parametrize(("reader", "heard"), [("stays", "True"), ("leaves", "False")])
def test_a_process_is_heard_while_its_stdout_is_read(reader: str, heard: str) -> None:
    """The engine reads it as long as it lives; stdin, which is closed here, does not matter."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE, text=True
    ) as asked:
        os.close(writing)
        if reader == "leaves":
            os.close(reading)
        assert asked.communicate(timeout=60)[1] == heard
    if reader == "stays":
        os.close(reading)


def test_a_process_that_is_shutting_down_is_not_heard() -> None:
    """Its stdout is still read, but its server answers nobody any more."""
    asked = subprocess.run([sys.executable, "-c", ASK_AT_THE_END], capture_output=True, text=True, timeout=60)
    assert asked.stderr == "False"


# A process that ends with its engine. A call is under way until somebody closes stdin.
END_WITH_THE_ENGINE = """
import sys, threading
from pulumi_instances import process
from pulumi_instances.core.errors import Cancelled
begun = threading.Event()
def call():
    with process.waiting("create"):
        begun.set()
        try:
            process.sleep(60)
        except Cancelled as error:
            sys.stderr.write(f"{error}\\n{process.has_engine()}\\n")
        sys.stdin.read()
        sys.stderr.write("done\\n")
threading.Thread(target=call).start()
begun.wait()
process.watch(sys.argv[1], process.end_between_calls)
print("watching", flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("sign", ["stdout is not read", "nobody listens at its address"])
def test_a_process_ends_with_its_engine_when_its_calls_are_done(sign: str) -> None:
    """Each sign alone will do. Waiting ends at once, and what is on its way is awaited."""
    with socket.create_server(("127.0.0.1", 0)) as engine:
        address = f"127.0.0.1:{engine.getsockname()[1]}" if sign.startswith("nobody") else ""
        with subprocess.Popen(
            [sys.executable, "-u", "-c", END_WITH_THE_ENGINE, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process_:
            assert process_.stdin is not None
            assert process_.stdout is not None
            assert process_.stderr is not None
            assert process_.stdout.readline() == "watching\n"
            if address:
                engine.close()
            else:
                process_.stdout.close()
            assert process_.stderr.readline() == "the engine has ended; run again\n"
            assert process_.stderr.readline() == "False\n"
            assert process_.poll() is None
            process_.stdin.close()
            assert process_.stderr.read() == "done\n"
            assert process_.wait(timeout=60) == 1


def test_a_process_outlives_a_quiet_engine() -> None:
    """One that takes the connection and says nothing, or has no address that anybody could try, is alive."""
    with socket.create_server(("127.0.0.1", 0)) as engine:
        asked = ASK.replace("sys.stdin", f"process.watch('127.0.0.1:{engine.getsockname()[1]}', int); sys.stdin")
        done = subprocess.run([sys.executable, "-c", asked], input="", capture_output=True, text=True, timeout=60)
        assert done.stderr == "True"
