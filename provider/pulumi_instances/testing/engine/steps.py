"""The steps an operation is made of: what each does, and what it leaves in the state."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Generic, TypeVar

from .providers import Providers
from .state import ResourceState, now
from .values import UNKNOWN_SENTINEL, FailedError, Secret, equal

Old = TypeVar("Old", ResourceState, "ResourceState | None")


class ProtectedError(FailedError):
    """A protected resource would be deleted. Other deletions go on, so that all such errors are seen at once."""


class Step(ABC):
    """One change of one resource."""

    op: str
    logical: bool = True
    """Whether the summary counts it."""
    pending: str = ""
    """What the checkpoint calls the operation while it runs; "" for none."""
    subject: ResourceState
    """The state this step is about: the new one, if there is one."""
    old: ResourceState | None

    @property
    def urn(self) -> str:
        """The resource's URN."""
        return self.subject.urn

    @abstractmethod
    def apply(self, providers: Providers) -> list[ResourceState]:
        """Do it. Returns which of the new and the old state are there now. Raises FailedError."""


class Making(Step, Generic[Old]):
    """A step that ends with a state; each kind of step says whether there must be one before it."""

    def __init__(self, new: ResourceState, old: Old) -> None:
        """`new` is completed when the step is applied."""
        self.subject = self.new = new
        self.old: Old = old


class SameStep(Making[ResourceState]):
    """Nothing changes but what the engine notes of the resource: options, inputs the provider finds equal."""

    op = "same"

    def apply(self, providers: Providers) -> list[ResourceState]:
        """Carry id and outputs over, and inputs that are equal, so that their secrets keep their ciphertexts."""
        old, new = self.old, self.new
        new.id, new.outputs = old.id, old.outputs
        if equal(old.inputs, new.inputs):
            new.inputs = old.inputs
        if new.is_provider:
            providers.register(new.reference, new.inputs)
        return [new]


class CreateStep(Making["ResourceState | None"]):
    """Make a resource, or its replacement."""

    pending = "creating"

    def __init__(self, new: ResourceState, old: ResourceState | None = None) -> None:
        """With `old`, it is a replacement."""
        super().__init__(new, old)
        self.op = "create-replacement" if old else "create"

    def apply(self, providers: Providers) -> list[ResourceState]:
        """Create. The old state goes now if its object already went; else it waits for its deletion."""
        new = self.new
        if new.is_provider:
            new.id = "" if providers.dry_run else str(uuid.uuid4())
            new.outputs = dict(new.inputs)
            providers.register(new.reference, new.inputs)
        elif new.custom:
            new.id, new.outputs = providers.get(new.provider).create(new.urn, new.inputs)
        new.created = new.modified = now()
        if self.old is None or self.old.pending_replacement:
            return [new]
        self.old.delete = True
        return [new, self.old]


class UpdateStep(Making[ResourceState]):
    """Change a resource in place; `new` has the new inputs."""

    op = "update"
    pending = "updating"

    def apply(self, providers: Providers) -> list[ResourceState]:
        """Update. The provider knows the object under the new URN from now on."""
        old, new = self.old, self.new
        new.id = old.id
        if new.is_provider:
            providers.register(new.reference, new.inputs)
            new.outputs = dict(new.inputs)
        elif new.custom:
            new.outputs = providers.get(new.provider).update(new.urn, old, new.inputs)
        new.modified = now()
        return [new]


class ReadStep(Making["ResourceState | None"]):
    """Look a resource up by id (`.get`). Runs in previews too, when the id is known."""

    pending = "reading"

    def __init__(self, new: ResourceState, old: ResourceState | None) -> None:
        """A resource of ours that had the URN under another id is now to be deleted."""
        super().__init__(new, old)
        self.op = "read-replacement" if old and not old.external and old.id != new.id else "read"

    def apply(self, providers: Providers) -> list[ResourceState]:
        """Read, with the inputs as the only state there is. It is counted when it gives something new."""
        old, new = self.old, self.new
        provider = providers.get(new.provider)
        new.outputs = {}
        if new.id != UNKNOWN_SENTINEL and provider.config_known:
            id_, new.outputs, _ = provider.read(replace(new, outputs=new.inputs))
            new.id = id_ or new.id
            mark_secrets(new)
        if old is None or not (equal(old.inputs, new.inputs) and equal(old.outputs, new.outputs)):
            new.modified = now()
        if old is not None and self.op == "read-replacement":
            old.delete = True
            return [new, old]
        self.logical = old is not None and not equal(old.outputs, new.outputs)
        return [new]


class RefreshStep(Step):
    """Bring the state of one resource in line with what is there."""

    op = "refresh"
    logical = False
    old: ResourceState

    def __init__(self, old: ResourceState) -> None:
        """Until it is applied, the state is what it was."""
        self.subject = self.old = old
        self.new: ResourceState | None = old
        self.result = "same"
        """What became of the resource: "delete", "update" or "same"."""

    def apply(self, providers: Providers) -> list[ResourceState]:
        """Read, take outputs and inputs over, and compare as the next update would.

        Refreshed states are taken over all at once, as the base of what follows.
        """
        old = self.old
        if not old.custom or old.is_provider or old.pending_replacement:
            return [old]
        provider = providers.get(old.provider)
        id_, outputs, inputs = provider.read(old)
        if not id_:
            self.new, self.result = None, "delete"
            return [old]
        self.new = new = replace(old, id=id_, outputs=outputs, inputs=old.inputs if inputs is None else inputs)
        mark_secrets(new)
        outputs_differ = not equal(old.outputs, new.outputs)
        if outputs_differ or not equal(old.inputs, new.inputs):
            new.modified = now()
        changed: bool | None = outputs_differ
        if not old.external:  # an update would go from what is there to what the program said
            changed = provider.diff(new, old.inputs, old.ignore_changes).changes
        self.result = "update" if changed else "same"
        return [old]


class DeleteStep(Step):
    """Remove a resource."""

    pending = "deleting"
    old: ResourceState

    def __init__(self, old: ResourceState, *, replacing: bool = False, before_replacement: bool = False) -> None:
        """`replacing`: as part of a replacement; `before_replacement`: its replacement is still to come."""
        self.subject = self.old = old
        self.before_replacement = before_replacement
        self.forgotten = old.pending_replacement and not replacing
        """Whether the object is long gone, and its replacement never came."""
        self.logical = not replacing and not self.forgotten
        op = ("discard" if old.external else "delete") + ("-replaced" if replacing else "")
        self.op = "remove-pending-replace" if self.forgotten else op

    def apply(self, providers: Providers) -> list[ResourceState]:
        """Delete, unless the object is not ours to delete. Raises ProtectedError.

        A state whose replacement is still to come stays, so that a failure in between is repaired.
        """
        old = self.old
        if old.protect and self.logical:
            raise ProtectedError(
                f'resource "{old.urn}" cannot be deleted\nbecause it is protected. {how_to_unprotect(old.urn)}'
            )
        if old.custom and not (old.is_provider or old.external or old.retain_on_delete or self.forgotten):
            providers.get(old.provider).delete(old)
        if not self.before_replacement:
            return []
        old.pending_replacement = True
        return [old]


def how_to_unprotect(urn: str) -> str:
    """Advice on a protected resource that is in the way."""
    return (
        "To unprotect the resource, remove the `protect` flag from the resource in your Pulumi program and run "
        f"`pulumi up`, or use the command:\n`pulumi state unprotect '{urn}'`"
    )


def mark_secrets(state: ResourceState) -> None:
    """Make secret what options or secret inputs say is secret."""
    hidden = [key for key, value in state.inputs.items() if isinstance(value, Secret)]
    for key in {*state.additional_secret_outputs, *hidden} & state.outputs.keys() - {"id"}:
        if not isinstance(state.outputs[key], Secret):
            state.outputs[key] = Secret(state.outputs[key])
