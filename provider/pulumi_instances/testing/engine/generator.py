"""Turns what the program asks for into steps, as the engine's step generator does. Runs serially."""

from __future__ import annotations

from . import decide
from .decide import DiffResult
from .deletions import leave_alone
from .goal import Goal, ReadGoal
from .ledger import Ledger, ProgramError, RejectedError
from .read_steps import ReadStep
from .replacement import delete_then_create
from .state import ResourceState
from .steps import (
    CreateStep,
    ReplaceStep,
    SameStep,
    Step,
    UpdateStep,
)
from .values import Properties, equal, go_text


def register(ledger: Ledger, goal: Goal) -> list[Step]:
    """Decide on a resource the program registers. Raises RejectedError, ProgramError, ProviderError."""
    urn = ledger.new_urn(goal.parent, goal.type, goal.name)
    old, alias, valid = ledger.old_state(goal, urn)
    new = _new_state(goal, urn, old, alias)
    ledger.news[urn] = new
    included = ledger.includes(new)
    forced = urn in ledger.options.replace or (old is not None and old.taint)
    if not (_take_inputs(ledger, goal, old, new, included=included, forced=forced) and valid):
        raise RejectedError
    if included and ledger.options.target_dependents:
        ledger.targets.add(urn)
    if old is None:
        return _create(ledger, new, included)
    if urn in ledger.deleting:
        return _recreate(ledger, new, old)
    if old.external:
        ledger.decided["create"].add(urn)
        return [CreateStep(new, old, delete_old_later=True), ReplaceStep(old, new)]
    if not included:
        return leave_alone(ledger, old)
    return _change(ledger, goal, old, new, forced)


def _take_inputs(
    ledger: Ledger, goal: Goal, old: ResourceState | None, new: ResourceState, *, included: bool, forced: bool
) -> bool:
    """Settle the new inputs; says whether they are valid."""
    if not included:
        new.inputs = old.inputs if old else {}
        return True
    if old is None:
        return _check(ledger, new, {}, goal.properties)
    inputs, invalid = decide.ignoring_changes(goal.properties, old.inputs, goal.ignore_changes)
    if invalid:
        text = f'cannot ignore changes in added or removed elements of the path: "{", ".join(invalid)}"'
        ledger.sink.info(text, new.urn)
    if new.urn in ledger.deleting or forced or old.external:
        return _check(ledger, new, {}, goal.properties)
    return _check(ledger, new, old.inputs, inputs)


def _check(ledger: Ledger, new: ResourceState, olds: Properties, news: Properties) -> bool:
    """Have the provider check inputs and take its version of them over."""
    new.inputs = news
    if new.is_provider:
        ledger.providers.check(new.urn)
        return True
    if not new.custom:
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
        ledger.decided["same"].add(new.urn)
        ledger.skipped_creates.add(new.urn)
        return [SameStep(new.copy(), new, skipped_create=True)]
    ledger.require_dependencies(new)
    ledger.decided["create"].add(new.urn)
    return [CreateStep(new)]


def _recreate(ledger: Ledger, new: ResourceState, old: ResourceState) -> list[Step]:
    """Make a resource anew that went because something it depends on was deleted before replacement."""
    ledger.deleting.discard(new.urn)
    ledger.decided["replace"].add(new.urn)
    diff = ledger.blamed[new.urn]
    return [ReplaceStep(old, new, diff), CreateStep(new, old, diff)]


def _change(ledger: Ledger, goal: Goal, old: ResourceState, new: ResourceState, forced: bool) -> list[Step]:
    diff = decide.replace_on_changes(_diff(ledger, goal, old, new, forced), goal.replace_on_changes)
    fired = decide.trigger_fires(new.replacement_trigger, old.replacement_trigger)
    if old.pending_replacement or fired or (diff.changes and diff.needs_replacement):
        return _replace(ledger, goal, old, new, diff, forced)
    ledger.require_dependencies(new)
    if diff.changes:
        ledger.decided["update"].add(new.urn)
        return [UpdateStep(old, new, diff)]
    ledger.decided["same"].add(new.urn)
    return [SameStep(old, new)]


def _diff(ledger: Ledger, goal: Goal, old: ResourceState, new: ResourceState, forced: bool) -> DiffResult:
    if forced:
        return decide.replacing("id")
    if any(urn in ledger.decided["replace"] for urn in new.replace_with):
        return decide.replacing("replaceWith")
    if new.deleted_with in ledger.decided["replace"]:
        return decide.replacing("deletedWith")
    if decide.trigger_fires(new.replacement_trigger, old.replacement_trigger):
        return DiffResult(changes=True)
    if bool(old.provider) != bool(new.provider):
        return decide.replacing("provider")
    if new.is_provider:
        return ledger.providers.diff(old, new.inputs)
    if not new.custom:
        return DiffResult(changes=not equal(old.inputs, new.inputs))
    return ledger.provider_diff(old, new.inputs, new.provider, goal.ignore_changes)


def _replace(
    ledger: Ledger, goal: Goal, old: ResourceState, new: ResourceState, diff: DiffResult, forced: bool
) -> list[Step]:
    if new.protect and old.protect:
        ledger.fail(
            f'unable to replace resource "{new.urn}"\n'
            "as it is currently marked for protection. To unprotect the resource, remove the `protect` flag "
            "from the resource in your Pulumi program and run `pulumi up`",
            new.urn,
        )
    ledger.decided["replace"].add(new.urn)
    if not forced and not _check(ledger, new, {}, goal.properties):
        raise RejectedError
    ledger.require_dependencies(new)
    before = goal.delete_before_replace
    if before if before is not None else diff.delete_before_replace:
        return delete_then_create(ledger, old, new, diff)
    return [CreateStep(new, old, diff, delete_old_later=True), ReplaceStep(old, new, diff)]


def read(ledger: Ledger, goal: ReadGoal) -> list[Step]:
    """Decide on a resource the program looks up by id."""
    urn = ledger.new_urn(goal.parent, goal.type, goal.name)
    if not goal.id:
        raise ProgramError(f"Expected an ID for {urn}")
    old = ledger.olds.get(urn)
    new = ResourceState(
        urn=urn,
        type=goal.type,
        custom=True,
        id=goal.id,
        inputs=goal.properties,
        parent=goal.parent,
        provider=goal.provider,
        dependencies=goal.dependencies,
        additional_secret_outputs=goal.additional_secret_outputs,
        external=True,
        source_position=goal.source_position,
    )
    if old is not None and not old.external and old.id != goal.id:
        ledger.decided["replace"].add(urn)
        return [ReadStep(old, new, replacing=True), ReplaceStep(old, new)]
    ledger.decided["read"].add(urn)
    return [ReadStep(old, new)]


def _new_state(goal: Goal, urn: str, old: ResourceState | None, alias: str) -> ResourceState:
    return ResourceState(
        urn=urn,
        type=goal.type,
        custom=goal.custom,
        inputs=goal.properties,
        parent=goal.parent,
        provider=goal.provider if goal.custom and not goal.is_provider else "",
        dependencies=goal.dependencies,
        property_dependencies=goal.property_dependencies,
        additional_secret_outputs=goal.additional_secret_outputs,
        aliases=[alias] if alias else [],
        protect=bool(goal.protect),
        retain_on_delete=bool(goal.retain_on_delete),
        deleted_with=goal.deleted_with,
        replace_with=goal.replace_with,
        replacement_trigger=goal.replacement_trigger,
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
        hide_diff=goal.hide_diff,
        custom_timeouts=goal.custom_timeouts,
        created=old.created if old else "",
        modified=old.modified if old else "",
        source_position=goal.source_position,
    )
