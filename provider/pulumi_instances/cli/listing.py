"""`list` and `show`: instances as they are at the API now.

Neither needs a state. Tokens are shown with --show-secrets only.
"""

from __future__ import annotations

from typing import Any

import click

from ..core import model
from . import common


@click.command(
    "list",
    short_help="List the instances of an account.",
    epilog=f"""\b
Examples:
  pulumi-instances list --stack dev
  pulumi-instances list --name 'QA *' --tag sandbox --json

{common.EXIT_CODES}""",
)
@common.where
@common.which
@common.show_secrets
@common.as_json
def list_command(
    tags: tuple[str, ...], pattern: str | None, your_mom: str | None, show_secrets: bool, as_json: bool, **where: Any
) -> None:
    """List the instances of the account, by ascending id.

    Listings omit `disabled`; use `show` to see it.
    """
    api = common.open_account(**where)
    with common.progress("Listing instances") as on_page:
        found = api.select(common.selection_of(tags, pattern, your_mom), on_page)
    presented = [common.presented(each, with_token=show_secrets) for each in found]
    if as_json:
        common.write_json(presented)
        return
    columns = [*common.COLUMNS, *(model.SECRET_OUTPUTS if show_secrets else ())]
    common.write_table(columns, [[each.get(column) for column in columns] for each in presented])
    common.note(common.counted(len(found)))


@click.command(
    short_help="Show one instance.",
    epilog=f"""\b
Examples:
  pulumi-instances show 4014
  pulumi-instances show 4014 --show-secrets --json

{common.EXIT_CODES}""",
)
@click.argument("id")
@common.where
@common.show_secrets
@common.as_json
def show(id: str, show_secrets: bool, as_json: bool, **where: Any) -> None:
    """Show the instance with this ID as it is now."""
    found = common.open_account(**where).get(id)
    presented = common.presented(found, with_token=show_secrets)
    if as_json:
        common.write_json(presented)
        return
    if not show_secrets:
        presented.update(dict.fromkeys(model.SECRET_OUTPUTS, common.BLOT))
    common.write_table(["", ""], list(presented.items()))
