"""The steps an operation is made of: what each does, and what it leaves in the state."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from .decide import SAME, DiffResult
from .plugins import ProviderProcess
from .providers import Providers
from .state import ResourceState, now
from .values import Secret, equal, is_secret


@dataclass(frozen=True)
class Surroundings:
    """What steps need from the operation they belong to."""

    providers: Providers
    dry_run: bool
    deleting: Collection[str]
    """URNs that this operation deletes; live."""

    def provider_of(self, state: ResourceState) -> ProviderProcess:
        """The provider that manages a resource."""
        return self.providers.get(state.provider)


class Step:
    """One change, from `old` to `new`."""

    op: str
    logical: ClassVar[bool] = True
    pending: ClassVar[str] = ""
    """What the checkpoint calls the operation while it runs; "" for none."""

    def __init__(self, old: ResourceState | None, new: ResourceState | None, diff: DiffResult = SAME) -> None:
        """`diff` is what the display shows."""
        self.old = old
        self.new = new
        self.diff = diff

    @property
    def resource(self) -> ResourceState:
        """The state this step is about."""
        state = self.new or self.old
        assert state is not None  # noqa: S101 -- every step has a side
        return state

    @property
    def urn(self) -> str:
        """The resource's URN."""
        return self.resource.urn

    def apply(self, around: Surroundings) -> None:
        """Do it. Raises ProviderError."""

    def made(self) -> Sequence[ResourceState]:
        """States that are in the checkpoint after success."""
        return [self.new] if self.new else []

    def gone(self) -> Sequence[ResourceState]:
        """States that are no longer in the checkpoint after success."""
        return [self.old] if self.old else []

    def mark_secrets(self) -> None:
        """Make secret what options or secret inputs say is secret (engine-facts 2.7)."""
        if self.new is None:
            return
        outputs = self.new.outputs
        for key in self.new.additional_secret_outputs:
            if key in outputs and key != "id" and not is_secret(outputs[key]):
                outputs[key] = Secret(outputs[key])
        for key, value in self.new.inputs.items():
            if is_secret(value) and key in outputs and not is_secret(outputs[key]):
                outputs[key] = Secret(outputs[key])


class SameStep(Step):
    """Nothing changes but what the engine notes of the resource: options, inputs the provider finds equal."""

    op = "same"

    def __init__(self, old: ResourceState, new: ResourceState, *, skipped_create: bool = False) -> None:
        """A create that `--target` leaves out is a same step that leaves nothing in the state."""
        super().__init__(old, new)
        self.before, self.after = old, new
        self.skipped_create = skipped_create

    def apply(self, around: Surroundings) -> None:
        """Carry id and outputs over, and inputs that are equal, so that their secrets keep their ciphertexts."""
        self.after.id = self.before.id
        self.after.outputs = self.before.outputs
        if equal(self.before.inputs, self.after.inputs):
            self.after.inputs = self.before.inputs
        if self.after.is_provider and not self.skipped_create:
            configured = self.after.copy()
            configured.inputs = self.before.inputs
            around.providers.same(configured)
            around.providers.rename(self.before.urn, self.after.urn, self.after.id)

    def made(self) -> Sequence[ResourceState]:
        """The new state, unless nothing was made."""
        return [] if self.skipped_create else [self.after]

    def matters(self) -> bool:
        """Whether the checkpoint must be written at once: something but the source position changed."""
        ignored = {"source_position", "inputs", "outputs", "aliases"}
        old, new = vars(self.before), vars(self.after)
        return any(old[key] != new[key] for key in old.keys() - ignored) or not (
            equal(self.before.inputs, self.after.inputs) and equal(self.before.outputs, self.after.outputs)
        )


class CreateStep(Step):
    """Make a resource, or its replacement; the old one is then pending deletion unless it went before."""

    pending = "creating"

    def __init__(
        self,
        new: ResourceState,
        old: ResourceState | None = None,
        diff: DiffResult = SAME,
        *,
        delete_old_later: bool = False,
    ) -> None:
        """With `old`, it is a replacement."""
        super().__init__(old, new, diff)
        self.after = new
        self.delete_old_later = delete_old_later
        self.op = "create-replacement" if old else "create"

    @property
    def logical(self) -> bool:  # type: ignore[override]
        """A replacement is counted once, by its ReplaceStep."""
        return self.old is None

    def apply(self, around: Surroundings) -> None:
        """Call the provider's create; in a preview the inputs stand for the outputs (engine-facts 2.6)."""
        new = self.after
        if new.is_provider:
            new.id = around.providers.create(new.urn, new.inputs)
            new.outputs = dict(new.inputs)
        elif new.custom:
            provider = around.provider_of(new)
            if around.dry_run:
                new.outputs = dict(new.inputs) if provider.config_known else {}
            else:
                new.id, new.outputs = provider.create(new.urn, new.inputs)
        new.created = new.modified = now()
        if self.old is not None and self.delete_old_later:
            self.old.delete = True

    def gone(self) -> Sequence[ResourceState]:
        """The old state goes now only if its object already went."""
        return [self.old] if self.old and self.old.pending_replacement else []


class UpdateStep(Step):
    """Change a resource in place."""

    op = "update"
    pending = "updating"

    def __init__(self, old: ResourceState, new: ResourceState, diff: DiffResult) -> None:
        """`new` has the new inputs."""
        super().__init__(old, new, diff)
        self.before, self.after = old, new

    def apply(self, around: Surroundings) -> None:
        """Call the provider's update; in a preview the new inputs stand for the outputs."""
        old, new = self.before, self.after
        new.id, new.created, new.modified = old.id, old.created, old.modified
        if new.is_provider:
            around.providers.configure(new.urn, new.id, new.inputs)
            around.providers.rename(old.urn, new.urn, new.id)
            new.outputs = dict(new.inputs)
        elif new.custom:
            provider = around.provider_of(new)
            if around.dry_run:
                new.outputs = dict(new.inputs) if provider.config_known else {}
            else:
                # The object is known to the provider under the new URN from now on.
                known = old.copy()
                known.urn = new.urn
                new.outputs = provider.update(known, new.inputs)
        else:
            return
        new.modified = now()


class ReplaceStep(Step):
    """Stands for a replacement as a whole, in the display and in the counts."""

    op = "replace"

    def made(self) -> Sequence[ResourceState]:
        """Nothing: the steps it stands for do that."""
        return []

    def gone(self) -> Sequence[ResourceState]:
        """Nothing: the steps it stands for do that."""
        return []

    def mark_secrets(self) -> None:
        """Leave the states to the steps it stands for."""
