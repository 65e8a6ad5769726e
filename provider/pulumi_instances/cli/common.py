"""Options, settings, states and output, which the commands share.

A command gets an account by `open_account`, reads states with `read_states`, and writes with `write_json`,
`write_table` and `note`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ..api.search import Selection
from ..core import config, identity, model, origin
from ..core.errors import BLOT as BLOT
from ..core.errors import InputError, Problem, quote
from ..core.marks import stack_digest
from . import exported_state, project, pulumi_cli
from .exported_state import Held, held

if TYPE_CHECKING:
    from ..api.client import Found, OnPage
    from ..api.operations import Operations

DIFFERS = 2
"""Exit code of a command that has found what it looks for."""

EXIT_CODES = "Exit codes: 0 success, 1 error."
GATE_EXIT_CODES = "Exit codes: 0 success, 1 error, 2 found something."

_GAP = 2
"""Columns of the terminal between two columns of a table."""

_NARROWEST = 2  # the columns of a wide character

Command = TypeVar("Command", bound=Callable[..., Any])


def options(*declared: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return one decorator for several options, which the help shows in this order."""

    def add(command: Command) -> Command:
        for option in reversed(declared):
            command = option(command)
        return command

    return add


as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
show_secrets = click.option("--show-secrets", is_flag=True, help="Show tokens.")
stack_option = click.option("--stack", metavar="NAME", help="Use the settings and the state of this stack.")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a setting that is not a secret: --set timeout=60.",
)


def _account(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    if name is not None and (problem := config.problem_of_account(name)):
        raise click.UsageError(f"--account: {problem}")
    return name


account_option = click.option(
    "--account",
    metavar="NAME",
    callback=_account,
    help="Use the account declared by account(NAME); its settings come from INSTANCES_<NAME>_….",
)
where = options(stack_option, account_option, set_option)
"""The parameters ``stack``, ``account`` and ``overrides``, for `open_account`."""

which = options(
    click.option("--tag", "tags", multiple=True, metavar="T", help="Filter by tag; repeat to require several."),
    click.option("--name", "pattern", metavar="GLOB", help="Filter by name: --name 'QA *'."),
    click.option("--your-mom", metavar="KEY", help="Filter by connector."),
)
"""The parameters ``tags``, ``pattern`` and ``your_mom``, for `selection_of`."""


def selection_of(tags: Collection[str], pattern: str | None, your_mom: str | None) -> Selection:
    """Return the selection that the options of `which` describe."""
    return Selection(pattern=pattern, tags=frozenset(tags), your_mom=your_mom)


# settings


def open_account(stack: str | None, account: str | None, overrides: Sequence[str]) -> Operations:
    """Return an account with the settings of the command line, the environment and the stack, in this order."""
    return account_of(sources(stack, account, overrides), account)


def account_of(found: Sources, account: str | None) -> Operations:
    """Return an account with these settings, whose origin errors of the command name from now on."""
    from ..api.operations import Operations

    settings = config.load(found.get, found.environ, how_to_set=_how_to_set(found.stack))
    for problem in unknown(found, account):
        note(f"Warning: {problem}")
    click.get_current_context().find_root().obj = origin.of(found.get, found.environ, settings.base_url)
    return Operations(settings, account=account)


def unknown(found: Sources, account: str | None) -> list[Problem]:
    """Return the problems of what looks like a setting in these sources and is not one."""
    return config.unknown(found.keys, found.environ, account, project.name_in(Path.cwd()))


def _how_to_set(stack: str | None) -> config.HowToSet:
    """Return what advises to set a setting: the configuration of a stack is read only if ``--stack`` names it."""

    def advice(setting: config.Setting, account: Any) -> str:
        known = config.how_to_set_in_python(setting, account)
        if account or stack:
            return known
        if project.file_of(Path.cwd()) is not None:
            return "pass --stack NAME to read the configuration of a stack"
        return f"{known} and pass --stack"

    return advice


class Sources(NamedTuple):
    """Where `config.load` finds settings. ``keys`` are those of the stack, ``secrets`` those that it keeps secret."""

    get: Callable[[str], Any]
    environ: Mapping[str, str]
    secrets: frozenset[str] = frozenset()
    keys: Collection[str] = ()
    stack: str | None = None


def sources(stack: str | None, account: str | None, overrides: Sequence[str]) -> Sources:
    """Return where these settings are. The configuration of a stack is for its default account only."""
    entries = pulumi_cli.stack_config(stack) if stack and not account else {}
    values = {key: entry.get("value") for key, entry in entries.items()}
    secrets = frozenset(key for key, entry in entries.items() if entry.get("secret"))
    environ = dict(os.environ)
    for override in overrides:
        key, _, value = override.partition("=")
        environ[_overridden(key).variable(account)] = value
    return Sources({**values, config.ACCOUNT_KEY: account}.get, environ, secrets, entries, stack)


def _overridden(key: str) -> config.Setting:
    wanted = key.removeprefix(f"{config.NAMESPACE}:")
    settings = {setting.key: setting for setting in config.SETTINGS}
    if wanted not in settings:
        known = ", ".join(name for name, setting in settings.items() if not setting.secret)
        # A key that is far from any setting may be a secret in the wrong place.
        shown = f" {quote(key)}" if get_close_matches(wanted, settings, 1) else ""
        raise click.UsageError(f"--set{shown}: no such setting; use one of {known}")
    if settings[wanted].secret:
        raise click.UsageError(
            f"--set {wanted}: other users of this machine can see the command line; use the environment or --stack"
        )
    return settings[wanted]


# states


def read_states(files: Sequence[str], stack: str | None, *, decrypt: bool = False) -> list[Held]:
    """Return the instances in these files (``-`` is stdin) and in the stack's state, with ``decrypt`` in plain."""
    return held_in(exported(files, stack, decrypt=decrypt))


def exported(files: Sequence[str], stack: str | None, *, decrypt: bool = False) -> dict[str, Any]:
    """Return these files and the state of the stack, as `pulumi stack export` writes them, by names for messages."""
    documents = {_named(name): _read(name) for name in files}
    if stack:
        documents[f"stack {stack}"] = pulumi_cli.stack_state(stack, decrypt=decrypt)
    return documents


def held_in(documents: Mapping[str, Any]) -> list[Held]:
    """Return the instances in what `exported` returns."""
    found: list[Held] = []
    for name, document in documents.items():
        try:
            found += held(document)
        except InputError as error:
            raise click.ClickException(f"{name} {error}") from None
    return found


def _named(name: str) -> str:
    return "stdin" if name == "-" else name


def _read(name: str) -> Any:
    try:
        with click.open_file(name, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise click.ClickException(
            f"{_named(name)}: {error.strerror}; give a file written by `pulumi stack export`"
        ) from None
    except (ValueError, RecursionError):
        raise click.ClickException(
            f"{_named(name)} is not JSON; give a file written by `pulumi stack export`"
        ) from None


# instances


def holders(found: Mapping[str, Any], held: Iterable[Held], account: str | None) -> list[tuple[Held, bool]]:
    """Return the resources of the states that hold an instance of this account, each with whether that is certain.

    Within the account the id is enough, since the token may be a new one, unless the instance has other marks.
    """
    same_id = [each for each in held if each.id == found["id"]]
    proofs = [(each, each.is_of(found)) for each in same_id]
    unmarked = not identity.marks_on(found)
    return [
        (each, bool(proof) or each.account == account)
        for each, proof in proofs
        if proof is not False or (unmarked and each.account == account)
    ]


def stack_digests(documents: Mapping[str, Any], stack: str | None) -> set[str]:
    """Return the digests of the stacks of these states, as marks have them.

    A state without resources names no stack; then ``stack`` and the project of the directory do. Raises ClickException
    where these are not known either.
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


def is_of(found: Mapping[str, Any], stacks: Collection[str]) -> bool:
    """Return whether an instance carries a mark of one of these stacks."""
    return any(mark.stack in stacks for mark in identity.marks_on(found))


def left_behind(
    documents: Mapping[str, Any],
    stack: str | None,
    held: Sequence[Held],
    listed: Sequence[Mapping[str, Any]],
    account: str | None,
) -> list[str]:
    """Return the ids of instances that carry a mark of these states' stacks, and that none of the states has.

    An interrupted run leaves such instances. The list is empty where it is unknown which stack a state is of.
    """
    try:
        digests = stack_digests(documents, stack)
    except click.ClickException:
        return []
    return [found["id"] for found in listed if is_of(found, digests) and not holders(found, held, account)]


def how_to_take_over(account: str | None) -> str:
    """Return what to do about instances that an interrupted run has left."""
    return f"run `{config.env_prefix(account)}TAKE_OVER=yes pulumi up` with the program that declares them"


def read(api: Operations, listed: Sequence[Found], *, everything: bool = False) -> dict[str, Found]:
    """Return the instances of a listing by their ids, each completed by a GET if the listing does not show its token.

    With ``everything``, all are read: a listing does not say whether a connection works.
    """
    whole = {each["id"]: each for each in listed}
    lacking = [id_ for id_, each in whole.items() if everything or identity.shown_token(each) is None]
    if lacking:
        with progress("Reading instances") as on_page, ThreadPoolExecutor(api.settings.parallelism) as pool:
            for number, found in enumerate(pool.map(api.get, lacking), 1):
                whole[found["id"]] = {**whole[found["id"]], **found}
                on_page(number, len(lacking))
    return whole


# output


def write_json(value: Any) -> None:
    """Write JSON to stdout, in ASCII where stdout is not UTF-8."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=(sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")))


def write_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table to stdout, in full if that is not a terminal, and nothing where it has no rows.

    No name from a server can move the cursor.
    """
    if not rows:
        return
    table = [[shown(value) for value in row] for row in rows]
    if any(columns):
        table.insert(0, list(columns))
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    terminal = sys.stdout.isatty()
    if terminal:
        widths = _narrowed(widths, shutil.get_terminal_size().columns - _GAP * (len(columns) - 1))
    lines = [line for row in table for line in _lines(row, widths)]
    if terminal and any(columns) and os.environ.get("TERM") != "dumb":
        heading = len(_lines(columns, widths))
        lines[:heading] = [click.style(line, bold=True) for line in lines[:heading]]
    click.echo("\n".join(lines))


def _narrowed(widths: list[int], available: int) -> list[int]:
    """Return the widths of columns that fit into the available one: the widest are narrowed first."""
    widths = list(widths)
    while sum(widths) > max(available, _NARROWEST * len(widths)):
        widths[widths.index(max(widths))] -= 1
    return widths


def _lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return the lines of a row. Cells that are too wide are folded: cut ids and paths could not be copied."""
    cells = [
        _folded(text, width) if cell_len(text) > width else [text] for text, width in zip(row, widths, strict=True)
    ]
    folded = zip_longest(*cells, fillvalue="")
    return [(" " * _GAP).join(map(set_cell_size, line, widths)).rstrip() for line in folded]


def _folded(text: str, width: int) -> list[str]:
    """Return the lines of a text: broken at spaces, and a word that is wider than a line anywhere."""
    lines = Text(text).wrap(Console(width=width), width, overflow="fold")
    return [line.plain for line in lines]


def shown(value: object) -> str:
    """Return a value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return quote(", ".join(map(str, value)) if isinstance(value, list) else value)


def counted(number: int, what: str = "instance") -> str:
    """Return a number of instances, or of something else, in words, such as ``1 instance``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def note(text: str) -> None:
    """Write one line to stderr: stdout has only what the command was asked for."""
    click.echo(text, err=True)


MANAGED_BY = "managed_by"
"""The column and key for the resource that manages an instance."""

COLUMNS = ("id", "name", *(key for key in model.LISTED if key not in ("name", *model.SECRET_OUTPUTS)), MANAGED_BY)
"""The columns of instances in tables."""


def presented(found: Mapping[str, Any], *, with_token: bool) -> dict[str, Any]:
    """Return an instance as the commands show it."""
    keys = (*COLUMNS, *model.HEALTH, *(model.SECRET_OUTPUTS if with_token else ()))
    known = {**found, MANAGED_BY: identity.managed_by(found)}
    return {key: known[key] for key in keys if key in known}


@contextmanager
def progress(text: str) -> Iterator[OnPage]:
    """Show a bar and what is left on stderr while the block lists or reads instances, on a terminal only."""
    console = Console(stderr=True)
    if not console.is_interactive:  # a bar that is merely disabled ends in an empty line with an older rich
        yield lambda *_: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
