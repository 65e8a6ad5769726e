"""How resources, steps and messages are put into words, as the CLI does it."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import objectdiff, render
from .events import Diagnostic
from .objectdiff import Diff
from .steps import Step
from .values import UNKNOWN

HEADERS = {
    "preview": "Previewing update",
    "update": "Updating",
    "refresh": "Refreshing",
    "destroy": "Destroying",
}
WORDS = {  # operation: plan, under way, done
    "create": ("create", "creating", "created"),
    "update": ("update", "updating", "updated"),
    "delete": ("delete", "deleting", "deleted"),
    "replace": ("replace", "replacing", "replaced"),
    "create-replacement": ("create replacement", "creating replacement", "created replacement"),
    "delete-replaced": ("delete original", "deleting original", "deleted original"),
    "read": ("read", "reading", "read"),
    "read-replacement": ("read for replacement", "reading for replacement", "read for replacement"),
    "refresh": ("refreshing", "refreshing", "refresh"),
    "discard": ("discard", "discarding", "discarded"),
    "discard-replaced": ("discard original", "discarding original", "discarded original"),
    "same": ("", "", ""),
}
FAILED = {"create-replacement": "creating", "delete-replaced": "deleting", "discard-replaced": "discarding"}
SUMMARIZED = ("create", "update", "delete", "replace", "refresh")
SEVERITY_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "", "debug": "dim"}


@dataclass
class Row:
    """What is known of one resource."""

    urn: str
    step: Step | None = None
    op: str = "same"
    status: str = ""
    depth: int = 0
    started: float = 0.0
    failed: bool = False
    messages: dict[int, list[Diagnostic]] = field(default_factory=dict)

    def count(self, *severities: str) -> int:
        """How many lasting messages of these severities there are."""
        return sum(message.severity in severities for stream in self.messages.values() for message in stream)


def display_name(type_: str) -> str:
    """Shorten `package:module/thing:Thing` to `package:module:Thing`, as the CLI does."""
    package, _, rest = type_.partition(":")
    module, _, name = rest.rpartition(":")
    directory, slash, file = module.rpartition("/")
    if slash and name and file == name[0].lower() + name[1:]:
        return f"{package}:{directory}:{name}"
    return type_


def labelled(message: Diagnostic) -> str:
    """A message with what kind of message it is."""
    label = {"error": "error: ", "warning": "warning: "}.get(message.severity, "")
    return label + message.text


def input_diff(step: Step) -> Diff | None:
    """What a step changes in the inputs."""
    if step.old is None or step.new is None or step.op == "same":
        return None
    diff = objectdiff.compare(step.old.inputs, step.new.inputs, objectdiff.internal)
    if diff is not None and step.diff.changed:
        diff = render.only(diff, step.diff.changed)
    return diff


def metadata_changes(step: Step) -> dict[str | int, objectdiff.ValueDiff]:
    """Changed options that are worth a line although no property changes."""
    if step.old is None or step.new is None or step.old.protect == step.new.protect:
        return {}
    return {"protect": objectdiff.ValueDiff(step.old.protect, step.new.protect)}


def diff_info(step: Step) -> str:
    """The changed keys, in brackets."""
    found = input_diff(step) or Diff()
    updates = {**found.updates, **metadata_changes(step)}
    if step.old is not None and step.new is not None and step.old.provider != step.new.provider:
        updates["provider"] = objectdiff.ValueDiff(step.old.provider, step.new.provider)
    text = render.summary(Diff(found.adds, found.deletes, updates))
    return f"[diff: {text}]" if text else ""


def without_unknowns(diff: Diff) -> Diff | None:
    """Leave out what is not known yet: in a preview, that has not changed."""

    def known(change: objectdiff.ValueDiff) -> bool:
        return change.new is not UNKNOWN

    updates = {key: change for key, change in diff.updates.items() if known(change)}
    kept = Diff(diff.adds, diff.deletes, updates)
    return kept if kept.keys else None
