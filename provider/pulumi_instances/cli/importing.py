"""`import-file` and `import`: they bring existing instances into a stack, and only read from the API.

`import-file` writes files for `pulumi import`; `import` runs that itself, and leaves no token in a file.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core import identity
from ..core.errors import quote
from . import common, files, import_document, project, pulumi_cli

if TYPE_CHECKING:
    from ..api.client import Found
    from ..core.config import Settings

_exclude_state = click.option(
    "--exclude-state",
    "excluded",
    multiple=True,
    metavar="FILE",
    help="Leave out the instances of this exported state; repeat for several. Those of --stack are always left out.",
)


def _program(*, required: bool) -> Callable[[common.Command], common.Command]:
    return click.option(
        "--program",
        required=required,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Where to write the program that declares them. A different program there is never overwritten.",
    )


@dataclass(frozen=True)
class _Plan:
    """The instances to import, their resource names by id, and those that are not imported."""

    instances: list[Found]
    names: dict[str, str]
    held: int
    left_out: list[dict[str, str]]
    settings: Settings

    def report(self, **more: Any) -> dict[str, Any]:
        return {"instances": len(self.instances), "held_already": self.held, "left_out": self.left_out, **more}


@click.command(
    "import-file",
    short_help="Write a file for `pulumi import`, and its program.",
    epilog=f"""\b
Examples:
  pulumi-instances import-file --stack dev --out resources.json --program instances.py
  pulumi import --stack dev --file resources.json --generate-code=false --protect=false
  rm resources.json
  pulumi-instances import-file --native --stack dev --out resources.json
  pulumi import --stack dev --file resources.json --protect=false --out generated

The file has the tokens in plain text (mode 0600): remove it afterwards. `pulumi-instances import` does all of this.
With --native the file has no tokens, and `pulumi import` writes the program in the language of the project.

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
    type=click.Path(path_type=Path),
    help="Where to write the file for `pulumi import`.",
)
@_program(required=False)
@click.option("--native", is_flag=True, help="Import into the native package; `pulumi import` writes the program.")
@common.as_json
def import_file(
    stack: str | None,
    overrides: tuple[str, ...],
    excluded: tuple[str, ...],
    out: Path,
    program: Path | None,
    native: bool,
    as_json: bool,
    **which: Any,
) -> None:
    """Write the file for `pulumi import` that imports existing instances, and a program that declares them.

    Instances that are already in a given state are left out. The API is only read. Only the default account is
    supported: the program has no `opts=ResourceOptions(provider=…)`. With --native the file is for the native package,
    whose programs are in any Pulumi language, and no program is written.
    """
    files.demand_file(out)
    if native:
        if program:
            raise click.UsageError("--native and --program exclude each other: `pulumi import` writes the program")
        _write_native(out, _plan(stack, overrides, excluded, which, with_tokens=False), stack, as_json=as_json)
        return
    if program is None:
        raise click.UsageError("Missing option '--program'; give the path of the program to write, or --native")
    _demand_python(stack)
    files.demand_file(program)
    if os.path.realpath(out) == os.path.realpath(program):
        raise click.UsageError("--out and --program must be different files")
    _write_with_program(out, program, _plan(stack, overrides, excluded, which), stack, as_json=as_json)


def _write_with_program(out: Path, program: Path, plan: _Plan, stack: str | None, *, as_json: bool) -> None:
    if plan.instances:
        _write_program(program, plan.instances, plan.names)
        files.write(out, json.dumps(import_document.import_file(plan.instances, plan.names), indent=1), mode=0o600)
    if as_json:
        common.write_json(plan.report(out=str(out), program=str(program)) if plan.instances else plan.report())
    elif plan.instances:
        click.echo(
            f"Wrote {common.counted(len(plan.instances))} with tokens to {out}, and a program to {program}. Now run:"
        )
        file = shlex.quote(str(out))
        click.echo(f"pulumi import{_of(stack)} --file {file} --generate-code=false --protect=false && rm {file}")
        _advise_to_import(program)


def _write_native(out: Path, plan: _Plan, stack: str | None, *, as_json: bool) -> None:
    if plan.instances:
        files.write(out, json.dumps(import_document.native_import_file(plan.names), indent=1))
    if texts := import_document.mistaken(plan.instances):
        common.note(
            f"In the program, `pulumi import` may write references to other instances for {quote(', '.join(texts))}, "
            "since these have such a name or id; write the text instead"
        )
    if as_json:
        common.write_json(plan.report(out=str(out)) if plan.instances else plan.report())
    elif plan.instances:
        click.echo(f"Wrote {common.counted(len(plan.instances))} to {out}. Now run, in a project of any language:")
        click.echo(f"pulumi import{_of(stack)} --file {shlex.quote(str(out))} --protect=false --out generated")
        click.echo(
            "Copy what it writes to `generated` into your program: the next `pulumi up` deletes instances that it does "
            "not declare."
        )


def _of(stack: str | None) -> str:
    return f" --stack {shlex.quote(stack)}" if stack else ""


@click.command(
    "import",
    short_help="Import existing instances into a stack.",
    epilog=f"""\b
Examples:
  pulumi-instances import --stack dev --program __main__.py
  pulumi-instances import --stack dev --tag billing --program billing.py --yes

{common.EXIT_CODES}""",
)
@click.option("--stack", required=True, metavar="NAME", help="The stack to import into; its settings are used.")
@common.set_option
@common.which
@_exclude_state
@_program(required=True)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
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
    """Import existing instances into the state of a stack, and write a program that declares them.

    Run it in the directory of a project in Python; for other languages, use `import-file --native`. Afterwards
    `pulumi preview` with that program shows no changes. The API is only read, and the tokens that `pulumi import` needs
    are not left in any file. Only the default account is supported: the program has no
    `opts=ResourceOptions(provider=…)`.
    """
    if not yes and as_json:
        raise click.UsageError("--json cannot ask for confirmation; add --yes")
    if not yes and not (sys.stdin and sys.stdin.isatty()):
        raise click.ClickException("import asks for confirmation, and there is no terminal; add --yes")
    _demand_python(stack)
    _demand_cli()
    files.demand_file(program)
    plan = _plan(stack, overrides, excluded, which)
    if plan.instances:
        files.demand_free(program, import_document.program(plan.instances, plan.names))
        if not yes:
            click.confirm(f"Import {common.counted(len(plan.instances))} into the stack {stack}?", abort=True)
        _import(stack, plan, program, quiet=as_json)
    if as_json:
        common.write_json(plan.report(program=str(program)) if plan.instances else plan.report())
    elif plan.instances:
        click.echo(f"Imported into the stack {stack}: {common.counted(len(plan.instances))}, declared in {program}.")
        _advise_to_import(program)
        click.echo(f"Now run: pulumi preview --stack {shlex.quote(stack)}")


def _advise_to_import(program: Path) -> None:
    if program.name != "__main__.py":
        click.echo(
            f"Import {program} in your program: the next `pulumi up` deletes instances that it does not declare."
        )


def _import(stack: str, plan: _Plan, program: Path, *, quiet: bool) -> None:
    # Before the import: with a state and no program, the next `up` would delete the instances.
    _write_program(program, plan.instances, plan.names)
    try:
        with files.readable(json.dumps(import_document.import_file(plan.instances, plan.names))) as file:
            code = pulumi_cli.import_resources(stack, file, quiet=quiet)
    except BaseException:  # the CLI has not begun: with this program and no state, `up` would create them again
        program.unlink(missing_ok=True)
        raise
    if code == 0:
        return
    ended = "failed" if code > 0 else f"was killed (signal {-code}; if the stack stays locked, run `pulumi cancel`)"
    try:
        names = {each.name for each in common.read_states((), stack)}
    except click.ClickException as error:
        raise click.ClickException(
            f"pulumi import {ended}, and it is unknown what it has imported ({error.message}); run `pulumi preview`, "
            f"and make {program} declare what is in the stack, before the next `pulumi up`"
        ) from None
    done = [found for found in plan.instances if plan.names[found["id"]] in names]
    if not done:
        program.unlink(missing_ok=True)
        advice = "correct the error above and run again" if code > 0 else "run again"
        raise click.ClickException(f"pulumi import {ended}, and nothing was imported; {advice}")
    files.write(program, import_document.program(done, plan.names))
    if len(done) == len(plan.instances):
        raise click.ClickException(
            f"pulumi import {ended} after all {len(done)} were imported, and {program} declares them; "
            "run `pulumi preview`"
        )
    raise click.ClickException(
        f"pulumi import {ended} after {len(done)} of {len(plan.instances)}, and {program} declares those; "
        "run again with another --program for the rest"
    )


# planning


def _plan(
    stack: str | None,
    overrides: Sequence[str],
    excluded: Sequence[str],
    which: dict[str, Any],
    *,
    with_tokens: bool = True,
) -> _Plan:
    """Return what to import, from the API and the states, and note on stderr what is not going to be imported."""
    held = common.read_states(excluded, stack, decrypt=True)
    api = common.open_account(stack, None, overrides)
    with common.progress("Listing instances") as on_page:
        found = api.select(common.selection_of(**which), on_page)
    owned = [each for each in held if not each.external]
    free = [each for each in found if not common.holders(each, owned, None)]
    new = _unmanaged(free)
    in_yaml = not with_tokens and _runtime() in (None, "yaml")
    if with_tokens:
        new = list(common.read(api, new).values())
    obstacles = [(each, import_document.obstacle(each, needs_token=with_tokens, in_yaml=in_yaml)) for each in new]
    instances = [each for each, obstacle in obstacles if obstacle is None]
    left_out = [{"id": each["id"], "reason": obstacle} for each, obstacle in obstacles if obstacle is not None]
    names = import_document.resource_names(instances, {each.name for each in held})
    plan = _Plan(instances, names, len(found) - len(free), left_out, api.settings)
    _note(plan)
    return plan


def _unmanaged(free: Sequence[Found]) -> list[Found]:
    """Return the instances without a mark, and note how many have one."""
    new = [each for each in free if identity.managed_by(each) is None]
    if marked := len(free) - len(new):
        common.note(
            f"{common.counted(marked)} left out: a program manages each, as its tags say. "
            "After a lost state, run INSTANCES_TAKE_OVER=yes pulumi up with that program"
        )
    return new


def _note(plan: _Plan) -> None:
    for each in plan.left_out:
        common.note(f"instance {each['id']} left out: {each['reason']}")
    if plan.held:
        common.note(f"{common.counted(plan.held)} left out: already in a state")
    if plan.instances and plan.settings.default_tags:
        common.note(
            "instances:defaultTags is set: the next preview shows its tags as a difference, and up gives them to each"
        )
    if not plan.instances:
        common.note("There is nothing to import, and nothing was written.")


def _demand_python(stack: str | None) -> None:
    """Raise ClickException in a project of another language: its program could not declare what was imported."""
    runtime = _runtime()
    if runtime not in (None, "python"):
        raise click.ClickException(
            f"this imports instances into programs in Python, and {project.file_of(Path.cwd())} says `runtime: "
            f"{quote(runtime)}`; run `pulumi-instances import-file --native{_of(stack)} --out resources.json` instead, "
            "which says how to go on"
        )


def _runtime() -> str | None:
    """Return the language of the project that the command runs in; None where there is none."""
    file = project.file_of(Path.cwd())
    return None if file is None else project.runtime_of(project.read(file) or {})


def _demand_cli() -> None:
    version = pulumi_cli.version()
    if version < import_document.OLDEST_CLI:
        oldest, found = (".".join(map(str, numbers)) for numbers in (import_document.OLDEST_CLI, version))
        raise click.ClickException(f"the Pulumi CLI on PATH is {found}; update it to {oldest} or newer")


# writing


def _write_program(path: Path, instances: Sequence[Found], names: dict[str, str]) -> None:
    text = import_document.program(instances, names)
    files.demand_free(path, text)
    files.write(path, text)
