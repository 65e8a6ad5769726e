"""The HTML of the emulator's page. Pure.

Every text of an instance or a request goes through `_text`, which escapes it. The policy of the page allows no script
and no style but the two in this module, and no request to another host.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .request_log import Request

__all__ = ["POLICY", "View", "matches", "page"]

_STYLE = """
:root { color-scheme: light dark; --line: #d5d8de; --soft: #5b6270; --good: #1a6b37; --bad: #b3261e; --card: #f6f7f9 }
@media (prefers-color-scheme: dark) {
  :root { --line: #3b404a; --soft: #a5adba; --good: #6fce8f; --bad: #ff8a80; --card: #22252b }
}
* { box-sizing: border-box }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 90rem; margin: auto; padding: 1rem; overflow-wrap: break-word }
h1 { font-size: 1.4rem; margin: 0 }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p { margin: .4rem 0 }
code, .number { font-family: ui-monospace, monospace; font-size: .9em }
.soft { color: var(--soft) }
.good { color: var(--good) }
.bad { color: var(--bad) }
.alert { border: 2px solid var(--bad); border-radius: 6px; padding: .5rem .75rem }
table { width: 100%; border-collapse: collapse }
th { text-align: left; font-weight: 600; color: var(--soft) }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
bdi, code { overflow-wrap: anywhere; white-space: pre-wrap }
th, .number, summary, button { white-space: nowrap }
.tag { display: inline-block; margin: 0 .3rem .2rem 0; padding: 0 .35rem; border: 1px solid var(--line);
  border-radius: 4px; background: var(--card) }
form, .do { display: flex; flex-wrap: wrap; gap: .4rem; align-items: end }
button, input, select, summary { font: inherit; max-width: 100%; padding: .2rem .55rem; border: 1px solid var(--line);
  border-radius: 5px; background: var(--card); color: inherit }
button, summary { cursor: pointer }
label { display: flex; flex-direction: column; max-width: 100%; color: var(--soft) }
summary { list-style: none; width: max-content }
summary::-webkit-details-marker { display: none }
details[open] { flex-basis: 100% }
@media (min-width: 50rem) { .do:not(:has([open])), .do:not(:has([open])) form { flex-wrap: nowrap } }
details form { margin-top: .4rem }
form a { align-self: center }
input[name=times] { width: 5rem }
input[type=search] { width: 17rem }
@media (max-width: 50rem) {
  thead { display: none }
  table, tbody, tr, td { display: block }
  tr { border: 1px solid var(--line); border-radius: 6px; padding: .4rem .6rem; margin: .5rem 0 }
  td { display: flex; gap: .5rem; border: 0; padding: .15rem 0 }
  td:empty { display: none }
  td[data-label]::before { content: attr(data-label); color: var(--soft); flex: 0 0 6.5rem; font: 15px system-ui }
  button, input, select, summary { padding: .45rem .7rem }
}
"""

_SCRIPT = """
const state = document.getElementById("state");
setInterval(async () => {
  if (document.hidden) return;
  let text;
  try {
    const answer = await fetch(location.href, {cache: "no-store"});
    text = await answer.text();
    if (!answer.ok) throw new Error(answer.status);
  } catch {
    state.textContent = "The emulator does not answer. What is shown is old.";
    return;
  }
  state.textContent = state.dataset.live;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll(".live")) {
    const now = fresh.getElementById(part.id);
    if (part.innerHTML === now.innerHTML || part.querySelector("details[open]")) continue;
    const focused = document.activeElement.id;
    part.replaceChildren(...now.childNodes);
    if (focused) document.getElementById(focused)?.focus();
  }
}, 2000);
"""


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_source(_STYLE)}; script-src {_source(_SCRIPT)}; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page."""


@dataclass(frozen=True)
class View:
    """What the page shows: of ``count`` instances, ``found`` match ``find``, and some of these are shown."""

    base_url: str
    count: int
    found: int
    instances: Sequence[Mapping[str, Any]]
    requests: Sequence[Request]
    now: float
    waiting: Sequence[str]
    faults: Sequence[str]
    methods: Sequence[str]
    find: str
    with_tokens: bool
    problem: str


def matches(instance: Mapping[str, Any], find: str) -> bool:
    """Return whether an instance has this text in its id, name, connector, tags or manager."""
    shown = (instance["id"], instance["name"], instance["your_mom"], *instance["tags"], instance["managed_by"] or "")
    return any(find.casefold() in str(each).casefold() for each in shown)


def page(view: View) -> str:
    """Return the page. With tokens it does not renew itself, so that they are shown only once."""
    live = not view.with_tokens
    renewed = '<noscript><meta http-equiv="refresh" content="5"></noscript>' if live else ""
    script = f"<script>{_SCRIPT}</script>" if live else ""
    problem = f'<p class="alert" role="alert">{_text(view.problem)}</p>' if view.problem else ""
    state = "Renewed every two seconds." if live else 'Shows tokens, and is not renewed. <a href="/">Hide tokens</a>'
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">{renewed}
<title>Emulator of the Instances API</title><style>{_STYLE}</style></head>
<body>
<h1>Emulator of the Instances API</h1>
<p><code>{_text(view.base_url)}</code></p>
<p class="soft" id="state" role="status" data-live="{state if live else ""}">{state}</p>
{problem}
<main>
<h2>Instances</h2>
{_search(view)}
<div class="live" id="instances">{_instances(view)}</div>
<h2>Faults</h2>
{_fault_form(view)}
<div class="live" id="faults">{_faults(view)}</div>
<h2>Requests</h2>
<div class="live" id="requests">{_requests(view)}</div>
</main>
{script}</body></html>
"""


def _text(value: object) -> str:
    return html.escape(str(value))


def _table(columns: Sequence[str], rows: Iterable[str]) -> str:
    headings = "".join(f'<th scope="col">{each}</th>' for each in columns)
    return f"<table><thead><tr>{headings}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(*cells: tuple[str, str, str]) -> str:
    """Return a row of cells, each with its label on narrow screens, its content and its class."""
    shown = (
        f'<td data-label="{label}" class="{kind}">{content}</td>' if label else f"<td>{content}</td>"
        for label, content, kind in cells
    )
    return f"<tr>{''.join(shown)}</tr>"


def _form(content: str, instance_id: int | None = None) -> str:
    """Return a form that acts on the emulator, or on one instance."""
    of = "" if instance_id is None else f'<input type="hidden" name="id" value="{instance_id}">'
    return f'<form method="post" action="/">{of}{content}</form>'


def _button(action: str, label: str, instance_id: int) -> str:
    name = f"{action}-{instance_id}"
    return _form(f'<button name="action" value="{action}" id="{name}">{label}</button>', instance_id)


def _search(view: View) -> str:
    link = "" if view.with_tokens else '<a href="/?tokens=show">Show tokens</a>'
    return (
        f'<form method="get" action="/"><input type="search" name="find" value="{_text(view.find)}" '
        'aria-label="Text in a name, tag, connector or id" placeholder="Name, tag, connector or id">'
        f"<button>Find</button>{link}</form>"
    )


def _instances(view: View) -> str:
    if not view.count:
        return '<p class="soft">None yet. A program creates them with <code>pulumi up</code>.</p>'
    counts = f"{view.count:,} in the account"
    if view.find:
        counts = f"{view.found:,} of {counts} match"
    if len(view.instances) < view.found:
        counts += f", the first {len(view.instances):,} are shown"
    columns = ["Id", "Name", "Connector", "Tags", "Login", "Managed by", *(["Token"] if view.with_tokens else []), ""]
    table = _table(columns, (_instance(each, with_token=view.with_tokens) for each in view.instances))
    return f'<p class="soft">{counts}</p>{table if view.instances else ""}'


def _instance(instance: Mapping[str, Any], *, with_token: bool) -> str:
    tags = "".join(f'<bdi class="tag">{_text(tag)}</bdi>' for tag in instance["tags"])
    token = [("Token", f"<code>{_text(instance['token'])}</code>", "")] if with_token else []
    return _row(
        ("Id", _text(instance["id"]), "number"),
        ("Name", f"<bdi>{_text(instance['name'])}</bdi>", ""),
        ("Connector", _text(instance["your_mom"]), ""),
        ("Tags", tags and f"<div>{tags}</div>", ""),
        ("Login", _health(instance), ""),
        ("Managed by", _text(instance["managed_by"] or "nobody"), ""),
        *token,
        ("", _actions(instance), ""),
    )


def _health(instance: Mapping[str, Any]) -> str:
    if instance["disabled"]:
        return '<span class="bad">disabled</span>'
    if instance["valid"]:
        return '<span class="good">works</span>'
    left = (instance.get("broken") or {}).get("left")
    rest = f"; disabled after {left} more read{'' if left == 1 else 's'}" if left else ""
    return f'<span class="bad">broken{rest}</span>'


def _actions(instance: Mapping[str, Any]) -> str:
    number, name = instance["id"], _text(instance["name"])
    works = instance["valid"] and not instance["disabled"]
    login = _button("break", "Break login", number) if works else _button("mend", "Log in again", number)
    rename = _form(
        f'<input name="name" value="{name}" aria-label="New name" required>'
        '<button name="action" value="rename">Save</button>',
        number,
    )
    return (
        f'<div class="do"><details><summary>Rename</summary>{rename}</details>'
        f"{login}{_button('delete', 'Delete', number)}</div>"
    )


def _select(name: str, label: str, choices: Iterable[str]) -> str:
    options = "".join(f"<option>{_text(each)}</option>" for each in choices)
    return f'<label>{label}<select name="{name}">{options}</select></label>'


def _fault_form(view: View) -> str:
    return _form(
        f"{_select('method', 'Next requests', view.methods)}"
        '<label>Times<input type="number" name="times" value="1" min="1" max="1000" required></label>'
        f"{_select('fault', 'What happens', view.faults)}<button name=action value=fail>Let them fail</button>"
    )


def _faults(view: View) -> str:
    if not view.waiting:
        return '<p class="soft">No fault waits for a request.</p>'
    rows = "".join(f"<li>{_text(each)}</li>" for each in view.waiting)
    button = '<button name="action" value="forgive" id="forgive">Remove all</button>'
    return f"<ul>{rows}</ul>{_form(button)}"


def _requests(view: View) -> str:
    if not view.requests:
        return '<p class="soft">None yet.</p>'
    return _table(["When", "Request", "Status", "Time", "Fault"], (_request(each, view.now) for each in view.requests))


def _request(request: Request, now: float) -> str:
    done = request.finished is not None
    status = request.status or ("dropped" if done else "in flight")
    kind = "bad" if done and (request.status is None or request.status >= 400) else ""
    took = f"{(request.finished - request.started) * 1000:.0f} ms" if request.finished is not None else ""
    return _row(
        ("When", _ago(now - request.started), "number"),
        ("Request", f"<code>{_text(request.method)} {_text(request.path)}</code>", ""),
        ("Status", str(status), f"number {kind}"),
        ("Time", took, "number"),
        ("Fault", _text(request.fault or ""), ""),
    )


def _ago(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
