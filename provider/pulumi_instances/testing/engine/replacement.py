"""Replacements where the old resource goes first, with everything that cannot outlive it."""

from __future__ import annotations

from . import decide, graph
from .decide import DiffResult
from .delete_steps import DeleteStep
from .ledger import Ledger, RejectedError
from .state import ResourceState
from .steps import CreateStep, ReplaceStep, Step
from .values import UNKNOWN


def delete_then_create(ledger: Ledger, old: ResourceState, new: ResourceState, diff: DiffResult) -> list[Step]:
    """Decide on the deletions that go before a replacement, dependents first, and on the replacement."""
    steps: list[Step] = []
    for dependent, why in reversed(_dependents_to_replace(ledger, old)):
        if dependent in ledger.condemned:
            continue
        ledger.blamed[dependent.urn] = why
        if dependent.delete:
            steps.append(DeleteStep(dependent))
        elif dependent.protect:
            ledger.sink.error(
                f'unable to replace resource "{dependent.urn}" as part of replacing "{new.urn}" as it is '
                "currently marked for protection. To unprotect the resource, remove the `protect` flag from "
                "the resource in your Pulumi program and run `pulumi up`, or use the command:\n"
                f"`pulumi state unprotect '{dependent.urn}'`",
                new.urn,
            )
            raise RejectedError
        else:
            steps.append(DeleteStep(dependent, replacing=True, before_replacement=True))
        ledger.deleting.add(dependent.urn)
        ledger.condemned.add(dependent)
    ledger.ensure_provider(old)
    if not old.pending_replacement:
        ledger.deleting.add(old.urn)
        steps.append(DeleteStep(old, replacing=True, before_replacement=True))
    return [*steps, ReplaceStep(old, new, diff), CreateStep(new, old, diff)]


def _dependents_to_replace(ledger: Ledger, root: ResourceState) -> list[tuple[ResourceState, DiffResult]]:
    """Dependents that cannot outlive `root`: those that an unknown in its place would replace."""
    replaced = {root.urn}
    found: list[tuple[ResourceState, DiffResult]] = []
    settled = set().union(*ledger.decided.values(), ledger.deleting)
    resources = ledger.journal.base.resources
    for dependent in graph.dependents_of(root, resources, ignore=settled) if root in resources else []:
        why = _fate_without(ledger, dependent, replaced)
        if why.needs_replacement:
            replaced.add(dependent.urn)
            found.append((dependent, why))
    cascading = (
        state
        for state in {**ledger.olds, **ledger.news}.values()
        if root.urn in state.replace_with or state.deleted_with == root.urn
    )
    return found + [(state, decide.SAME) for state in cascading if state.urn not in replaced]


def _fate_without(ledger: Ledger, dependent: ResourceState, replaced: set[str]) -> DiffResult:
    if not dependent.custom or dependent.external:
        return decide.SAME
    if dependent.provider_urn in replaced:
        ledger.ensure_provider(dependent)
        return decide.replacing("provider")
    if dependent.deleted_with in replaced:
        return decide.replacing("deletedWith")
    lost = {key for key, urns in dependent.property_dependencies.items() if replaced.intersection(urns)}
    if not lost & dependent.inputs.keys() or dependent.is_provider:
        return decide.SAME
    ledger.ensure_provider(dependent)
    inputs = {key: UNKNOWN if key in lost else value for key, value in dependent.inputs.items()}
    diff = ledger.provider_diff(dependent, inputs, dependent.provider, dependent.ignore_changes)
    return decide.replace_on_changes(diff, dependent.replace_on_changes)
