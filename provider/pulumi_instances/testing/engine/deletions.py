"""What is deleted: at the end of an operation, and before a replacement. What `--target` leaves alone."""

from __future__ import annotations

from . import graph
from .diff import replace_on_changes
from .ledger import Ledger, RejectedError
from .state import ResourceState
from .steps import CreateStep, DeleteStep, ForgetStep, Mark, SameStep, Step
from .values import UNKNOWN


def deletions(ledger: Ledger, needs: graph.Needs) -> tuple[list[Step], list[list[Step]]]:
    """Decide on what the program no longer registers, after it is done.

    Returns steps that keep what `--target` leaves out, and the deletions: groups of steps that may run
    at once, one group after the other.
    """
    included = _deletable(ledger)
    keep: list[Step] = []
    doomed: dict[ResourceState, Step] = {}
    for state in ledger.journal.base.resources:
        if included is not None and state.urn not in included:
            if not state.delete and not ledger.operated_on(state.urn):
                keep += leave_alone(ledger, state, state.copy())
        elif state.delete:
            if state not in ledger.condemned:
                doomed[state] = DeleteStep(state, replacing=True)
        elif not ledger.operated_on(state.urn):
            doomed[state] = ForgetStep(state) if state.pending_replacement else DeleteStep(state)
    for state in doomed:
        ledger.deleting.add(state.urn)
        ledger.ensure_provider(state)
    _require_targeted(ledger, doomed)
    return keep, [[doomed[state] for state in group] for group in graph.deletion_order(doomed, needs)]


def leave_alone(ledger: Ledger, old: ResourceState, new: ResourceState) -> list[Step]:
    """Keep what `--target` leaves out, and what it needs, as it is."""
    ledger.decided[old.urn] = "same"
    ledger.seen.add(old.urn)
    steps: list[Step] = []
    for urn in (old.provider_urn, old.parent, *graph.dependency_urns(old)):
        if urn in ledger.olds and urn not in ledger.deleting and urn not in ledger.decided:
            steps += leave_alone(ledger, ledger.olds[urn], ledger.olds[urn].copy())
    return [*steps, SameStep(new, old)]


def _deletable(ledger: Ledger) -> set[str] | None:
    """URNs that may be deleted: with targets, those and what depends on them; None for everything."""
    if not ledger.targets:
        return None
    resources = ledger.journal.base.resources
    roots = [state for state in resources if state.urn in ledger.targets]
    reached = {state.urn for state in roots}
    for root in roots:
        reached |= {state.urn for state in graph.dependents_of(root, resources, children=True)}
    return reached


def _require_targeted(ledger: Ledger, doomed: dict[ResourceState, Step]) -> None:
    for state in doomed:
        if ledger.targets and state.urn not in ledger.targets:
            ledger.sink.error(
                f"Resource '{state.urn}' will be destroyed but was not specified in --target list.\n"
                "Either include resource in --target list or pass --target-dependents to proceed.",
                state.urn,
            )
            ledger.errors = True
    if ledger.errors and not ledger.options.dry_run:
        raise RejectedError


def delete_then_create(ledger: Ledger, old: ResourceState, new: ResourceState) -> list[Step]:
    """Decide on the deletions that go before a replacement, dependents first, and on the replacement."""
    steps: list[Step] = []
    for dependent in reversed(_dependents_to_replace(ledger, old)):
        if dependent in ledger.condemned:
            continue
        if dependent.protect:
            ledger.sink.error(
                f'unable to replace resource "{dependent.urn}" as part of replacing "{new.urn}" as it is '
                "currently marked for protection. To unprotect the resource, remove the `protect` flag from "
                "the resource in your Pulumi program and run `pulumi up`, or use the command:\n"
                f"`pulumi state unprotect '{dependent.urn}'`",
                new.urn,
            )
            raise RejectedError
        if dependent.delete:
            steps.append(DeleteStep(dependent))
        else:
            steps.append(DeleteStep(dependent, replacing=True, before_replacement=True))
        ledger.deleting.add(dependent.urn)
        ledger.condemned.add(dependent)
    ledger.ensure_provider(old)
    if not old.pending_replacement:
        ledger.deleting.add(old.urn)
        steps.append(DeleteStep(old, replacing=True, before_replacement=True))
    return [*steps, Mark("replace", new, old), CreateStep(new, old)]


def _dependents_to_replace(ledger: Ledger, root: ResourceState) -> list[ResourceState]:
    """Dependents that cannot outlive `root`: those that an unknown in its place would replace."""
    replaced = {root.urn}
    settled = ledger.decided.keys() | ledger.deleting
    resources = ledger.journal.base.resources
    found: list[ResourceState] = []
    for dependent in graph.dependents_of(root, resources, ignore=settled) if root in resources else []:
        if _cannot_outlive(ledger, dependent, replaced):
            replaced.add(dependent.urn)
            found.append(dependent)
    return found


def _cannot_outlive(ledger: Ledger, dependent: ResourceState, replaced: set[str]) -> bool:
    if not dependent.custom or dependent.external:
        return False
    ledger.ensure_provider(dependent)
    if dependent.provider_urn in replaced:
        return True
    lost = {key for key, urns in dependent.property_dependencies.items() if replaced.intersection(urns)}
    if not lost & dependent.inputs.keys() or dependent.is_provider:
        return False
    inputs = {key: UNKNOWN if key in lost else value for key, value in dependent.inputs.items()}
    diff = ledger.provider_diff(dependent, inputs, dependent.provider, dependent.ignore_changes)
    return replace_on_changes(diff, dependent.replace_on_changes).replaces
