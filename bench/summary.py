"""What repeated runs come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from .cells import Measurement


class Summary:
    """The figures by what was measured.

    Of repeated runs the fastest counts, for every provider alike: what else runs on the machine can only add to a time.
    Of requests, calls in flight and memory, the most counts.
    """

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        """Take them in any order."""
        runs = defaultdict(list)
        for found in measurements:
            runs[found.engine, found.count, found.latency, found.variant, found.operation].append(found)
        self._found = {key: _merged(found) for key, found in runs.items()}

    def get(self, engine: str, count: int, latency: int, variant: str, operation: str) -> Measurement | None:
        """One of them, None where it was not measured."""
        return self._found.get((engine, count, latency, variant, operation))

    def select(self, **wanted: object) -> list[Measurement]:
        """Those whose fields have these values, by count."""
        return sorted(
            (
                found
                for found in self._found.values()
                if all(getattr(found, key) == value for key, value in wanted.items())
            ),
            key=lambda found: found.count,
        )

    @property
    def engines(self) -> list[str]:
        """Those that were measured, by name."""
        return sorted({found.engine for found in self._found.values()})


def _merged(runs: list[Measurement]) -> Measurement:
    return replace(
        runs[0],
        seconds=min(found.seconds for found in runs),
        cpu=min(found.cpu for found in runs),
        requests=max(found.requests for found in runs),
        peak=max(found.peak for found in runs),
        memory=max(found.memory for found in runs),
        engine_memory=max(found.engine_memory for found in runs),
    )
