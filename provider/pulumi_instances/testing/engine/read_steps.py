"""Steps that look at what is there: lookups and refreshes."""

from __future__ import annotations

from collections.abc import Sequence

from . import objectdiff
from .decide import DiffResult, settle
from .state import UNKNOWN_ID, ResourceState, now
from .steps import Step, Surroundings
from .values import equal


class ReadStep(Step):
    """Look a resource up by id (`.get`). Runs in previews too, when the id is known."""

    pending = "reading"

    def __init__(self, old: ResourceState | None, new: ResourceState, *, replacing: bool = False) -> None:
        """`replacing`: the URN was ours under another id, which is now to be deleted."""
        super().__init__(old, new)
        self.after = new
        self.replacing = replacing
        self.op = "read-replacement" if replacing else "read"

    @property
    def logical(self) -> bool:  # type: ignore[override]
        """A replacement is counted once, by its ReplaceStep."""
        return not self.replacing

    def apply(self, around: Surroundings) -> None:
        """Call the provider's read with the inputs as the only state there is (engine-facts 2.9)."""
        new = self.after
        provider = around.provider_of(new)
        if new.id == UNKNOWN_ID or not provider.config_known:
            new.outputs = {}
        else:
            found = provider.read(new.urn, new.id, new.inputs, new.inputs)
            new.outputs = found.outputs
            new.id = found.id or new.id
        if self.old is not None:
            if self.replacing:
                self.old.delete = True
            new.created, new.modified = self.old.created, self.old.modified
            if not equal(self.old.inputs, new.inputs) or not equal(self.old.outputs, new.outputs):
                new.modified = now()

    def gone(self) -> Sequence[ResourceState]:
        """The earlier lookup; a resource of ours stays until it is deleted."""
        return [self.old] if self.old and not self.replacing else []

    def counts(self) -> bool:
        """Whether the summary counts it: only when a lookup gives something new."""
        return self.old is not None and objectdiff.compare(self.old.outputs, self.after.outputs) is not None


class RefreshStep(Step):
    """Bring the state of one resource in line with what is there."""

    op = "refresh"
    logical = False

    def __init__(self, old: ResourceState) -> None:
        """Until it is applied, the state is what it was."""
        super().__init__(old, old)
        self.before = old

    def apply(self, around: Surroundings) -> None:
        """Read, take outputs and inputs over, and compare as the next update would (engine-facts 2.8)."""
        old = self.before
        if not old.custom or old.is_provider or old.pending_replacement:
            return
        provider = around.provider_of(old)
        found = provider.read(old.urn, old.id, old.inputs, old.outputs)
        if not found.id:
            self.new = None
            return
        new = self.new = old.copy()
        new.id = found.id
        new.outputs = found.outputs
        new.inputs = old.inputs if found.inputs is None else found.inputs
        if not equal(old.inputs, new.inputs) or not equal(old.outputs, new.outputs):
            new.modified = now()
        if old.external:
            self.diff = DiffResult(changes=objectdiff.compare(old.outputs, new.outputs) is not None)
            return
        # An update would go from what is there to what the program said: the display wants the opposite.
        diff = settle(provider.diff(new, old.inputs, old.ignore_changes), new.inputs, old.inputs, old.ignore_changes)
        detailed = diff.detailed and {path: objectdiff.INVERSE[kind] for path, kind in diff.detailed.items()}
        self.diff = DiffResult(diff.changes, changed=diff.changed, detailed=detailed)

    def made(self) -> Sequence[ResourceState]:
        """Nothing: refreshed states are taken over all at once, as the base of what follows."""
        return []

    def gone(self) -> Sequence[ResourceState]:
        """Nothing, see `made`."""
        return []

    @property
    def result(self) -> str:
        """What became of the resource: "delete", "update" or "same"."""
        if self.new is None:
            return "delete"
        return "update" if self.diff.changes else "same"
