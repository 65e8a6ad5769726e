"""How the time of an operation grows with the number of instances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from .cells import OPERATIONS, Measurement
from .summary import Summary


@dataclass(frozen=True)
class Growth:
    """``seconds = start + each × N + pair × N²``; no part is negative."""

    start: float
    each: float
    pair: float

    def quadratic(self, count: int) -> float:
        """The share of the quadratic part at a count."""
        squares = self.pair * count**2
        return squares / (self.start + self.each * count + squares)


def growths(summary: Summary) -> Iterator[tuple[str, int, str, str, Growth]]:
    """Engine, latency, operation, variant and growth, wherever three counts or more were measured at a latency."""
    for engine, operation, variant in product(summary.engines, OPERATIONS, ("floor", "ours")):
        found = summary.select(engine=engine, operation=operation, variant=variant)
        latency = most_measured_latency(found)
        row = [each for each in found if each.latency == latency]
        if len(row) >= 3:
            yield engine, latency, operation, variant, _fit(row)


def most_measured_latency(found: Sequence[Measurement]) -> int:
    """The latency of the most of these; of several, the lowest."""
    latencies = [each.latency for each in found]
    return max(sorted(set(latencies)), key=latencies.count, default=0)


def _fit(found: Sequence[Measurement]) -> Growth:
    """Least squares of the relative errors, over every choice of parts: the best without a negative one."""
    counts = np.array([each.count for each in found], dtype=float)
    seconds = np.array([each.seconds for each in found])
    best, error = Growth(float(seconds.mean()), 0, 0), float("inf")
    for size in (1, 2, 3):
        for powers in combinations(range(3), size):
            table = np.stack([counts**power / seconds for power in powers], axis=1)
            factors, *_ = np.linalg.lstsq(table, np.ones(len(found)), rcond=None)
            off = float(np.square(table @ factors - 1).sum())
            if (factors >= 0).all() and off < error:
                parts = dict(zip(powers, factors.tolist(), strict=True))
                best, error = Growth(*(parts.get(power, 0.0) for power in range(3))), off
    return best
