"""Decides which steps an operation needs, as the engine's step generator does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from . import graph
from .checkpoint import Journal
from .diff import DiffResult, ignoring_changes, replace_on_changes
from .display import Display
from .project import Options
from .providers import Providers
from .state import STACK_TYPE, ResourceState, urn_name
from .steps import CreateStep, DeleteStep, ReadStep, SameStep, Step, UpdateStep, how_to_unprotect
from .values import UNKNOWN, FailedError, Properties, equal, go_text


class StoppedError(Exception):
    """The operation has failed, and the user was told why; nothing more is begun."""


@dataclass
class Goal:
    """The desired state of one resource: to register, or to look up by id (`.get`) where it is external."""

    state: ResourceState
    aliases: Iterable[Any] = ()
    """Earlier identities, as the SDK sends them."""
    inherits_retention: bool = False
    """Whether it says nothing of `retain_on_delete`; the SDK itself passes on what else a child inherits."""
    delete_before_replace: bool | None = None


class Generator:
    """The decisions of one operation, and what was decided so far. Used by one thread at a time."""

    def __init__(self, journal: Journal, providers: Providers, sink: Display, options: Options) -> None:
        """Nothing is decided yet."""
        self.journal = journal
        self.providers = providers
        self.sink = sink
        self.options = options
        self.errors = False
        """Whether something was reported that fails the operation in the end."""
        self.olds = journal.base.current()
        """The state before, by URN."""
        self._seen: set[str] = set()
        self._condemned: set[ResourceState] = set()
        """States that are deleted before their own replacement, or before that of what they depend on."""
        self._skipped_creates: set[str] = set()
        self._targets = set(options.target)
        self._taken_over_by: dict[str, str] = {}
        """New URNs by the old ones that they were found under."""
        self._former: dict[str, str] = {}
        """The same the other way round."""

    # What the program asks for

    def register(self, goal: Goal) -> list[Step]:
        """Decide on a resource the program registers, or looks up by id. Raises StoppedError, FailedError."""
        new, given = goal.state, goal.state.inputs
        self._claim(new)
        if new.external:
            return self._lookup(new)
        old = self._old_state(goal)
        # The stack and providers may change whatever the targets are.
        included = not self._targets or new.is_provider or new.type == STACK_TYPE or new.urn in self._targets
        if old is None and not included:
            self._skipped_creates.add(new.urn)
            self.sink.skipped()
            new.inputs = {}
            return []
        if old is None:
            self._check(new, {}, given)
            self._require_dependencies(new)
            return [CreateStep(new)]
        new.created, new.modified = old.created, old.modified
        forced = new.urn in self.options.replace or old.taint
        recreated = old in self._condemned or old.external
        if included:
            inputs, anew = self._ignoring_changes(new, old), forced or recreated
            self._check(new, {} if anew else old.inputs, given if anew else inputs)
        else:
            new.inputs = old.inputs
        if recreated:
            return [CreateStep(new, old)]
        if not included:
            steps = self._leave_alone(old)
            goal.state = steps[-1].subject
            return steps
        diff = replace_on_changes(self._diff(old, new, forced), new.replace_on_changes)
        if old.pending_replacement or (diff.changes and diff.replaces):
            return self._replace(goal, given, old, diff, forced)
        self._require_dependencies(new)
        return [UpdateStep(new, old) if diff.changes else SameStep(new, old)]

    def _lookup(self, new: ResourceState) -> list[Step]:
        if not new.id:
            raise FailedError(f"Expected an ID for {new.urn}")
        old = self.olds.get(new.urn)
        if old is not None:
            new.created, new.modified = old.created, old.modified
        return [ReadStep(new, old)]

    def _claim(self, new: ResourceState) -> None:
        """Make sure that a resource has a parent, and its URN for itself."""
        if new.parent and new.parent not in self._seen:
            raise FailedError(f"could not find parent resource {new.parent}")
        if new.urn in self._seen:
            raise duplicate(new.urn)
        self._seen.add(new.urn)

    def _old_state(self, goal: Goal) -> ResourceState | None:
        """Find the resource in the state before, by its URN or an alias."""
        urn = goal.state.urn
        if other := self._taken_over_by.get(urn):
            raise FailedError(f"Duplicate resource URN '{urn}' conflicting with alias on resource with URN '{other}'")
        if urn in self.olds:
            return self.olds[urn]
        former = graph.former_urns(goal.state, goal.aliases, self._former)
        alias = next((each for each in former if each in self.olds), None)
        if alias is None:
            return None
        owner = urn if alias in self._seen else self._taken_over_by.get(alias)
        if owner:
            raise FailedError(
                f"Duplicate resource alias '{alias}' applied to resource with URN '{urn}' "
                f"conflicting with resource with URN '{owner}'"
            )
        self._taken_over_by[alias] = urn
        self._former[urn] = alias
        goal.state.aliases = [alias]
        return self.olds[alias]

    def _ignoring_changes(self, new: ResourceState, old: ResourceState) -> Properties:
        inputs, invalid = ignoring_changes(new.inputs, old.inputs, new.ignore_changes)
        if invalid:
            text = f'cannot ignore changes in added or removed elements of the path: "{", ".join(invalid)}"'
            self.sink.message("info", text, new.urn)
        return inputs

    def _check(self, new: ResourceState, olds: Properties, news: Properties) -> None:
        """Have the provider check inputs and take its version of them over."""
        new.inputs = news
        if new.is_provider or not new.custom:  # a Python provider accepts any configuration
            return
        new.inputs, failures = self.providers.get(new.provider).check(new.urn, olds, news)
        for name, reason in failures:
            # The CLI prints the value decrypted: so that tests see what users would see, this does the same.
            where = f": property {name} value {go_text(news.get(name))}" if name else ""
            text = f"{new.type} resource '{urn_name(new.urn)}'{where} has a problem: {reason}"
            self.sink.message("error", text, new.urn)
        if failures:
            raise StoppedError

    def _diff(self, old: ResourceState, new: ResourceState, forced: bool) -> DiffResult:
        if forced or bool(old.provider) != bool(new.provider):
            return DiffResult(changes=True, replaces=True)
        if new.is_provider or not new.custom:  # a provider has no say on its configuration: a change never replaces
            return DiffResult(changes=not equal(old.inputs, new.inputs))
        return self._provider_diff(old, new)

    def _provider_diff(self, old: ResourceState, new: ResourceState) -> DiffResult:
        process = self.providers.get(new.provider)
        if not process.config_known:
            self.sink.message(
                "warning",
                "The provider for this resource has inputs that are not known during preview.\n"
                "This preview may not correctly represent the changes that will be applied during an update.",
                old.urn,
            )
            return DiffResult(changes=True)
        return process.diff(old, new.inputs, new.ignore_changes)

    def _fail(self, text: str, urn: str) -> None:
        """Report what is wrong. A preview goes on, so that all that is wrong is seen; an update does not."""
        self.errors = True
        self.sink.message("error", text, urn)
        if not self.options.dry_run:
            raise StoppedError

    # Replacements

    def _replace(self, goal: Goal, given: Properties, old: ResourceState, diff: DiffResult, forced: bool) -> list[Step]:
        new = goal.state
        if new.protect and old.protect:
            advice = how_to_unprotect(new.urn)
            text = f'unable to replace resource "{new.urn}"\nas it is currently marked for protection. {advice}'
            self._fail(text, new.urn)
        if not forced:
            self._check(new, {}, given)
        self._require_dependencies(new)
        first = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
        return [*(self._deletions_before(old, new) if first else []), CreateStep(new, old)]

    def _deletions_before(self, old: ResourceState, new: ResourceState) -> list[Step]:
        """Decide on the deletions that go before a replacement, dependents first."""
        steps: list[Step] = []
        for dependent in reversed(self._dependents_to_replace(old)):
            if dependent.protect:
                raise FailedError(
                    f'unable to replace resource "{dependent.urn}" as part of replacing "{new.urn}" as it is '
                    f"currently marked for protection. {how_to_unprotect(dependent.urn)}"
                )
            waiting = dependent.delete  # for the deletion that an earlier replacement left
            steps.append(DeleteStep(dependent, replacing=not waiting, before_replacement=not waiting))
            self._condemned.add(dependent)
        if not old.pending_replacement:
            steps.append(DeleteStep(old, replacing=True, before_replacement=True))
            self._condemned.add(old)
        return steps

    def _dependents_to_replace(self, root: ResourceState) -> list[ResourceState]:
        """Dependents that cannot outlive `root`: those that an unknown in its place would replace."""
        replaced = {root.urn}
        settled = self._seen | {state.urn for state in self._condemned}
        found: list[ResourceState] = []
        for dependent in graph.dependents_of(root, self.journal.base.resources, ignore=settled):
            if dependent.custom and not dependent.external and self._cannot_outlive(dependent, replaced):
                replaced.add(dependent.urn)
                found.append(dependent)
        return found

    def _cannot_outlive(self, dependent: ResourceState, replaced: set[str]) -> bool:
        if dependent.provider_urn in replaced:
            return True
        lost = {key for key, urns in dependent.property_dependencies.items() if replaced.intersection(urns)}
        if not lost & dependent.inputs.keys() or dependent.is_provider:
            return False
        inputs = {key: UNKNOWN if key in lost else value for key, value in dependent.inputs.items()}
        diff = self._provider_diff(dependent, replace(dependent, inputs=inputs))
        return replace_on_changes(diff, dependent.replace_on_changes).replaces

    # What `--target` leaves alone

    def _leave_alone(self, old: ResourceState) -> list[Step]:
        """Keep what `--target` leaves out, and what it needs, as it is."""
        self._seen.add(old.urn)
        steps: list[Step] = []
        for urn in (old.provider_urn, old.parent, *graph.dependency_urns(old)):
            if urn in self.olds and urn not in self._seen and (needed := self.olds[urn]) not in self._condemned:
                steps += self._leave_alone(needed)
        return [*steps, SameStep(replace(old), old)]

    def _require_dependencies(self, new: ResourceState) -> None:
        """Make sure that nothing `--target` covers needs a resource it leaves out and that is not there yet."""
        for urn in (new.provider_urn, new.parent, *graph.dependency_urns(new)):
            if urn in self._skipped_creates:
                text = f"Resource '{new.urn}' depends on '{urn}' which was was not specified in --target list."
                self._fail(text, new.urn)
                self._skipped_creates.discard(urn)

    # What is left once the program is done

    def deletions(self, needs: graph.Needs) -> tuple[list[Step], list[list[Step]]]:
        """Decide on what the program no longer registers, and on what was replaced.

        Returns steps that keep what `--target` leaves out, and the deletions: groups of steps that may run
        at once, one group after the other.
        """
        deletable = self._deletable()
        keep: list[Step] = []
        doomed: dict[ResourceState, Step] = {}
        for state in self.journal.base.resources:
            lives_on = self._taken_over_by.get(state.urn, state.urn) in self._seen
            if state.urn not in deletable:
                if not state.delete and not lives_on:
                    keep += self._leave_alone(state)
            elif state.delete:
                if state not in self._condemned:
                    doomed[state] = DeleteStep(state, replacing=True)
            elif not lives_on:
                doomed[state] = DeleteStep(state)
        for state in doomed:
            if self._targets and state.urn not in self._targets:
                self.sink.message(
                    "error",
                    f"Resource '{state.urn}' will be destroyed but was not specified in --target list.\n"
                    "Either include resource in --target list or pass --target-dependents to proceed.",
                    state.urn,
                )
                self.errors = True
        if self.errors and not self.options.dry_run:
            raise StoppedError
        return keep, [[doomed[state] for state in group] for group in graph.deletion_order(doomed, needs)]

    def _deletable(self) -> set[str]:
        """URNs that may be deleted: with targets, those and what depends on them."""
        resources = self.journal.base.resources
        if not self._targets:
            return {state.urn for state in resources}
        roots = [state for state in resources if state.urn in self._targets]
        dependents = [state for root in roots for state in graph.dependents_of(root, resources, children=True)]
        return {state.urn for state in (*roots, *dependents)}


def duplicate(urn: str) -> FailedError:
    """Two resources have one URN."""
    return FailedError(f"Duplicate resource URN '{urn}'; try giving it a unique name")
