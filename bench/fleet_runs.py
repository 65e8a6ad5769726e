"""What a run over many stacks has taken."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FleetRun:
    """One run of one operation over all stacks."""

    way: str
    at_once: int
    """How many stacks run at once: on a cluster, one on each worker."""
    create: float
    """Seconds that the API takes for a create."""
    operation: str
    stacks: int
    seconds: float
    cpu: float
    """Seconds of CPU of all processes, those of the API, the database, the scheduler and the workers included."""
    cores: int = os.cpu_count() or 1

    def __str__(self) -> str:
        """A line for people."""
        return (
            f"{self.way:10} {self.at_once} at once, {self.create:g} s for a create  {self.operation:8}"
            f" {self.per_minute:4.0f} stacks a minute, {self.cpu_each:.2f} s of CPU for each"
        )

    @property
    def per_minute(self) -> float:
        """How many stacks a minute."""
        return 60 * self.stacks / self.seconds

    @property
    def cpu_each(self) -> float:
        """Seconds of CPU for one stack."""
        return self.cpu / self.stacks

    @property
    def most(self) -> float:
        """How many stacks a minute the cores allow, if they never wait."""
        return 60 * self.cores / self.cpu_each


def fastest(runs: Sequence[FleetRun], way: str, at_once: int, operation: str, *, slow: bool = False) -> FleetRun | None:
    """The fastest of repeated runs, None where there is none."""
    wanted = (way, at_once, operation, slow)
    found = [each for each in runs if (each.way, each.at_once, each.operation, each.create > 0) == wanted]
    return min(found, key=lambda each: each.seconds, default=None)
