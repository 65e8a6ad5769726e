"""What is deleted at the end of an operation, and what `--target` leaves alone."""

from __future__ import annotations

from . import graph
from .delete_steps import DeleteStep, ForgetStep
from .ledger import Ledger, RejectedError
from .state import ResourceState
from .steps import SameStep, Step


def deletions(ledger: Ledger) -> tuple[list[Step], list[list[Step]]]:
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
                keep += leave_alone(ledger, state)
            continue
        if state.delete:
            if state not in ledger.condemned:
                doomed[state] = DeleteStep(state, replacing=True)
        elif not ledger.operated_on(state.urn):
            doomed[state] = ForgetStep(state) if state.pending_replacement else DeleteStep(state)
    for state in doomed:
        ledger.deleting.add(state.urn)
        ledger.ensure_provider(state)
    _require_targeted(ledger, doomed)
    groups = graph.deletion_order(doomed, ledger.journal.base.resources)
    return keep, [[doomed[state] for state in group] for group in groups]


def leave_alone(ledger: Ledger, old: ResourceState) -> list[Step]:
    """Keep what `--target` leaves out, and what it needs, as it is."""
    ledger.decided["same"].add(old.urn)
    ledger.seen.add(old.urn)
    steps: list[Step] = []
    for urn in (old.provider_urn, old.parent, *graph.dependency_urns(old)):
        if urn in ledger.olds and not ledger.is_decided(urn):
            steps += leave_alone(ledger, ledger.olds[urn])
    new = old.copy()
    new.id = ""
    return [*steps, SameStep(old, new)]


def _deletable(ledger: Ledger) -> set[str] | None:
    """URNs that may be deleted: with targets, those and what depends on them; None for everything."""
    if not ledger.constrained:
        return None
    resources = ledger.journal.base.resources
    roots = [state for state in resources if state.urn in ledger.targets]
    reached = {state.urn for state in roots}
    for root in roots:
        reached |= {state.urn for state in graph.dependents_of(root, resources, children=True)}
    return reached


def _require_targeted(ledger: Ledger, doomed: dict[ResourceState, Step]) -> None:
    if not ledger.constrained or ledger.options.target_dependents:
        return
    for state in doomed:
        if state.urn not in ledger.targets:
            ledger.sink.error(
                f"Resource '{state.urn}' will be destroyed but was not specified in --target list.\n"
                "Either include resource in --target list or pass --target-dependents to proceed.",
                state.urn,
            )
            ledger.errors = True
    if ledger.errors and not ledger.options.dry_run:
        raise RejectedError
