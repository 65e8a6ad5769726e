"""What was decided so far in an operation, and what every further decision may ask."""

from __future__ import annotations

from . import graph
from .checkpoint import Journal
from .diff import DiffResult, settle
from .display import Display
from .goal import Goal, Identity
from .project import Options, Project
from .providers import Providers
from .state import STACK_TYPE, ResourceState, split_reference
from .values import Properties


class RejectedError(Exception):
    """The operation cannot go on; what is wrong was reported."""


class ProgramError(Exception):
    """What the program asks for makes no sense; the text says why."""


class Ledger:
    """The decisions of one operation. Used by one thread at a time."""

    def __init__(
        self, project: Project, journal: Journal, providers: Providers, sink: Display, options: Options
    ) -> None:
        """Nothing is decided yet."""
        self.project = project
        self.journal = journal
        self.providers = providers
        self.sink = sink
        self.options = options
        self.errors = False
        """Whether something was reported that fails the operation in the end."""
        self.olds: dict[str, ResourceState] = {}
        """The state before, by URN."""
        self.seen: set[str] = set()
        self.decided: dict[str, str] = {}
        """What was decided, by URN: "same", "create", "update", "replace", "read"."""
        self.deleting: set[str] = set()
        self.condemned: set[ResourceState] = set()
        """States that are deleted before the replacement of what they depend on."""
        self.skipped_creates: set[str] = set()
        self.targets = set(options.target)
        self.taken_over_by: dict[str, str] = {}
        """New URNs by the old ones that they were found under."""
        self.former: dict[str, str] = {}
        """The same the other way round."""

    def start(self) -> None:
        """Look at the state before, which a refresh may have replaced until now."""
        self.olds = self.journal.base.current()

    def fail(self, text: str, urn: str) -> None:
        """Report what is wrong. A preview goes on, so that all that is wrong is seen; an update does not."""
        self.errors = True
        self.sink.error(text, urn)
        if not self.options.dry_run:
            raise RejectedError

    def identity(self, goal: Goal) -> Identity:
        """What makes up the URN of what the program registers."""
        return Identity(self.project.stack, self.project.name, goal.state.parent, goal.state.type, goal.name)

    def new_urn(self, goal: Goal) -> str:
        """The URN of a resource, which no other may have in this operation."""
        parent, urn = goal.state.parent, self.identity(goal).urn
        if parent and parent not in self.seen:
            raise ProgramError(f"could not find parent resource {parent}")
        if urn in self.seen:
            raise self.duplicate(urn)
        self.seen.add(urn)
        return urn

    def duplicate(self, urn: str) -> RejectedError:
        """Report that two resources have one URN."""
        self.sink.error(f"Duplicate resource URN '{urn}'; try giving it a unique name", urn)
        return RejectedError()

    def old_state(self, goal: Goal, urn: str) -> tuple[ResourceState | None, str, bool]:
        """Find the resource in the base, by its URN or an alias; says which alias, and if all is in order."""
        valid = True
        if other := self.taken_over_by.get(urn):
            self.sink.error(
                f"Duplicate resource URN '{urn}' conflicting with alias on resource with URN '{other}'", urn
            )
            valid = False
        for candidate in (urn, *self.identity(goal).former_urns(goal.aliases, self.former)):
            if candidate not in self.olds:
                continue
            if candidate == urn:
                return self.olds[urn], "", valid
            owner = urn if candidate in self.seen else self.taken_over_by.get(candidate)
            if owner:
                self.sink.error(
                    f"Duplicate resource alias '{candidate}' applied to resource with URN '{urn}' "
                    f"conflicting with resource with URN '{owner}'",
                    urn,
                )
                valid = False
            self.taken_over_by[candidate] = urn
            self.former[urn] = candidate
            return self.olds[candidate], candidate, valid
        return None, "", valid

    def provider_diff(
        self, old: ResourceState, inputs: Properties, provider: str, ignore_changes: list[str]
    ) -> DiffResult:
        """Ask the provider, and compare where it leaves that to the engine."""
        process = self.providers.get(provider)
        if not process.config_known:
            self.sink.message(
                "warning",
                "The provider for this resource has inputs that are not known during preview.\n"
                "This preview may not correctly represent the changes that will be applied during an update.",
                old.urn,
            )
            return DiffResult(changes=True)
        return settle(process.diff(old, inputs, ignore_changes), old.inputs, inputs, ignore_changes)

    def operated_on(self, urn: str) -> bool:
        """Whether a resource of the state before lives on, by this or a new URN."""
        return self.decided.get(self.taken_over_by.get(urn, urn), "create") != "create"

    def includes(self, new: ResourceState) -> bool:
        """Whether `--target` lets a resource change; the stack and providers always may."""
        return not self.targets or new.is_provider or new.type == STACK_TYPE or new.urn in self.targets

    def require_dependencies(self, new: ResourceState) -> None:
        """Make sure that nothing `--target` covers needs a resource it leaves out and that is not there yet."""
        for urn in (new.provider_urn, new.parent, *graph.dependency_urns(new)):
            if urn in self.skipped_creates:
                text = f"Resource '{new.urn}' depends on '{urn}' which was was not specified in --target list."
                self.fail(text, new.urn)
                self.skipped_creates.discard(urn)

    def ensure_provider(self, state: ResourceState) -> None:
        """Start the provider of a resource that only the state knows, from the state."""
        if not state.provider:
            return
        wanted = split_reference(state.provider)
        for candidate in self.journal.base.resources:
            if (candidate.urn, candidate.id) == wanted:
                self.providers.ensure(candidate.urn, candidate.id, candidate.inputs)
                return
        raise ProgramError(
            f"could not load provider for resource {state.urn}: could not find provider {state.provider}"
        )
