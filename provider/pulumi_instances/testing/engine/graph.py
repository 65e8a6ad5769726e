"""Who depends on whom in a snapshot. A snapshot lists a resource after everything it depends on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from .state import ResourceState, make_urn, split_reference


def dependency_urns(state: ResourceState) -> Iterator[str]:
    """URNs that a resource depends on, other than its parent and its provider."""
    yield from state.dependencies
    for urns in state.property_dependencies.values():
        yield from urns
    if state.deleted_with:
        yield state.deleted_with
    yield from state.replace_with


def dependents_of(
    root: ResourceState,
    resources: Sequence[ResourceState],
    *,
    ignore: Collection[str] = (),
    children: bool = False,
) -> list[ResourceState]:
    """Everything that directly or indirectly depends on `root`, dependencies first."""
    reached = {root.urn}
    found: list[ResourceState] = []
    for candidate in resources[resources.index(root) + 1 :]:
        if candidate.urn in ignore:
            continue
        if (
            candidate.provider_urn in reached
            or (children and candidate.parent in reached)
            or any(urn in reached for urn in dependency_urns(candidate))
        ):
            reached.add(candidate.urn)
            found.append(candidate)
    return found


def direct_dependencies(state: ResourceState, resources: Sequence[ResourceState]) -> set[ResourceState]:
    """The resources before `state` that it needs: provider, parent, dependencies, what is in a component it names."""
    urns = {state.provider_urn, *dependency_urns(state)}
    earlier = resources[: resources.index(state)] if state in resources else []
    needed: set[ResourceState] = set()
    for candidate in earlier:
        if candidate.urn in urns or candidate.urn == state.parent:
            needed.add(candidate)
        if candidate.urn in urns and not candidate.custom:
            needed.update(_descendants(candidate, earlier))
    return needed


def all_dependencies(state: ResourceState, resources: Sequence[ResourceState]) -> set[ResourceState]:
    """Everything that `state` directly or indirectly needs."""
    found: set[ResourceState] = set()
    waiting = [state]
    while waiting:
        new = direct_dependencies(waiting.pop(), resources) - found
        found |= new
        waiting.extend(new)
    return found


def _descendants(component: ResourceState, resources: Iterable[ResourceState]) -> Iterator[ResourceState]:
    inside = {component.urn}
    for candidate in resources:
        if candidate.parent in inside:
            inside.add(candidate.urn)
            yield candidate


def deletion_order(
    condemned: Collection[ResourceState], resources: Sequence[ResourceState]
) -> list[list[ResourceState]]:
    """Group what is to be deleted: the members of a group may go at once, a group only after the one before.

    Dependents go before what they depend on. Like the CLI, this peels the graph from the roots and turns
    the result round, so a resource is deleted as late as its own dependencies allow.
    """
    waiting = {state: direct_dependencies(state, resources) for state in condemned}
    groups: list[list[ResourceState]] = []
    while waiting:
        free = [state for state, needs in waiting.items() if not needs & waiting.keys()]
        groups.append(free)
        for state in free:
            del waiting[state]
    return groups[::-1]


def drop_dangling(resources: Iterable[ResourceState]) -> list[ResourceState]:
    """Take away references to resources that are gone; an orphan moves to its grandparent.

    Changes the states in place and returns them as a list.
    """
    present: set[str] = set()
    new_parent: dict[str, str] = {}
    kept = list(resources)
    alive = {state.urn for state in kept}
    for state in kept:
        state.dependencies = [urn for urn in state.dependencies if urn in present]
        by_property = {
            key: [urn for urn in urns if urn in present] for key, urns in state.property_dependencies.items()
        }
        state.property_dependencies = {key: urns for key, urns in by_property.items() if urns}
        state.replace_with = [urn for urn in state.replace_with if urn in present]
        if state.deleted_with not in present:
            state.deleted_with = ""
        if state.parent not in alive:
            state.parent = new_parent.get(state.parent, "")
        new_parent[state.urn] = state.parent
        present.add(state.urn)
    return kept


def follow_aliases(resources: Sequence[ResourceState]) -> list[ResourceState]:
    """Make everything refer to renamed resources by their new URNs; the aliases have then done their work.

    Returns new states where something changes. Resources that were not registered yet in this operation still
    have the old names of their parents, dependencies and providers.
    """
    renamed: dict[str, str] = {}
    for state in resources:
        renamed.update(dict.fromkeys(state.aliases, state.urn))
        parent = renamed.get(state.parent)
        if parent and state.urn not in renamed:
            stack, project = state.urn.removeprefix("urn:pulumi:").split("::", 2)[:2]
            moved = make_urn(stack, project, parent, state.type, state.name)
            if moved != state.urn:
                renamed[state.urn] = moved
    return [_renamed(state, renamed) for state in resources] if renamed else list(resources)


def _renamed(state: ResourceState, renamed: dict[str, str]) -> ResourceState:
    def now(urn: str) -> str:
        return renamed.get(urn, urn)

    provider, id_ = split_reference(state.provider)
    return replace(
        state,
        urn=now(state.urn),
        parent=now(state.parent),
        provider=f"{now(provider)}::{id_}" if provider else "",
        dependencies=[now(urn) for urn in state.dependencies],
        property_dependencies={k: [now(urn) for urn in urns] for k, urns in state.property_dependencies.items()},
        deleted_with=now(state.deleted_with),
        replace_with=[now(urn) for urn in state.replace_with],
        aliases=[],
    )
