"""What `drift` has found, and the page that it writes for people who do not work in a terminal."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from ..core.marks import Place
from . import common

_STYLE = """
:root { color-scheme: light dark; --line: #d5d8de; --soft: #5b6270; --good: #1a6b37; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --line: #3b404a; --soft: #a5adba; --good: #6fce8f; --bad: #ff8a80 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; margin: 0 }
h2 { font-size: 1.15rem; margin: 2rem 0 0 }
p, ul { margin: .4rem 0 }
.sum { font-size: 1.2rem; font-weight: 600 }
.soft, dt { color: var(--soft) }
.good { color: var(--good) }
.bad { color: var(--bad) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem }
dd { margin: 0 }
table { width: 100%; border-collapse: collapse; table-layout: fixed; margin-top: .4rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 600 }
th:first-child { width: 20% }
bdi { white-space: pre-wrap }
"""
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)


@dataclass(frozen=True)
class Comparison:
    """States, and what the API shows otherwise than they have it.

    ``differences`` are as `drift --json` writes them, without secrets. ``gaps`` say what could not be compared, and
    ``notes`` what else people should know.
    """

    when: datetime
    base_url: str
    account: str | None
    states: Sequence[str]
    compared: int
    differences: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    gaps: Sequence[str]

    @property
    def differ(self) -> int:
        """How many instances differ."""
        return len({each["urn"] for each in self.differences})

    @property
    def summary(self) -> str:
        """How many were compared, and how many differ."""
        return f"{self.compared} compared, {self.differ} {self.verb}"

    @property
    def verb(self) -> str:
        """``differ``, as the number of instances that do so has it."""
        return "differs" if self.differ == 1 else "differ"

    @property
    def exit_code(self) -> int:
        """The exit code of a command that ends with this comparison: a gate that cannot compare does not pass."""
        return common.DIFFERS if self.differences else int(bool(self.gaps))


def row(difference: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a difference as tables show it: an instance that no longer exists is gone, and a secret another one."""
    if difference["field"] == "id":
        return {**difference, "api": "gone"}
    if difference["state"] == difference["api"] == common.BLOT:
        return {**difference, "api": f"another {common.BLOT}"}
    return difference


def page(found: Comparison) -> str:
    """Return one file of HTML, which needs no other and asks no host."""
    kind, verdict = "", "No difference"
    if found.differ:
        kind, verdict = "bad", f"{found.differ} of {common.counted(found.compared)} {found.verb}"
    elif not found.gaps:
        kind, verdict = "good", f"No difference in {common.counted(found.compared)}"
    facts = {
        "Compared at": f"{found.when:%Y-%m-%d %H:%M:%S %Z}",
        "API": found.base_url,
        "Account": found.account or "the default account",
        "States": ", ".join(found.states),
    }
    gaps = f'<h2 class="bad">Not everything was compared</h2>{_list(found.gaps)}' if found.gaps else ""
    notes = f"<h2>Notes</h2>{_list(found.notes)}" if found.notes else ""
    by_urn = itemgetter("urn")
    resources = (_resource(list(each)) for _, each in groupby(sorted(found.differences, key=by_urn), key=by_urn))
    advice = (
        '<p class="soft">"In the state" is what the last run of Pulumi has left, "at the service" what is there now. '
        "<code>pulumi up --refresh</code> brings the service back to what the program declares; "
        "<code>pulumi refresh</code> takes the changes into the state.</p>"
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Drift of instances: {verdict}</title>
<style>{_STYLE}</style></head>
<body>
<h1>Drift of instances</h1>
<p class="sum {kind}">{verdict}</p>
<dl>{"".join(f"<dt>{label}</dt><dd>{_text(fact)}</dd>" for label, fact in facts.items())}</dl>
{advice if found.differ else ""}
{gaps}
{"".join(resources)}
{notes}
</body></html>
"""


def _resource(differences: Sequence[Mapping[str, Any]]) -> str:
    first = differences[0]
    place = Place.of_urn(first["urn"])
    stack = f", stack {_text(f'{place.project}/{place.stack}')}" if place else ""
    rows = "".join(
        f"<tr><td>{_text(each['field'])}</td><td>{_text(each['state'])}</td><td>{_text(each['api'])}</td></tr>"
        for each in map(row, differences)
    )
    if first["field"] == "id":
        table = '<p class="bad">The instance no longer exists at the service.</p>'
    else:
        table = (
            '<table><thead><tr><th scope="col">Property</th><th scope="col">In the state</th>'
            f'<th scope="col">At the service</th></tr></thead><tbody>{rows}</tbody></table>'
        )
    return f'<h2>{_text(first["resource"])}</h2><p class="soft">Instance {_text(first["id"])}{stack}</p>{table}'


def _list(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(each)}</li>' for each in texts)}</ul>"


def _text(value: object) -> str:
    return f"<bdi>{html.escape(common.shown(value))}</bdi>"
