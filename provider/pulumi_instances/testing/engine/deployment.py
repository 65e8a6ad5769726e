"""The resources of a stack during one operation: what each registration needs is decided as the engine does, and done.

`Operation` calls it, for one registration at a time. The facts that it follows are in docs/engine.md.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from .diff import DiffResult, ignoring_changes, replace_on_changes
from .display import Display, is_default_provider
from .providers import Providers
from .state import ResourceState, former_urns, urn_name
from .values import UNKNOWN_SENTINEL, FailedError, Properties, Secret, equal, unwrap

Result = TypeVar("Result")

WIDTH = 32
"""How many resources are read or deleted at once. They are made and changed one by one."""


class StoppedError(Exception):
    """The operation has failed, and has shown why; no further step begins."""


@dataclass
class Goal:
    """The desired state of one resource: to register, or to look up by id (`.get`) where it is external."""

    state: ResourceState
    aliases: Iterable[str] = ()
    """Its earlier URNs, as the SDK works them out."""
    inherits_retention: bool = False
    """Whether it takes `retain_on_delete` from its parent; the SDK itself passes on what else a child inherits."""


class Deployment:
    """The resources of a stack while an operation changes them. Its methods are called by one thread at a time."""

    def __init__(
        self, resources: list[ResourceState], providers: Providers, display: Display, *, dry_run: bool
    ) -> None:
        """Begin with the state before."""
        self._base = resources
        """Resources of the state before that no step has replaced or removed, dependencies first."""
        self._made: list[ResourceState] = []
        """Resources that this operation has made, kept or read, in that order."""
        self._providers = providers
        self._display = display
        self._dry_run = dry_run
        self._lock = threading.Lock()
        self.failed = False
        """Whether an error was shown that fails the operation."""
        self.olds = self._current()
        """The state before, by URN."""
        self.registered: dict[str, ResourceState] = {}
        """Resources whose step is done, by URN."""
        self._seen: set[str] = set()
        self._taken_over_by: dict[str, str] = {}
        """New URNs by the old ones that they were found under."""
        self._former: dict[str, str] = {}
        """The same the other way round."""

    @property
    def resources(self) -> list[ResourceState]:
        """The state as it is now, dependencies first."""
        return [*self._made, *self._base]

    def _current(self) -> dict[str, ResourceState]:
        return {state.urn: state for state in self._base if not state.delete}

    # What the program asks for

    def register(self, goal: Goal) -> ResourceState:
        """Do what a resource needs that the program registers, or looks up by id. Raises StoppedError, FailedError."""
        new, given = goal.state, goal.state.inputs
        self._claim(new)
        if new.external:
            self._read(new)
            return new
        old = self._old_state(goal)
        if old is None:
            self._check(new, {}, given)
            self._create(new)
            return new
        if old.external:
            self._check(new, {}, given)
            self._create(new, old)
            return new
        self._check(new, old.inputs, self._ignoring_changes(new, old))
        diff = replace_on_changes(self._diff(old, new), new.replace_on_changes)
        if diff.changes and diff.replaces:
            self._replace(new, given, old)
        elif diff.changes:
            self._update(new, old)
        else:
            self._keep(new, old)
        return new

    def _claim(self, new: ResourceState) -> None:
        """Raise FailedError where the parent of a resource is not registered, or its URN is already."""
        if new.parent and new.parent not in self._seen:
            raise FailedError(f"could not find parent resource {new.parent}")
        if new.urn in self._seen:
            raise FailedError(f"Duplicate resource URN '{new.urn}'; try giving it a unique name")
        self._seen.add(new.urn)

    def _old_state(self, goal: Goal) -> ResourceState | None:
        """Find the resource in the state before, by its URN or an alias."""
        urn = goal.state.urn
        if other := self._taken_over_by.get(urn):
            raise FailedError(f"Duplicate resource URN '{urn}' conflicting with alias on resource with URN '{other}'")
        if urn in self.olds:
            return self.olds[urn]
        former = former_urns(urn, goal.state.parent, goal.aliases, self._former)
        alias = next((each for each in former if each in self.olds), None)
        if alias is None:
            return None
        if owner := urn if alias in self._seen else self._taken_over_by.get(alias):
            raise FailedError(
                f"Duplicate resource alias '{alias}' applied to resource with URN '{urn}' "
                f"conflicting with resource with URN '{owner}'"
            )
        self._taken_over_by[alias] = urn
        self._former[urn] = alias
        return self.olds[alias]

    def _ignoring_changes(self, new: ResourceState, old: ResourceState) -> Properties:
        inputs, invalid = ignoring_changes(new.inputs, old.inputs, new.ignore_changes)
        if invalid:
            text = f'cannot ignore changes in added or removed elements of the path: "{", ".join(invalid)}"'
            self._display.message("info", text, new.urn)
        return inputs

    def _check(self, new: ResourceState, olds: Properties, news: Properties) -> None:
        """Have the provider check inputs, and take what it returns. Raises StoppedError for a failure."""
        new.inputs = news
        if new.is_provider or not new.custom:  # a Python provider accepts any configuration
            return
        new.inputs, failures = self._providers.get(new.provider).check(new.urn, olds, news)
        for name, reason in failures:
            # The CLI prints the value decrypted, and so does this: tests see what users would see.
            where = f": property {name} value {unwrap(news.get(name))}" if name else ""
            text = f"{new.type} resource '{urn_name(new.urn)}'{where} has a problem: {reason}"
            self._display.message("error", text, new.urn)
        if failures:
            raise StoppedError

    def _diff(self, old: ResourceState, new: ResourceState) -> DiffResult:
        if bool(old.provider) != bool(new.provider):
            return DiffResult(changes=True, replaces=True)
        if new.is_provider or not new.custom:  # a change of a provider's configuration never replaces
            return DiffResult(changes=not equal(old.inputs, new.inputs))
        return self._providers.get(new.provider).diff(old, new.inputs, new.ignore_changes)

    # Steps

    @contextmanager
    def _step(self, op: str, state: ResourceState, counted: str) -> Iterator[None]:
        """Show and count a step. Raises StoppedError when it fails."""
        self._display.step(op, state.urn, "planned" if self._dry_run else "begun")
        try:
            yield
        except FailedError as error:
            self.failed = True
            urn = "" if is_default_provider(state.urn) else state.urn
            self._display.message("error", f"{'Preview failed: ' if self._dry_run else ''}{error}", urn)
            if not self._dry_run:
                self._display.step(op, state.urn, "failed")
            raise StoppedError from None
        if counted and not is_default_provider(state.urn):
            self._display.count(counted)
        if not self._dry_run:
            self._display.step(op, state.urn, "done")

    def _report(self, text: str, urn: str) -> None:
        """Show an error. A preview goes on, so that it shows all errors; an update raises StoppedError."""
        self.failed = True
        self._display.message("error", text, urn)
        if not self._dry_run:
            raise StoppedError

    def _put(self, new: ResourceState, old: ResourceState | None = None) -> None:
        """Put `new` into the state, in the place of `old`."""
        _mark_secrets(new)
        self._made.append(new)
        self.registered[new.urn] = new
        if old is not None:
            self._base.remove(old)

    def _create(self, new: ResourceState, old: ResourceState | None = None) -> None:
        """Make a resource, or the replacement of ``old``, which waits for its deletion then."""
        op, counted = ("create-replacement", "replace") if old else ("create", "create")
        with self._step(op, new, counted):
            if new.is_provider:
                new.id = "" if self._dry_run else str(uuid.uuid4())
                new.outputs = dict(new.inputs)
                self._providers.register(new.reference, new.inputs)
            elif new.custom:
                new.id, new.outputs = self._providers.get(new.provider).create(new.urn, new.inputs)
        if old is not None:
            old.delete = True
        self._put(new)

    def _update(self, new: ResourceState, old: ResourceState) -> None:
        """Change a resource in place. The provider knows the object under the new URN from now on."""
        with self._step("update", new, "update"):
            new.id = old.id
            if new.is_provider:
                self._providers.register(new.reference, new.inputs)
                new.outputs = dict(new.inputs)
            elif new.custom:
                new.outputs = self._providers.get(new.provider).update(new.urn, old, new.inputs)
        self._put(new, old)

    def _keep(self, new: ResourceState, old: ResourceState) -> None:
        """Change only what the engine keeps of a resource: its options, and inputs that the provider finds equal."""
        with self._step("same", new, "same"):
            new.id, new.outputs = old.id, old.outputs
            if new.is_provider:
                self._providers.register(new.reference, new.inputs)
        self._put(new, old)

    def _read(self, new: ResourceState) -> None:
        """Look a resource up, in previews too, if its id is known. It is counted if its outputs are new.

        A managed resource that had the URN with another id is to be deleted then.
        """
        if not new.id:
            raise FailedError(f"Expected an ID for {new.urn}")
        old = self.olds.get(new.urn)
        replacing = old is not None and not old.external and old.id != new.id
        with self._step("read", new, "replace" if replacing else ""):
            if new.id != UNKNOWN_SENTINEL:
                id_, new.outputs, _ = self._providers.get(new.provider).read(replace(new, outputs=new.inputs))
                new.id = id_ or new.id
                _mark_secrets(new)
        if replacing and old is not None:
            old.delete = True
            old = None
        elif old is not None and not equal(old.outputs, new.outputs):
            self._display.count("read")
        self._put(new, old)

    def _replace(self, new: ResourceState, given: Properties, old: ResourceState) -> None:
        if new.protect and old.protect:
            advice = _how_to_unprotect(new.urn)
            text = f'unable to replace resource "{new.urn}"\nas it is currently marked for protection. {advice}'
            self._report(text, new.urn)
        self._check(new, {}, given)
        self._create(new, old)

    # What is left once the program is done

    def delete_the_rest(self) -> None:
        """Delete what the program no longer registers and what was replaced, dependents first and independents at once.

        A protected resource is reported and stays, with what it needs.
        """
        needed: set[str] = set()
        to_delete: list[ResourceState] = []
        for state in reversed(self._base):
            if state.protect and not state.delete:
                self.failed = True
                advice = _how_to_unprotect(state.urn)
                text = f'resource "{state.urn}" cannot be deleted\nbecause it is protected. {advice}'
                self._display.message("error", text, state.urn)
            elif state.urn not in needed:
                to_delete.append(state)
                continue
            needed.update(state.needs())
        while to_delete:
            needed = {urn for state in to_delete for urn in state.needs()}
            group = [state for state in to_delete if state.urn not in needed] or to_delete[:1]
            to_delete = [state for state in to_delete if state not in group]
            _at_once(self._delete, group)

    def _delete(self, old: ResourceState) -> None:
        """Delete a resource, and its object unless it is only referred to or to be retained."""
        op = "discard" if old.external else "delete"
        shown, counted = (f"{op}-replaced", "") if old.delete else (op, op)
        with self._step(shown, old, counted):
            if old.custom and not (old.is_provider or old.external or old.retain_on_delete):
                self._providers.get(old.provider).delete(old)
        with self._lock:
            self._base.remove(old)

    # Refresh

    def refresh(self, *, counting: bool) -> None:
        """Read every resource, and make what is found the state before."""
        found = _at_once(lambda state: self._refreshed(state, counting), self._base)
        self._base = _without_dangling(zip(self._base, found, strict=True))
        self.olds = self._current()

    def _refreshed(self, old: ResourceState, counting: bool) -> ResourceState | None:
        """Read a resource, and compare as the next update would. Returns None for one that no longer exists."""
        new: ResourceState | None = old
        result = "same"
        if old.custom and not old.is_provider:
            try:
                with self._step("", old, ""):
                    new, result = self._read_again(old)
            except StoppedError:
                return old  # the others are still refreshed
            self._display.step(result, old.urn, "planned" if self._dry_run else "done")
        if counting and not is_default_provider(old.urn):
            self._display.count(result)
        return new

    def _read_again(self, old: ResourceState) -> tuple[ResourceState | None, str]:
        """Return the resource as its provider reads it, and the step that this is."""
        provider = self._providers.get(old.provider)
        id_, outputs, inputs = provider.read(old)
        if not id_:
            return None, "delete"
        new = replace(old, id=id_, outputs=outputs, inputs=old.inputs if inputs is None else inputs)
        _mark_secrets(new)
        changed: bool | None = not equal(old.outputs, new.outputs)
        if not old.external:  # an update would go from what is there to what the program said
            changed = provider.diff(new, old.inputs, old.ignore_changes).changes
        return new, "update" if changed else "same"


def _at_once(do: Callable[[ResourceState], Result], states: Sequence[ResourceState]) -> list[Result]:
    """Call ``do`` for independent resources at the same time. Raises the first error when all calls have ended."""
    with ThreadPoolExecutor(max_workers=WIDTH) as pool:
        return [future.result() for future in [pool.submit(do, state) for state in states]]


def _without_dangling(refreshed: Iterable[tuple[ResourceState, ResourceState | None]]) -> list[ResourceState]:
    """Return the resources that still exist, without references to the others; an orphan moves to its grandparent.

    Each pair is a state before, and the one after, which is changed in place.
    """
    replacements: dict[str, str] = {"": ""}
    kept: list[ResourceState] = []
    for before, state in refreshed:
        if state is None:
            replacements.setdefault(before.urn, replacements.get(before.parent, ""))
            continue
        there = {urn for urn in state.needs() if replacements.get(urn) == urn}
        by_property = {key: [urn for urn in urns if urn in there] for key, urns in state.property_dependencies.items()}
        state.dependencies = [urn for urn in state.dependencies if urn in there]
        state.property_dependencies = {key: urns for key, urns in by_property.items() if urns}
        state.parent = replacements.get(state.parent, "")
        replacements[state.urn] = state.urn
        kept.append(state)
    return kept


def _how_to_unprotect(urn: str) -> str:
    """Return the advice of an error about a protected resource."""
    return (
        "To unprotect the resource, remove the `protect` flag from the resource in your Pulumi program and run "
        f"`pulumi up`, or use the command:\n`pulumi state unprotect '{urn}'`"
    )


def _mark_secrets(state: ResourceState) -> None:
    """Make the outputs secret that an option names, or whose input is secret."""
    hidden = [key for key, value in state.inputs.items() if isinstance(value, Secret)]
    for key in {*state.additional_secret_outputs, *hidden} & state.outputs.keys() - {"id"}:
        state.outputs[key] = Secret(state.outputs[key])
