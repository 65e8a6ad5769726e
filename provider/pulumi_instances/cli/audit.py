"""`drift` and `orphans`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click

from ..api import selection
from ..api.client import Client, Found
from ..api.selection import Selection
from ..core import identity, model
from ..core.marks import stack_digest
from . import common, exported_state, project
from .exported_state import HIDDEN, Held


@click.command(
    short_help="Compare states with the API.",
    epilog=f"""\b
Examples:
  pulumi-instances drift --stack prod
  pulumi stack export | pulumi-instances drift - --json

{common.GATE_EXIT_CODES}""",
)
@click.argument("states", nargs=-1, metavar="[STATE]...")
@common.where
@click.option(
    "--health", is_flag=True, help="Also read each instance, and report those whose connection does not work."
)
@common.as_json
def drift(states: tuple[str, ...], health: bool, as_json: bool, **where: Any) -> int:
    """Compare states with the API: whether each instance exists, and its connector, name, tags and token.

    STATE is a file written by `pulumi stack export`, or - for stdin; --stack NAME gets the state from the Pulumi CLI.
    Secrets are compared if the state can be decrypted, as with --stack; they are never shown. Only instances of the
    selected account are compared. Nothing is changed: run `pulumi refresh` to bring the differences into the state.
    """
    _demand_states(states, where["stack"])
    held = [each for each in common.read_states(states, where["stack"], decrypt=True) if not each.leaving]
    ours = [each for each in held if each.account == where["account"]]
    client = common.open_client(**where)
    with common.progress("Listing instances") as on_page:
        there = {found["id"]: found for found in selection.select(client, Selection(), on_page)}
    differences = [difference for each in ours for difference in _differences(each, there.get(each.id))]
    if health:
        differences += _faults([each for each in ours if each.id in there], client)
    if as_json:
        common.write_json({"compared": len(ours), "differences": differences})
    elif differences:
        columns = ["resource", "id", "field", "state", "api"]
        rows = [{**each, "api": "gone"} if each["field"] == "id" else each for each in differences]
        common.write_table(columns, [[row[column] for column in columns] for row in rows])
    _note_others(held, where["account"])
    _note_hidden(ours)
    common.note(f"{len(ours)} compared, {len({each['urn'] for each in differences})} differ")
    return common.DIFFERS if differences else 0


def _faults(held: Sequence[Held], client: Client) -> Iterator[dict[str, Any]]:
    """The connections that do not work: of one that the program disables, nothing else is expected."""
    with ThreadPoolExecutor(client.settings.parallelism) as pool:
        for each, found in zip(held, pool.map(lambda one: selection.read(client, one.id), held), strict=True):
            if each.outputs.get("enabled") is False:
                continue
            if found.get("disabled") is True:
                yield {**_place(each), "field": "disabled", "state": False, "api": True}
            elif found.get("valid") is False:
                yield {**_place(each), "field": "valid", "state": True, "api": False}


def _place(held: Held) -> dict[str, Any]:
    return {"resource": held.name, "urn": held.urn, "id": held.id}


def _differences(held: Held, found: Found | None) -> Iterator[dict[str, Any]]:
    place = _place(held)
    if found is None:
        yield {**place, "field": "id", "state": held.id, "api": None}
        return
    made = _made(held)
    for key in _managed(held):
        old, new = held.outputs.get(key), found.get(key)
        if old is HIDDEN or key not in found or _same(key, old, new):
            continue
        if key in made and _same(key, made[key], new):
            continue
        if key in {*held.secrets, *model.SECRET_OUTPUTS}:
            old, new = common.BLOT if old else None, common.BLOT
        yield {**place, "field": key, "state": old, "api": new}


def _managed(held: Held) -> list[str]:
    """What is compared: not what the program leaves to the API."""
    left = model.unmanaged(held.outputs)
    return [key for key in model.LISTED if key not in left]


def _made(held: Held) -> Mapping[str, Any]:
    """What the service has made of name and tags of the program, as far as the state can be read."""
    made = held.outputs.get(model.MADE)
    return made if isinstance(made, Mapping) else {}


def _same(key: str, old: Any, new: Any) -> bool:
    if key == "tags" and old is not None and not (isinstance(old, list) and all(isinstance(tag, str) for tag in old)):
        return False  # as no version of ours writes them
    return model.same(key, old, new)


def _note_hidden(held: Sequence[Held]) -> None:
    if count := sum(each.outputs.get(model.MADE) is HIDDEN for each in held):
        common.note(
            f"what the service makes of name and tags of {common.counted(count)} is encrypted in the state, so that it "
            "counts as a difference; use --stack NAME to decrypt it"
        )
    for key in model.LISTED:
        if count := sum(each.outputs.get(key) is HIDDEN for each in held):
            common.note(
                f"{key} of {common.counted(count)} not compared, since it is encrypted in the state; "
                "use --stack NAME to decrypt it"
            )


def _note_others(held: Sequence[Held], account: str | None) -> None:
    for other in sorted({each.account for each in held} - {account}, key=str):
        count = sum(each.account == other for each in held)
        way = f"with --account {other}" if other else "without --account"
        common.note(f"{common.counted(count)} of another account not compared; run again {way}")


@click.command(
    short_help="List instances that a stack has made and does not hold.",
    epilog=f"""\b
Examples:
  pulumi-instances orphans --stack prod
  pulumi-instances orphans dev.json prod.json --all --older-than 30d --json

{common.GATE_EXIT_CODES}""",
)
@click.argument("states", nargs=-1, metavar="[STATE]...")
@common.where
@common.which
@click.option("--all", "everybodys", is_flag=True, help="All that no given state holds, whoever made them.")
@click.option("--older-than", metavar="AGE", help="Only instances older than AGE, such as 12h, 30d or 8w.")
@common.as_json
def orphans(
    states: tuple[str, ...],
    tags: tuple[str, ...],
    pattern: str | None,
    your_mom: str | None,
    everybodys: bool,
    older_than: str | None,
    as_json: bool,
    **where: Any,
) -> int:
    """List the instances that carry the mark of a given stack, and that no given state holds. Nothing is deleted.

    An interrupted `up` leaves such instances, and so does a state that was lost. With --all, those that other stacks
    have made, and those without a mark, are listed too: give the states of all stacks that use the account.

    STATE is a file written by `pulumi stack export`, or - for stdin; --stack NAME gets the state from the Pulumi CLI.
    An instance that a resource of any account manages or refers to is not an orphan. --older-than needs an API that
    reports when instances were created.
    """
    _demand_states(states, where["stack"])
    age = _age(older_than) if older_than else None
    documents = common.exported(states, where["stack"])
    known = {each.id for each in common.held_in(documents)}
    stacks = set() if everybodys else _stacks(documents, where["stack"])
    wanted = common.selection_of(tags, pattern, your_mom)
    with common.progress("Listing instances") as on_page:
        listed = selection.select(common.open_client(**where), Selection(), on_page)
    free = [each for each in listed if each["id"] not in known and wanted.matches(each)]
    found = [each for each in free if everybodys or _is_of(each, stacks)]
    others = len(free) - len(found)
    if age is not None:
        found = _old(found, datetime.now(timezone.utc) - age)
    rows = [{**common.presented(each, with_token=False), "created": _created(each)} for each in found]
    if as_json:
        common.write_json(rows)
    elif rows:
        columns = [*common.COLUMNS, "created"]
        common.write_table(columns, [[row.get(column) for column in columns] for row in rows])
    common.note(f"{len(rows)} of {common.counted(len(listed))} in no state")
    if others:
        common.note(f"{common.counted(others)} of other stacks or without a mark not listed; --all lists them")
    return common.DIFFERS if rows else 0


def _stacks(documents: Mapping[str, Any], stack: str | None) -> set[str]:
    """The digests of the stacks of these states, as marks have them.

    A state without resources names no stack: then the name and the project of ``--stack`` count.
    """
    found: set[tuple[str, str]] = set()
    for name, document in documents.items():
        places = exported_state.stacks(document)
        if not places and stack and name == f"stack {stack}":
            *_, given, short = ["", *stack.split("/")]
            named = given if stack.count("/") > 1 else project.name_in(Path.cwd())
            places = {(named, short)} if named else places
        if not places:
            raise click.ClickException(
                f"{name} holds no resources, so it does not name its stack; use --stack NAME in the directory of the "
                "project, or --all"
            )
        found |= places
    return {stack_digest(*place) for place in found}


def _is_of(found: Found, stacks: Collection[str]) -> bool:
    return any(mark.stack in stacks for mark in identity.marks_on(found))


def _old(found: Sequence[Found], before: datetime) -> list[Found]:
    undated = sum(model.CREATED_AT not in each for each in found)
    if undated:
        reason = "since the API does not report when they were created; run without --older-than"
        if undated == len(found):  # a gate that checked nothing must not pass
            raise click.ClickException(f"{common.counted(undated)} in no state, but of unknown age, {reason}")
        common.note(f"{common.counted(undated)} left out, {reason}")
    return [each for each in found if model.CREATED_AT in each and each[model.CREATED_AT] < before]


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if match is None:
        raise click.UsageError(f"--older-than {text} is not an age; write a number and h, d or w, such as 30d")
    unit = {"h": "hours", "d": "days", "w": "weeks"}[match[2]]
    return timedelta(**{unit: int(match[1])})


def _created(found: Found) -> str | None:
    return found[model.CREATED_AT].isoformat() if model.CREATED_AT in found else None


def _demand_states(states: Sequence[str], stack: str | None) -> None:
    if not states and not stack:
        raise click.UsageError("no state; pass a file written by `pulumi stack export`, - for stdin, or --stack NAME")
