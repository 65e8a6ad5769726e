"""The engine's decisions that need nothing but their arguments."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from . import diff as differ
from .diff import Path
from .state import STACK_TYPE, make_urn, qualified_type, urn_name, urn_type
from .values import Properties, unwrap


@dataclass(frozen=True)
class DiffResult:
    """A provider's answer to Diff, as far as a Python provider can give one.

    `changes` is None where the provider leaves the comparison to the engine. `changed` is the engine's own
    comparison, by path; () where there was none.
    """

    changes: bool | None
    replaces: bool = False
    delete_before_replace: bool = False
    changed: tuple[Path, ...] = ()


SAME = DiffResult(changes=False)
REPLACE = DiffResult(changes=True, replaces=True)


def settle(
    diff: DiffResult, old_inputs: Properties, new_inputs: Properties, ignore_changes: Iterable[str]
) -> DiffResult:
    """Answer an undecided diff by comparing inputs with inputs, secrets unwrapped."""
    if diff.changes is not None:
        return diff
    new_inputs, _ = ignoring_changes(new_inputs, old_inputs, ignore_changes)
    changed = tuple(change.path for change in differ.changes(unwrap(old_inputs), unwrap(new_inputs)))
    return replace(diff, changes=bool(changed), changed=changed)


def replace_on_changes(diff: DiffResult, options: Iterable[str]) -> DiffResult:
    """Turn a change of one of the named properties into a replacement.

    Only what is known to have changed counts: a provider that answers "something changed" names nothing.
    """
    wanted = [differ.parse(option) for option in options]
    named = any(differ.covers(path, changed) for path in wanted for changed in diff.changed)
    return replace(diff, replaces=diff.replaces or named) if diff.changes else diff


def ignoring_changes(
    inputs: Properties, old_inputs: Properties, ignore_changes: Iterable[str]
) -> tuple[Properties, list[str]]:
    """Set the ignored properties back to their old inputs.

    Returns the new inputs and the paths that could not be ignored, because only one side has them.
    """
    result: Properties = copy.deepcopy(inputs)
    return result, [path for path in ignore_changes if not differ.reset(differ.parse(path), old_inputs, result)]


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


def alias_urns(identity: Identity, aliases: Iterable[Alias], former: Mapping[str, str]) -> list[str]:
    """Every URN the resource may have had: its own aliases, and those it has through its parent."""
    urns = [_alias_urn(identity, alias, former) for alias in aliases]
    if old_parent := former.get(identity.parent):
        own = [(identity.type, identity.name), *((urn_type(urn), urn_name(urn)) for urn in urns)]
        urns += [_inherited(identity, type_, name, old_parent) for type_, name in own]
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
