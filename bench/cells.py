"""One cell: a count of instances at a latency on an engine, with every variant side by side."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .api import Api, peak
from .engines import ENGINES, Engine
from .opentofu import OpenTofu
from .operations import OPERATIONS
from .usage import Usage

_REPEATABLE = ("preview", "refresh")
"""They leave the state as it was, so that they can be run again at once."""


@dataclass(frozen=True)
class Cell:
    """``latency`` is in milliseconds per request; ``rounds`` are whole lifecycles, ``again`` previews in each."""

    engine: str
    count: int
    latency: int
    variants: tuple[str, ...] = ("floor", "ours", "textbook")
    rounds: int = 1
    again: int = 1


@dataclass(frozen=True)
class Measurement:
    """One run of one operation. Seconds of wall time and of the provider's CPU, bytes, requests to the API."""

    engine: str
    count: int
    latency: int
    variant: str
    operation: str
    seconds: float
    requests: int
    peak: int
    cpu: float
    memory: int
    state: int
    """Bytes on disk per resource; 0 where the operation leaves none."""
    engine_memory: int = 0
    """As ``memory``, of the engine and of all that it runs but the provider; 0 where that was not measured."""

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.engine:20} {self.count:5} × {self.latency:3} ms  {self.variant:9} {self.operation:8}"
            f" {self.seconds:8.2f} s {self.requests:5} requests, {self.peak:3} at once"
        )


def measure(cell: Cell) -> Iterator[Measurement]:
    """Run every operation of all variants next to each other, in alternating order: they meet the same load."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        order = []
        for variant in cell.variants:
            api = stack.enter_context(Api(cell.latency / 1000))  # its own: no listing shows the others' instances
            kind = OpenTofu if variant == "opentofu" else ENGINES[cell.engine]
            order.append((variant, kind(directory / variant, variant, api.env), api))
        for operation in OPERATIONS * cell.rounds:
            for _ in range(cell.again if operation in _REPEATABLE else 1):
                for variant, engine, api in order:
                    yield _run(cell, variant, engine, operation, api)
                order.reverse()


def _run(cell: Cell, variant: str, engine: Engine, operation: str, api: Api) -> Measurement:
    if operation in ("up", "update"):
        engine.env |= {"BENCH_COUNT": str(cell.count), "BENCH_TAG": "first" if operation == "up" else "second"}
    before = len(api.log())
    with Usage() as usage:
        began = time.perf_counter()
        engine.run("up" if operation == "update" else operation)
        seconds = time.perf_counter() - began
    log = api.log()[before:]
    bad = [request for request in log if request["status"] not in (200, 404)]
    if bad:
        raise RuntimeError(f"{variant}: {operation} met {bad[0]['status']}")
    return Measurement(
        engine=cell.engine,
        count=cell.count,
        latency=cell.latency,
        variant=variant,
        operation=operation,
        seconds=round(seconds, 3),
        requests=len(log),
        peak=peak(log),
        cpu=round(usage.cpu, 2),
        memory=usage.memory,
        state=_state_bytes(engine.resources()),
        engine_memory=usage.engine_memory,
    )


def _state_bytes(resources: list[dict[str, Any]]) -> int:
    found = [resource for resource in resources if not resource["type"].startswith("pulumi:")]
    return sum(len(json.dumps(resource)) for resource in found) // len(found) if found else 0
