"""Who depends on whom in a snapshot, and who was called what. It lists a resource after everything it depends on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter
from typing import Any

from .state import ResourceState, moved_urn, urn_name
from .values import UnsupportedFeatureError


def dependency_urns(state: ResourceState) -> Iterator[str]:
    """URNs that a resource depends on, other than its parent and its provider."""
    yield from state.dependencies
    for urns in state.property_dependencies.values():
        yield from urns


def dependents_of(
    root: ResourceState, resources: Sequence[ResourceState], *, ignore: Collection[str] = (), children: bool = False
) -> list[ResourceState]:
    """Everything that directly or indirectly depends on `root`, dependencies first."""
    reached = {root.urn}
    found: list[ResourceState] = []
    for candidate in resources[resources.index(root) + 1 :]:
        if candidate.urn in ignore:
            continue
        needs = {candidate.provider_urn, *dependency_urns(candidate), *([candidate.parent] if children else [])}
        if needs & reached:
            reached.add(candidate.urn)
            found.append(candidate)
    return found


class Needs:
    """What each resource of a snapshot needs: provider, parent, dependencies, what is in a component it names."""

    def __init__(self, resources: Iterable[ResourceState]) -> None:
        """Index the resources once."""
        self._by_urn: dict[str, list[ResourceState]] = defaultdict(list)
        self._children: dict[str, list[ResourceState]] = defaultdict(list)
        self._place: dict[ResourceState, int] = {}
        for place, state in enumerate(resources):
            self._by_urn[state.urn].append(state)
            self._children[state.parent].append(state)
            self._place[state] = place

    def of(self, state: ResourceState) -> set[ResourceState]:
        """What this one needs, as far as it is listed before it."""
        found: set[ResourceState] = set(self._by_urn[state.parent])
        for urn in {state.provider_urn, *dependency_urns(state)}:
            for needed in self._by_urn[urn]:
                found.add(needed)
                if not needed.custom:
                    found.update(self._descendants(needed))
        return {each for each in found if self._place[each] < self._place.get(state, 0)}

    def _descendants(self, component: ResourceState) -> Iterator[ResourceState]:
        for child in self._children[component.urn]:
            yield child
            yield from self._descendants(child)


def deletion_order(condemned: Iterable[ResourceState], needs: Needs) -> list[list[ResourceState]]:
    """Group what is to be deleted: the members of a group may go at once, a group only after the one before.

    Dependents go before what they depend on. Like the CLI, this peels the graph from the roots and turns
    the result round, so a resource is deleted as late as its own dependencies allow.
    """
    wanted = set(condemned)
    sorter = TopologicalSorter({state: needs.of(state) & wanted for state in condemned})
    sorter.prepare()
    groups: list[list[ResourceState]] = []
    while sorter:
        groups.append(list(sorter.get_ready()))
        sorter.done(*groups[-1])
    return groups[::-1]


def drop_dangling(refreshed: Iterable[tuple[ResourceState, ResourceState | None]]) -> list[ResourceState]:
    """Take away references to resources that are gone; an orphan moves to its grandparent.

    Each state is given with what became of it. Changes those that are left in place, and returns them.
    """
    standing_for: dict[str, str] = {"": ""}
    kept: list[ResourceState] = []
    for before, state in refreshed:
        if state is None:
            standing_for.setdefault(before.urn, standing_for.get(before.parent, ""))
            continue
        there = {urn for urn in dependency_urns(state) if standing_for.get(urn) == urn}
        by_property = {key: [urn for urn in urns if urn in there] for key, urns in state.property_dependencies.items()}
        state.dependencies = [urn for urn in state.dependencies if urn in there]
        state.property_dependencies = {key: urns for key, urns in by_property.items() if urns}
        state.parent = standing_for.get(state.parent, "")
        standing_for[state.urn] = state.urn
        kept.append(state)
    return kept


def former_urns(state: ResourceState, aliases: Iterable[Any], former: Mapping[str, str]) -> Iterator[str]:
    """Every URN a resource may have had: by its own aliases, and through its parent, whose old URN `former` has."""
    urn, parent = state.urn, state.parent
    own = [_alias_urn(alias, urn, parent, former) for alias in aliases]
    yield from own
    if old_parent := former.get(parent):
        for each in (urn, *own):
            name = urn_name(each)
            if name.startswith(urn_name(parent)):  # `app-db` in `app` was named after the parent's old name
                name = urn_name(old_parent) + name.removeprefix(urn_name(parent))
            yield moved_urn(each, old_parent, name)


def _alias_urn(alias: Any, urn: str, parent: str, former: Mapping[str, str]) -> str:
    spec = alias.spec
    if spec.stack or spec.project:
        raise UnsupportedFeatureError("aliases of another stack or project")
    if alias.urn:
        return str(alias.urn)
    if spec.parentUrn or spec.noParent:
        parent = former.get(spec.parentUrn, spec.parentUrn)
    return moved_urn(urn, parent, spec.name or urn_name(urn), spec.type)


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
            moved = moved_urn(state.urn, parent, urn_name(state.urn))
            if moved != state.urn:
                renamed[state.urn] = moved
    return [_renamed(state, renamed) for state in resources] if renamed else list(resources)


def _renamed(state: ResourceState, renamed: dict[str, str]) -> ResourceState:
    def now(urn: str) -> str:
        return renamed.get(urn, urn)

    provider, _, id_ = state.provider.rpartition("::")
    return replace(
        state,
        urn=now(state.urn),
        parent=now(state.parent),
        provider=f"{now(provider)}::{id_}" if provider else "",
        dependencies=[now(urn) for urn in state.dependencies],
        property_dependencies={k: [now(urn) for urn in urns] for k, urns in state.property_dependencies.items()},
        aliases=[],
    )
