"""Steps that take a resource away."""

from __future__ import annotations

from collections.abc import Sequence

from .state import ResourceState
from .steps import Step, Surroundings


class ProtectedError(Exception):
    """A protected resource would be deleted. Other deletions go on, so that all such errors are seen at once."""


class DeleteStep(Step):
    """Remove a resource."""

    pending = "deleting"

    def __init__(self, old: ResourceState, *, replacing: bool = False, before_replacement: bool = False) -> None:
        """`replacing`: as part of a replacement; `before_replacement`: its replacement is still to come."""
        super().__init__(old, None)
        self.before = old
        self.replacing = replacing
        self.before_replacement = before_replacement
        if old.external:
            self.op = "discard-replaced" if replacing else "discard"
        else:
            self.op = "delete-replaced" if replacing else "delete"

    @property
    def logical(self) -> bool:  # type: ignore[override]
        """A replacement is counted once, by its ReplaceStep."""
        return not self.replacing

    def apply(self, around: Surroundings) -> None:
        """Call the provider's delete, unless the object is not ours to delete. Raises ProtectedError."""
        old = self.before
        if old.protect and not self.replacing:
            raise ProtectedError(
                f'resource "{old.urn}" cannot be deleted\n'
                "because it is protected. To unprotect the resource, either remove the `protect` flag from the "
                "resource in your Pulumi program and run `pulumi up`, or use the command:\n"
                f"`pulumi state unprotect '{old.urn}'`"
            )
        kept = old.external or old.retain_on_delete or old.deleted_with in around.deleting
        if old.custom and not old.is_provider and not kept and not around.dry_run:
            around.provider_of(old).delete(old)
        if self.before_replacement:
            old.pending_replacement = True

    def gone(self) -> Sequence[ResourceState]:
        """A state whose replacement is still to come stays, so that a failure in between is repaired."""
        return [] if self.before.pending_replacement else [self.before]


class ForgetStep(Step):
    """Drop the state of a replaced resource whose replacement never came; the object is long gone."""

    op = "remove-pending-replace"
    logical = False

    def __init__(self, old: ResourceState) -> None:
        """`old` is pending replacement."""
        super().__init__(old, None)
