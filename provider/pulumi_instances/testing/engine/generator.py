"""Turns what the program asks for into steps, as the engine's step generator does. Runs serially."""

from __future__ import annotations

from .deletions import delete_then_create, leave_alone
from .diff import DiffResult, ignoring_changes, replace_on_changes
from .goal import Goal
from .ledger import Ledger, ProgramError, RejectedError
from .state import ResourceState
from .steps import CreateStep, Mark, ReadStep, SameStep, Step, UpdateStep
from .values import Properties, equal, go_text


def register(ledger: Ledger, goal: Goal) -> list[Step]:
    """Decide on a resource the program registers. Raises RejectedError, ProgramError, ProviderError."""
    new = goal.state
    urn = new.urn = ledger.new_urn(goal)
    old, alias, valid = ledger.old_state(goal, urn)
    new.aliases = [alias] if alias else []
    given = new.inputs
    if old is not None:
        new.created, new.modified = old.created, old.modified
    included = ledger.includes(new)
    forced = urn in ledger.options.replace or (old is not None and old.taint)
    if not (_take_inputs(ledger, given, old, new, included=included, forced=forced) and valid):
        raise RejectedError
    if old is None:
        return _create(ledger, new, included)
    if urn in ledger.deleting:  # it went because something it depends on was deleted before its replacement
        ledger.deleting.discard(urn)
        ledger.decided[urn] = "replace"
        return [Mark("replace", new, old), CreateStep(new, old)]
    if old.external:
        ledger.decided[urn] = "create"
        return [CreateStep(new, old), Mark("replace", new, old)]
    if not included:
        goal.state = old.copy()
        return leave_alone(ledger, old, goal.state)
    return _change(ledger, goal, given, old, forced)


def _take_inputs(
    ledger: Ledger, given: Properties, old: ResourceState | None, new: ResourceState, *, included: bool, forced: bool
) -> bool:
    """Settle the new inputs; says whether they are valid."""
    if not included:
        new.inputs = old.inputs if old else {}
        return True
    if old is None:
        return _check(ledger, new, {}, given)
    inputs, invalid = ignoring_changes(given, old.inputs, new.ignore_changes)
    if invalid:
        text = f'cannot ignore changes in added or removed elements of the path: "{", ".join(invalid)}"'
        ledger.sink.message("info", text, new.urn)
    if new.urn in ledger.deleting or forced or old.external:
        return _check(ledger, new, {}, given)
    return _check(ledger, new, old.inputs, inputs)


def _check(ledger: Ledger, new: ResourceState, olds: Properties, news: Properties) -> bool:
    """Have the provider check inputs and take its version of them over."""
    new.inputs = news
    if new.is_provider or not new.custom:  # a Python provider accepts any configuration
        return True
    provider = ledger.providers.get(new.provider)
    if not provider.config_known:
        return True
    checked, failures = provider.check(new.urn, olds, news)
    for name, reason in failures:
        # The CLI prints the value decrypted: so that tests see what users would see, this does the same.
        where = f": property {name} value {go_text(news.get(name))}" if name else ""
        ledger.sink.error(f"{new.type} resource '{new.name}'{where} has a problem: {reason}", new.urn)
    new.inputs = checked
    return not failures


def _create(ledger: Ledger, new: ResourceState, included: bool) -> list[Step]:
    if not included:
        ledger.decided[new.urn] = "same"
        ledger.skipped_creates.add(new.urn)
        return [Mark("same", new)]
    ledger.require_dependencies(new)
    ledger.decided[new.urn] = "create"
    return [CreateStep(new)]


def _change(ledger: Ledger, goal: Goal, given: Properties, old: ResourceState, forced: bool) -> list[Step]:
    new = goal.state
    diff = replace_on_changes(_diff(ledger, old, new, forced), new.replace_on_changes)
    if old.pending_replacement or (diff.changes and diff.replaces):
        return _replace(ledger, goal, given, old, diff, forced)
    ledger.require_dependencies(new)
    if diff.changes:
        ledger.decided[new.urn] = "update"
        return [UpdateStep(new, old)]
    ledger.decided[new.urn] = "same"
    return [SameStep(new, old)]


def _diff(ledger: Ledger, old: ResourceState, new: ResourceState, forced: bool) -> DiffResult:
    if forced or bool(old.provider) != bool(new.provider):
        return DiffResult(changes=True, replaces=True)
    if new.is_provider or not new.custom:  # a provider has no say on its configuration: a change never replaces
        return DiffResult(changes=not equal(old.inputs, new.inputs))
    return ledger.provider_diff(old, new.inputs, new.provider, new.ignore_changes)


def _replace(
    ledger: Ledger, goal: Goal, given: Properties, old: ResourceState, diff: DiffResult, forced: bool
) -> list[Step]:
    new = goal.state
    if new.protect and old.protect:
        ledger.fail(
            f'unable to replace resource "{new.urn}"\n'
            "as it is currently marked for protection. To unprotect the resource, remove the `protect` flag "
            "from the resource in your Pulumi program and run `pulumi up`",
            new.urn,
        )
    ledger.decided[new.urn] = "replace"
    if not forced and not _check(ledger, new, {}, given):
        raise RejectedError
    ledger.require_dependencies(new)
    before = goal.delete_before_replace
    if before if before is not None else diff.delete_before_replace:
        return delete_then_create(ledger, old, new)
    return [CreateStep(new, old), Mark("replace", new, old)]


def lookup(ledger: Ledger, goal: Goal) -> list[Step]:
    """Decide on a resource the program looks up by id."""
    new = goal.state
    urn = new.urn = ledger.new_urn(goal)
    if not new.id:
        raise ProgramError(f"Expected an ID for {urn}")
    old = ledger.olds.get(urn)
    if old is not None:
        new.created, new.modified = old.created, old.modified
    if old is not None and not old.external and old.id != new.id:
        ledger.decided[urn] = "replace"
        return [ReadStep(new, old, replacing=True), Mark("replace", new, old)]
    ledger.decided[urn] = "read"
    return [ReadStep(new, old)]
