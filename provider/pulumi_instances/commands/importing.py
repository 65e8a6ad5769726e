"""`import-file` and `import`: existing instances into a stack, without a write to the API."""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import importing, selection
from ..program import program as program_text
from ..selection import Found
from . import common, pulumi_cli

if TYPE_CHECKING:
    from ..client import Client, OnPage

_exclude_state = click.option(
    "--exclude-state",
    "excluded",
    multiple=True,
    metavar="FILE",
    help="Leave out what this file of `pulumi stack export` holds. So does --stack.",
)
_program = click.option(
    "--program",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the program that declares them; never over another one.",
)


@dataclass(frozen=True)
class _Plan:
    """What is to be imported under which names, and what is not."""

    instances: list[Found]
    names: dict[str, str]
    held: int
    left_out: list[dict[str, str]]

    def report(self, **more: Any) -> dict[str, Any]:
        return {"instances": len(self.instances), "held_already": self.held, "left_out": self.left_out, **more}


@click.command(
    "import-file",
    short_help="Write a file for `pulumi import`, and the program to it.",
    epilog=f"""\b
Examples:
  pulumi-instances import-file --stack dev --out resources.json --program instances.py
  pulumi import --stack dev --file resources.json --generate-code=false --protect=false
  rm resources.json

The file holds the tokens in plain (mode 0600): remove it afterwards. `pulumi-instances import` does all of this.

{common.EXIT_CODES}""",
)
@common.stack_option
@common.set_option
@common.which
@_exclude_state
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the file for `pulumi import`.",
)
@_program
@common.as_json
def import_file(
    stack: str | None,
    overrides: tuple[str, ...],
    excluded: tuple[str, ...],
    out: Path,
    program: Path,
    as_json: bool,
    **which: Any,
) -> None:
    """Write what `pulumi import` needs to take existing instances into a stack, and a program that declares them.

    Instances that the states hold already are left out. Nothing is sent to the API but the listing.
    """
    plan = _plan(stack, overrides, excluded, which)
    if plan.instances:
        _write_program(program, plan.instances, plan.names)
        _write_private(out, json.dumps(importing.import_file(plan.instances, plan.names), indent=1))
    if as_json:
        common.write_json(plan.report(out=str(out), program=str(program)) if plan.instances else plan.report())
    elif plan.instances:
        click.echo(f"{out} holds {len(plan.instances)} instances with their tokens, {program} declares them. Now run:")
        stack_words = f" --stack {stack}" if stack else ""
        click.echo(f"pulumi import{stack_words} --file {out} --generate-code=false --protect=false && rm {out}")


@click.command(
    "import",
    short_help="Take existing instances into a stack.",
    epilog=f"""\b
Examples:
  pulumi-instances import --stack dev --program __main__.py
  pulumi-instances import --stack dev --tag billing --program billing.py --yes

{common.EXIT_CODES}""",
)
@click.option("--stack", required=True, metavar="NAME", help="The stack to import into, and to take the settings of.")
@common.set_option
@common.which
@_exclude_state
@_program
@click.option("--yes", is_flag=True, help="Do not ask before the state is changed.")
@common.as_json
def import_(
    stack: str,
    overrides: tuple[str, ...],
    excluded: tuple[str, ...],
    program: Path,
    yes: bool,
    as_json: bool,
    **which: Any,
) -> None:
    """Take existing instances into the state of a stack, and write a program that declares them.

    Run it in the project's directory. `pulumi preview` with that program then finds nothing to do. Nothing is sent to
    the API but the listing; the file with the tokens that `pulumi import` needs is removed in any case.
    """
    _demand_cli()
    plan = _plan(stack, overrides, excluded, which)
    if plan.instances:
        _demand_free(program, program_text(plan.instances, plan.names))
        if not yes:
            if as_json:
                raise click.UsageError("--json asks no questions: add --yes")
            click.confirm(f"Import {len(plan.instances)} instances into the stack {stack}?", abort=True)
        _import(stack, plan, program, quiet=as_json)
    if as_json:
        common.write_json(plan.report(program=str(program)) if plan.instances else plan.report())
    elif plan.instances:
        click.echo(f"{len(plan.instances)} instances are in the stack {stack}, and {program} declares them.")
        click.echo(f"Now run: pulumi preview --stack {stack}")


def _import(stack: str, plan: _Plan, program: Path, *, quiet: bool) -> None:
    # Before the import: a state without its program would have the next `up` delete the instances.
    _write_program(program, plan.instances, plan.names)
    with tempfile.TemporaryDirectory(prefix="pulumi-instances-") as directory:
        file = Path(directory) / "resources.json"
        _write_private(file, json.dumps(importing.import_file(plan.instances, plan.names)))
        code = pulumi_cli.import_resources(stack, str(file), quiet=quiet)
    if code == 0:
        return
    names = {each.name for each in common.read_states((), stack)}
    done = [found for found in plan.instances if plan.names[found["id"]] in names]
    program.unlink()
    if not done:
        raise click.ClickException("pulumi import failed, and nothing was imported: correct what it says, run again")
    _write_program(program, done, plan.names)
    raise click.ClickException(
        f"pulumi import failed after {len(done)} of {len(plan.instances)}: {program} declares those; "
        "run again with another --program for the rest"
    )


# planning


def _plan(stack: str | None, overrides: Sequence[str], excluded: Sequence[str], which: dict[str, Any]) -> _Plan:
    """Ask the API and the states, and say on stderr what is not going to be imported."""
    held = common.read_states(excluded, stack)
    owned = {each.id for each in held if not each.external}
    client = common.open_client(stack, None, overrides)
    with common.progress("Listing instances") as on_page:
        found = _selected(client, which, on_page)
    new = [
        each if "token" in each else {**each, **selection.read(client, each["id"])}
        for each in found
        if each["id"] not in owned
    ]
    obstacles = [(each, importing.obstacle(each)) for each in new]
    instances = [each for each, obstacle in obstacles if obstacle is None]
    left_out = [{"id": each["id"], "reason": obstacle} for each, obstacle in obstacles if obstacle is not None]
    plan = _Plan(
        instances,
        importing.resource_names(instances, {each.name for each in held}),
        len(found) - len(new),
        left_out,
    )
    for each in left_out:
        common.note(f"instance {each['id']} is left out: {each['reason']}")
    if plan.held:
        common.note(f"{plan.held} are left out: a state holds them already")
    if not instances:
        common.note("There is nothing to import, and nothing was written.")
    return plan


def _selected(client: Client, which: dict[str, Any], on_page: OnPage) -> list[Found]:
    return selection.select(client, common.selection_of(**which), on_page)


def _demand_cli() -> None:
    version = pulumi_cli.version()
    if version < importing.OLDEST_CLI:
        oldest, found = (".".join(map(str, numbers)) for numbers in (importing.OLDEST_CLI, version))
        raise click.ClickException(f"the Pulumi CLI on PATH is {found}: update it to {oldest} or newer")


# writing


def _write_program(path: Path, instances: Sequence[Found], names: dict[str, str]) -> None:
    text = program_text(instances, names)
    _demand_free(path, text)
    _writing(path, lambda: path.write_text(text, encoding="utf-8"))


def _demand_free(path: Path, text: str) -> None:
    if path.exists() and path.read_bytes() not in (b"", text.encode()):
        raise click.ClickException(f"{path} exists: it is not written over; name another --program, or remove it")


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")

    def write() -> None:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        unfinished.replace(path)

    try:
        _writing(path, write)
    finally:
        unfinished.unlink(missing_ok=True)


def _writing(path: Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}; name a file that can be written") from None
