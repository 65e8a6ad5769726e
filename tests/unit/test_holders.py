"""Which resource of a run holds which instance: what `test_creation` and `test_adoption` do not show of it."""

from __future__ import annotations

import pytest

from pulumi_instances.api.holders import Holders
from pulumi_instances.core import model
from pulumi_instances.core.errors import AdoptionRefused
from pulumi_instances.core.marks import Place, line_of
from tests.support.marks import mark_of

CRM, BOX = (line_of(Place("shop", "dev", "", name)) for name in ("crm", "box"))
OF_CRM = {model.MARK: mark_of(CRM, 1)}


def declare(holders: Holders, instance_id: str, line: str, **how: bool) -> None:
    """The program declares the resource of a line, whose state holds the instance."""
    holders.note_state(instance_id, {model.MARK: mark_of(line, 1)})
    holders.note_declared(instance_id, line, **{"replaced": False, "adopts": False, **how})


# marks and what is left behind


def test_twins_are_unknown_instances_of_a_line_that_the_state_has() -> None:
    """Those of a resource that is being created, or that this run does not know, do not count."""
    holders = Holders()
    holders.note_state("7", OF_CRM)
    by_line = {CRM: ["7", "8"], BOX: ["5", "6"]}
    assert holders.twins(by_line) == {CRM: ["8"]}
    holders.note_new(CRM)
    assert holders.twins(by_line) == {}


# one instance, one resource


def test_an_instance_belongs_to_one_resource() -> None:
    """Whoever has it may take it again; another may not, nor one of which no line is known."""
    holders = Holders()
    assert holders.take("7", CRM)
    assert holders.take("7", CRM)
    assert not holders.take("7", BOX)
    assert not holders.take("7", None)


def test_the_diff_of_a_refresh_says_nothing_of_the_program() -> None:
    """After each read of a refresh the engine compares once; the next Diff is that of the program."""
    holders = Holders()
    holders.note_refresh_read("7")
    assert holders.pop_refresh_read("7")
    assert not holders.pop_refresh_read("7")


def test_two_resources_with_one_instance_are_an_error() -> None:
    """It was imported, or adopted, by hand in one of them."""
    holders = Holders()
    declare(holders, "7", CRM)
    with pytest.raises(AdoptionRefused, match="held by two resources of this stack"):
        declare(holders, "7", BOX)


# adoptions


def test_what_another_resource_is_going_to_adopt_stays() -> None:
    """The resource that had it does not delete it first, and not afterwards either."""
    holders = Holders()
    holders.plan_adoption("7", BOX)
    with pytest.raises(AdoptionRefused, match="it is not deleted, since adopt_id names it"):
        holders.why_spared("7", OF_CRM)
    assert holders.take("7", BOX)
    assert holders.why_spared("7", OF_CRM) == "another resource of this program manages it"


def test_what_the_program_still_declares_is_not_adopted_by_another() -> None:
    """Whichever of the two the engine shows first."""
    holders = Holders()
    holders.plan_adoption("7", BOX)
    with pytest.raises(AdoptionRefused, match="held by two resources"):
        declare(holders, "7", CRM)
    assert not holders.take("7", BOX)


# deletes


def test_what_a_renamed_resource_replaces_is_deleted() -> None:
    """The state has its old line, and the program the new one. Where it is kept, the new one has it."""
    holders = Holders()
    holders.note_state("7", OF_CRM)
    holders.note_declared("7", BOX, replaced=True, adopts=False)
    assert holders.why_spared("7", OF_CRM) is None
    holders.note_declared("7", BOX, replaced=False, adopts=False)
    assert holders.why_spared("7", OF_CRM) == "another resource of this program manages it"
