"""The engine's decisions that need nothing but their arguments."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from . import objectdiff, paths
from .objectdiff import DetailedDiff
from .state import STACK_TYPE, make_urn, qualified_type, urn_name, urn_type
from .values import Properties, Value, contains, equal, unwrap


@dataclass(frozen=True)
class DiffResult:
    """A provider's answer to Diff, as far as a Python provider can give one.

    `changes` is None where the provider leaves the comparison to the engine. `detailed` is the engine's own
    comparison by path, None where there was none.
    """

    changes: bool | None
    replaces: Sequence[str] = ()
    delete_before_replace: bool = False
    changed: Sequence[str] = ()
    detailed: DetailedDiff | None = None

    @property
    def needs_replacement(self) -> bool:
        """Whether the change, if it is one, cannot be made in place."""
        return bool(self.replaces)


SAME = DiffResult(changes=False)


def replacing(key: str) -> DiffResult:
    """A change that replaces the resource, blamed on one key."""
    return DiffResult(changes=True, replaces=[key])


def settle(
    diff: DiffResult, old_inputs: Properties, new_inputs: Properties, ignore_changes: Iterable[str]
) -> DiffResult:
    """Answer an undecided diff by comparing inputs with inputs, secrets unwrapped (engine-facts 2.2)."""
    if diff.changes is not None:
        return diff
    new_inputs, _ = ignoring_changes(new_inputs, old_inputs, ignore_changes)
    found = objectdiff.compare(unwrap(old_inputs), unwrap(new_inputs))
    if found is None:
        return replace(diff, changes=False)
    return replace(diff, changes=True, changed=[str(key) for key in found.keys], detailed=objectdiff.detailed(found))


def replace_on_changes(diff: DiffResult, options: Iterable[str]) -> DiffResult:
    """Turn a change of one of the named properties into a replacement.

    Only keys that are known to have changed count: a provider that answers "something changed" names none.
    """
    if not diff.changes:
        return diff
    wanted = [paths.parse(option) for option in options]
    blamed = {key for key in diff.changed if any(paths.covers(path, (key,)) for path in wanted)}
    blamed.update(
        changed for changed in diff.detailed or () if any(paths.covers(path, paths.parse(changed)) for path in wanted)
    )
    return replace(diff, replaces=[*diff.replaces, *sorted(blamed - set(diff.replaces))])


def ignoring_changes(
    inputs: Properties, old_inputs: Properties, ignore_changes: Iterable[str]
) -> tuple[Properties, list[str]]:
    """Set the ignored properties back to their old inputs.

    Returns the new inputs and the paths that could not be ignored, because only one side has them.
    """
    result: Properties = copy.deepcopy(inputs)
    invalid = [option for option in ignore_changes if not _reset(option, old_inputs, result)]
    return result, invalid


def _reset(option: str, old_inputs: Properties, inputs: Properties) -> bool:
    try:
        path = paths.parse(option)
    except ValueError:
        return True
    return paths.reset(path, old_inputs, inputs)


def trigger_fires(new: Value, old: Value) -> bool:
    """Tell whether a `replacement_trigger` asks for a replacement."""
    new, old = unwrap(new), unwrap(old)
    if contains(new, _is_unknown) or contains(old, _is_unknown):
        return True
    return new is not None and old is not None and not equal(new, old)


def _is_unknown(value: Value) -> bool:
    from .values import UNKNOWN

    return value is UNKNOWN


@dataclass(frozen=True)
class Alias:
    """An earlier identity of a resource: a whole URN, or what differs from the present one."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass(frozen=True)
class Identity:
    """What makes up a resource's URN."""

    stack: str
    project: str
    parent: str
    type: str
    name: str

    @property
    def urn(self) -> str:
        """The present URN."""
        return make_urn(self.stack, self.project, self.parent, self.type, self.name)


@dataclass
class AliasIndex:
    """Which resources took over from which, in this operation."""

    taken_over_by: dict[str, str] = field(default_factory=dict)  # old URN -> new URN
    former: dict[str, str] = field(default_factory=dict)  # new URN -> old URN


def alias_urns(identity: Identity, aliases: Iterable[Alias], former: Mapping[str, str]) -> list[str]:
    """Every URN the resource may have had: its own aliases, and those it has through its parent."""
    aliases = list(aliases)
    urns = [_alias_urn(identity, alias, former) for alias in aliases]
    if old_parent := former.get(identity.parent):
        urns.append(_inherited(identity, identity.type, identity.name, old_parent))
        for alias in aliases:
            urn = _alias_urn(identity, alias, former)
            urns.append(_inherited(identity, urn_type(urn), urn_name(urn), old_parent))
    return list(dict.fromkeys(urns))


def _alias_urn(identity: Identity, alias: Alias, former: Mapping[str, str]) -> str:
    if alias.urn:
        return alias.urn
    parent = former.get(alias.parent, alias.parent) if alias.parent else identity.parent
    if alias.no_parent or (parent and qualified_type(parent) == STACK_TYPE):
        parent = ""
    return make_urn(
        alias.stack or identity.stack,
        alias.project or identity.project,
        parent,
        alias.type or identity.type,
        alias.name or identity.name,
    )


def _inherited(identity: Identity, type_: str, name: str, old_parent: str) -> str:
    """A child named after its parent (`app-db` in `app`) was named after the parent's old name."""
    parent_name = urn_name(identity.parent)
    if name.startswith(parent_name):
        name = urn_name(old_parent) + name[len(parent_name) :]
    return make_urn(identity.stack, identity.project, old_parent, type_, name)


def targeted(urn: str, depends_on: Iterable[str], targets: Collection[str], *, dependents: bool) -> bool:
    """Tell whether `--target` covers a resource; with `dependents`, through what it depends on."""
    return urn in targets or (dependents and any(dependency in targets for dependency in depends_on))
