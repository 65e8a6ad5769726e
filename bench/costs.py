"""What does not depend on an engine: pickles, start-up, check and diff, the lock of a create."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psutil
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from pulumi_instances.api import locks

from .engines import PROGRAMS

Figures = dict[str, float]

_PICKLE = """
import base64, runpy, sys
from pulumi.dynamic.dynamic import serialize_provider
sys.path.insert(0, ".")
print(serialize_provider(runpy.run_path("__main__.py", run_name="__main__")["Provider"]()))
"""
_ENV = {
    "BENCH_COUNT": "0",
    "INSTANCES_BASE_URL": "http://127.0.0.1:1",
    "INSTANCES_USER_SECRET": "user",
    "INSTANCES_ORGANIZATION_SECRET": "organization",
}


def measure() -> Figures:
    """All figures, by what they are called in the report."""
    figures = _imports()
    for variant in ("floor", "ours", "textbook"):
        pickled = _run([sys.executable, "-c", _PICKLE], PROGRAMS / variant).strip()
        figures[f"pickle of {variant}, bytes"] = len(pickled) * 3 // 4 - pickled.count("=")
        figures[f"check + diff of {variant}, ms of CPU"] = _check_and_diff(PROGRAMS / variant, pickled)
    return figures | _locks()


def _run(command: list[str], cwd: Path) -> str:
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **_ENV}, capture_output=True, text=True, check=True
    ).stdout


def _imports(runs: int = 10) -> Figures:
    """Alternating, so that both meet the same load; the least CPU, as a wall clock shows the neighbours' work."""
    statements = ("import pulumi", "import pulumi_instances", "from pulumi_instances import Instance")
    used: dict[str, list[float]] = {statement: [] for statement in statements}
    for statement in statements * (runs + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _run([sys.executable, "-c", statement], PROGRAMS)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used[statement].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    least = {statement: min(seconds) * 1000 for statement, seconds in used.items()}
    return {
        **{f"{statement}, ms of CPU": milliseconds for statement, milliseconds in least.items()},
        "import Instance ÷ import pulumi": least[statements[2]] / least[statements[0]],
    }


def _check_and_diff(program: Path, pickled: str, calls: int = 500) -> float:
    """Milliseconds of the provider process for one Check and one Diff that find no difference."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.dynamic"],
        cwd=program,
        env={**os.environ, **_ENV},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            stub.Configure(provider_pb2.ConfigureRequest(args=Struct()))
            inputs = {"your_mom": "dropbox", "name": "box", "tags": ["first"], "__provider": pickled}
            state = {**inputs, "token": "t" * 44, "valid": True, "disabled": False}
            check = provider_pb2.CheckRequest(olds=_struct(inputs), news=_struct(inputs))
            diff = provider_pb2.DiffRequest(id="1", olds=_struct(state), news=_struct(inputs))

            def both() -> None:
                assert not stub.Check(check).failures
                stub.Diff(diff)

            return _cpu(psutil.Process(process.pid), both, calls) * 1000
    finally:
        process.kill()
        process.communicate()


def _cpu(process: psutil.Process, call: Callable[[], None], calls: int) -> float:
    """Seconds of CPU of a process per call: the least of five goes, after a first few that load it."""
    for _ in range(20):
        call()
    least = float("inf")
    for _ in range(5):
        before = process.cpu_times()
        for _ in range(calls):
            call()
        after = process.cpu_times()
        least = min(least, after.user + after.system - before.user - before.system)
    return least / calls


def _locks(creates: int = 320) -> Figures:
    """Milliseconds that the lock on disk adds to a create, alone and with 32 at once."""
    kept = os.environ.get("PULUMI_HOME")
    with tempfile.TemporaryDirectory() as home:
        os.environ["PULUMI_HOME"] = home

        def create(number: int) -> None:
            with locks.held(f"box-{number}", lambda: False, lambda _error, _turn: True) as turn:
                turn.touch()

        figures = {}
        for threads in (1, 32):
            began = time.perf_counter()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(create, range(creates)))
            figures[f"lock of a create, {threads} at once, ms each"] = (time.perf_counter() - began) * 1000 / creates
    if kept is None:
        del os.environ["PULUMI_HOME"]
    else:
        os.environ["PULUMI_HOME"] = kept
    return figures


def _struct(bag: dict[str, Any]) -> Struct:
    return ParseDict(bag, Struct())
