"""`drift` and `orphans`: a comparison of exported states with the API.

Both end with exit code 2 where they find something, and with an error where they could not compare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..api.client import Found
from ..api.search import Selection
from ..core import identity, model
from . import common, drift_report, files, watching
from .drift_report import Comparison
from .exported_state import HIDDEN, Held

if TYPE_CHECKING:
    from ..api.operations import Operations


@click.command(
    short_help="Compare states with the API.",
    epilog=f"""\b
Examples:
  pulumi-instances drift --stack prod
  pulumi-instances drift --stack prod --html drift.html
  pulumi-instances drift --stack prod --watch 300
  pulumi stack export --show-secrets | pulumi-instances drift - --json

{common.GATE_EXIT_CODES}""",
)
@click.argument("states", nargs=-1, metavar="[STATE]...")
@common.where
@click.option(
    "--health", is_flag=True, help="Also read each instance, and report those whose connection does not work."
)
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Also write a page for a browser.")
@click.option(
    "--watch",
    type=click.FloatRange(min=1),
    is_flag=False,
    flag_value=60,
    metavar="[SECONDS]",
    help="Compare again every 60 seconds, or SECONDS, until Ctrl-C.",
)
@common.as_json
def drift(
    states: tuple[str, ...], health: bool, html: Path | None, watch: float | None, as_json: bool, **where: Any
) -> int:
    """Compare states with the API: whether each instance exists, and its connector, name, tags and token.

    STATE is a file written by `pulumi stack export`, or - for stdin; --stack NAME gets the state from the Pulumi CLI.
    Secrets are compared, but never shown. If something cannot be compared, such as an encrypted token, that is an
    error. Only instances of the selected account are compared. Nothing is changed: run `pulumi refresh` to bring the
    differences into the state.
    """
    _demand_states(states, where["stack"])
    if watch is not None and (as_json or "-" in states):
        raise click.UsageError("--watch writes lines and reads the states again; leave out --json, and give no -")
    if html is not None:
        files.demand_file(html)
    opened = cache(partial(common.open_account, **where))  # after the states, and once for all rounds of --watch

    def compare() -> Comparison:
        found = _compared(states, opened, where["stack"], where["account"], health=health)
        if html is not None:
            files.write(html, drift_report.page(found))
        return found

    if watch is not None:
        return watching.watch(compare, watch)
    found = compare()
    if as_json:
        common.write_json({"compared": found.compared, "differences": found.differences})
    else:
        columns = ["resource", "id", "field", "state", "api"]
        rows = map(drift_report.row, found.differences)
        common.write_table(columns, [[row[column] for column in columns] for row in rows])
    for text in (found.summary, *found.notes):
        common.note(text)
    if found.gaps and not found.differences:
        raise click.ClickException("; ".join(found.gaps))
    for gap in found.gaps:
        common.note(gap)
    return common.DIFFERS if found.differences else 0


def _compared(
    states: Sequence[str], opened: Callable[[], Operations], stack: str | None, account: str | None, *, health: bool
) -> Comparison:
    """Compare the instances of the account in these states with the API."""
    documents = common.exported(states, stack, decrypt=True)
    found = common.held_in(documents)
    held = [each for each in found if not each.leaving]
    ours = [each for each in held if each.account == account]
    api = opened()
    with common.progress("Listing instances") as on_page:
        listed = {found["id"]: found for found in api.select(Selection(), on_page)}
    there = common.read(api, [listed[each.id] for each in ours if each.id in listed], everything=health)
    differences = [difference for each in ours for difference in _differences(each, there.get(each.id))]
    if health:
        differences += [fault for each in ours if each.id in there for fault in _faults(each, there[each.id])]
    notes = [*_of_others(held, account)]
    if left := common.left_behind(documents, stack, found, [*listed.values()], account):
        verb = "is" if len(left) == 1 else "are"
        command = f"pulumi-instances orphans --stack {stack}" if stack else "pulumi-instances orphans STATE"
        notes.append(f"{common.counted(len(left))} of these stacks {verb} in no state; see `{command}`")
    if differences and (count := sum(each.outputs.get(model.MADE) is HIDDEN for each in ours)):
        notes.append(
            f"what the service makes of name and tags of {common.counted(count)} is encrypted in the state, so "
            "that it counts as a difference; use --stack NAME where you may decrypt it"
        )
    return Comparison(
        when=datetime.now(timezone.utc),
        base_url=api.settings.base_url,
        account=account,
        states=[*documents],
        compared=len(ours),
        differences=differences,
        notes=notes,
        gaps=[*_gaps([(each, there.get(each.id)) for each in ours], health=health)],
    )


def _faults(held: Held, found: Found) -> Iterator[dict[str, Any]]:
    """Yield what is wrong with a connection, of which one that the program disables only has to be disabled."""
    disables = model.declared_enabled(held.outputs) is False
    if "disabled" in found and found["disabled"] is not disables:
        yield {**_place(held), "field": "disabled", "state": disables, "api": found["disabled"]}
    elif found.get("valid") is False and not disables:
        yield {**_place(held), "field": "valid", "state": True, "api": False}


def _place(held: Held) -> dict[str, Any]:
    return {"resource": held.name, "urn": held.urn, "id": held.id}


def _differences(held: Held, found: Found | None) -> Iterator[dict[str, Any]]:
    """Yield the fields that the API shows otherwise than the state has them, and than the service has made of them."""
    place = _place(held)
    if found is None:
        yield {**place, "field": "id", "state": held.id, "api": None}
        return
    made = _made(held)
    for key in _managed(held):
        old, new = held.outputs.get(key), found.get(key)
        if old is HIDDEN or not _is_shown(key, found) or model.same(key, old, new):
            continue
        if key in made and _same(key, made[key], new):
            continue
        if key in {*held.secrets, *model.SECRET_OUTPUTS}:
            old = common.BLOT if old else None
            new = common.BLOT
        yield {**place, "field": key, "state": old, "api": new}


def _managed(held: Held) -> list[str]:
    """Return the fields to compare: not those that the program leaves to the API."""
    left = model.unmanaged(held.outputs)
    return [key for key in model.LISTED if key not in left]


def _made(held: Held) -> Mapping[str, Any]:
    """Return what the service has made of what a PUT changes, if the state has it in plain."""
    made = held.outputs.get(model.MADE)
    return made if isinstance(made, Mapping) else {}


def _same(key: str, old: Any, new: Any) -> bool:
    if key == "tags" and old is not None and not (isinstance(old, list) and all(isinstance(tag, str) for tag in old)):
        return False  # as no version of ours writes them
    return model.same(key, old, new)


def _is_shown(key: str, found: Found) -> bool:
    return identity.shown_token(found) is not None if key == "token" else key in found


def _gaps(pairs: Sequence[tuple[Held, Found | None]], *, health: bool) -> Iterator[str]:
    """Yield what could not be compared, and so may differ."""
    if not pairs:
        yield "nothing was compared, since no state has an instance of this account; check the states and --account"
    there = [(each, found) for each, found in pairs if found is not None]
    for key in model.LISTED:
        managed = [(each, found) for each, found in there if key in _managed(each)]
        if count := sum(each.outputs.get(key) is HIDDEN for each, _ in managed):
            yield (
                f"{key} of {common.counted(count)} not compared, since it is encrypted in the state; use --stack NAME "
                "where you may decrypt it, or `pulumi stack export --show-secrets`"
            )
        if count := sum(not _is_shown(key, found) for _, found in managed):
            yield f"{key} of {common.counted(count)} not compared, since the API does not show it"
    working = [found for each, found in there if model.declared_enabled(each.outputs) is not False]
    if health and (count := sum(not isinstance(found.get("valid"), bool) for found in working)):
        yield f"valid of {common.counted(count)} not compared, since the API does not show it"


def _of_others(held: Sequence[Held], account: str | None) -> Iterator[str]:
    """Yield how many instances of each other account were not compared."""
    for other in sorted({each.account for each in held} - {account}, key=str):
        count = sum(each.account == other for each in held)
        way = f"with --account {other}" if other else "without --account"
        yield f"{common.counted(count)} of another account not compared; run again {way}"


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
@click.option("--all", "everybodys", is_flag=True, help="All instances that no given state holds, whoever made them.")
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

    An interrupted `up` leaves such instances, and so does a state that was lost. With --all, the command also lists
    instances that other stacks have made, and those without a mark: give the states of all stacks that use the account.

    STATE is a file written by `pulumi stack export`, or - for stdin; --stack NAME gets the state from the Pulumi CLI.
    An instance that a resource of any account manages or refers to is not an orphan. --older-than needs an API that
    reports when instances were created.
    """
    _demand_states(states, where["stack"])
    age = _age(older_than) if older_than else None
    documents = common.exported(states, where["stack"], decrypt=True)
    held = common.held_in(documents)
    stacks = set() if everybodys else common.stack_digests(documents, where["stack"])
    wanted = common.selection_of(tags, pattern, your_mom)
    with common.progress("Listing instances") as on_page:
        listed = common.open_account(**where).select(Selection(), on_page)
    holders = {each["id"]: common.holders(each, held, where["account"]) for each in listed}
    _demand_some_of_ours(held, holders, where["account"])
    free = [each for each in listed if not holders[each["id"]] and wanted.matches(each)]
    found = [each for each in free if everybodys or common.is_of(each, stacks)]
    others = len(free) - len(found)
    if age is not None:
        found = _old(found, datetime.now(timezone.utc) - age)
    _write_orphans(found, as_json=as_json)
    common.note(f"{len(found)} of {common.counted(len(listed))} in no state")
    if others:
        common.note(f"{common.counted(others)} of other stacks or without a mark not listed; --all lists them")
    if found and not everybodys:
        common.note(f"{common.how_to_take_over(where['account'])}; or delete them at the service")
    if found:
        return common.DIFFERS
    _demand_certainty(holders)
    return 0


def _write_orphans(found: Sequence[Found], *, as_json: bool) -> None:
    rows = [{**common.presented(each, with_token=False), "created": _created(each)} for each in found]
    if as_json:
        common.write_json(rows)
    else:
        columns = [*common.COLUMNS, *(["created"] if any(row["created"] for row in rows) else [])]
        common.write_table(columns, [[row.get(column) for column in columns] for row in rows])


def _demand_certainty(holders: Mapping[str, Sequence[tuple[Held, bool]]]) -> None:
    """Raise ClickException where an instance counts as held only because its state cannot be read."""
    if unsure := sum(bool(each) and not any(certain for _, certain in each) for each in holders.values()):
        raise click.ClickException(
            f"{common.counted(unsure)} not compared: a state has the same id for another account, and its token is "
            "encrypted; use --stack NAME where you may decrypt it, or `pulumi stack export --show-secrets`"
        )


def _demand_some_of_ours(
    held: Sequence[Held], holders: Mapping[str, Sequence[tuple[Held, bool]]], account: str | None
) -> None:
    """Raise ClickException for an account without any instance of the states: in it, all would be orphans."""
    ours = [each for each in held if each.account == account]
    found = [each for pairs in holders.values() for each, _ in pairs]
    if ours and not any(each in found for each in ours):
        raise click.ClickException(
            f"none of the {common.counted(len(ours))} of the states is in this account; check that instances:baseUrl "
            "and the secrets are of the account that made them, or run `pulumi refresh` if they no longer exist"
        )


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
