"""Internal: what a run over many stacks has done, in Python and as JSON (docs/fleets.md, "The report")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from ..core.errors import InstancesError

Operation = Literal["preview", "up", "refresh", "destroy", "drift"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)

Status = Literal["succeeded", "drifted", "failed", "locked", "interrupted", "not started"]
"""What became of a stack.

- ``drifted``: the operation `drift` has found differences.
- ``locked``: another run has the stack, at both tries.
- ``interrupted``: the run was asked to stop, or its worker is gone: what it has done is not known, see ``--recover``.
- ``not started``: nothing was done, since the fleet was stopped before.
"""

_DONE = ("succeeded", "drifted")


class FleetError(InstancesError):
    """A run over many stacks that cannot start, with what to do about it. Nothing was done."""


class Lock(NamedTuple):
    """A lock of a stack: the name of its file, and the machine and the process that have made it."""

    name: str
    machine: str
    process: int


@dataclass(frozen=True)
class Outcome:
    """What became of one stack.

    ``changes`` counts resources by what the engine did with them, such as ``{"create": 3, "same": 1}``; for `drift`,
    ``{"differ": 2, "same": 3}``. ``message`` is the line that says what is wrong, and ``log`` the file with all output,
    on the ``machine`` that ran the operation.
    """

    stack: str
    status: Status
    machine: str = ""
    seconds: float = 0.0
    changes: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    log: str = ""
    locks: Sequence[Lock] = ()
    """The locks of the stack, where the CLI has reported them."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        keys = ("stack", "status", "machine", "seconds", "changes", "message", "log")
        values: dict[str, Any] = {key: getattr(self, key) for key in keys}
        return {**values, "seconds": round(self.seconds, 1), "changes": dict(self.changes)}


@dataclass(frozen=True)
class Report:
    """What a run over many stacks has done. ``outcomes`` has one entry for each stack, by name."""

    operation: Operation
    outcomes: Sequence[Outcome]
    seconds: float

    @property
    def changes(self) -> dict[str, int]:
        """The sum of the changes of all stacks."""
        total: Counter[str] = Counter()
        for outcome in self.outcomes:
            total.update(outcome.changes)
        return dict(total)

    @property
    def failed(self) -> list[Outcome]:
        """The stacks for which the operation did not end well, those that were not started included."""
        return [outcome for outcome in self.outcomes if outcome.status not in _DONE]

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0, 1 if a stack has failed, or else 2 if drift was found."""
        if self.failed:
            return 1
        return 2 if any(outcome.status == "drifted" for outcome in self.outcomes) else 0

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` writes it."""
        return {
            "operation": self.operation,
            "seconds": round(self.seconds, 1),
            "changes": self.changes,
            "stacks": [outcome.as_json() for outcome in self.outcomes],
        }
