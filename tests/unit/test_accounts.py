"""Which names an account may have: its variables must be its own."""

from __future__ import annotations

import pytest

from pulumi_instances import account
from tests.support.mocks import declare


def declared(name: str) -> None:
    """A program with this account."""

    def program() -> None:
        account(name, base_url="https://x.example", user_secret="u", organization_secret="o")

    declare(program)


@pytest.mark.parametrize(
    "name", ["eu", "eu-2", "7", "created", "create-2", "createeu", "timeout", "defaults", "default-eu"]
)
def test_a_name_may_be(name: str) -> None:
    """A name consists of lower-case letters, digits and -."""
    declared(name)


REFUSED = {
    # `createTimeout` of one would be `timeout` of the other
    r"the variable INSTANCES_\w*CREATE_TIMEOUT would also belong to": [
        "create",
        "eu-create",
        "a-b-create",
        "a--create",
    ],
    # the native package would take it for the account of the stack, with the variables of that
    "is one that the Pulumi engine gives to the account of the stack": ["default"],
    # variables do not tell them apart: those of `a_b` would be those of `a-b`, in another process
    "use only lower-case letters, digits and -": ["", "a b", "ä", "a/b", "a_b", "EU", "eU", "default_eu", "eu\n"],
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_name_whose_variables_are_not_its_own_is_refused(said: str) -> None:
    for name in REFUSED[said]:
        with pytest.raises(ValueError, match=said):
            declared(name)


def test_a_setting_that_does_not_exist_is_refused() -> None:
    """The message names the nearest one."""

    def program() -> None:
        account("eu", base_url="https://x", user_secret="u", organization_secret="o", settings={"timout": "60"})

    with pytest.raises(ValueError, match="instances:timout is not a setting, and is ignored; write instances:timeout"):
        declare(program)
