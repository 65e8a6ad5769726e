"""Which resource of a run holds which instance, from what the engine shows of it."""

from __future__ import annotations

import pytest

from pulumi_instances.api.holders import Holders
from pulumi_instances.core import model
from pulumi_instances.core.errors import AdoptionRefused
from pulumi_instances.core.marks import Place, line_of
from tests.support.marks import mark_of

CRM, BOX = (line_of(Place("shop", "dev", "", name)) for name in ("crm", "box"))
OF_CRM, OF_BOX = {model.MARK: mark_of(CRM, 1)}, {model.MARK: mark_of(BOX, 1)}


def listed(instance_id: str, *marks: str) -> dict[str, object]:
    return {"id": instance_id, model.MARKS: list(marks)}


def declare(holders: Holders, instance_id: str, line: str, **how: bool) -> bool:
    """The program declares the resource of a line, whose state holds the instance."""
    outputs = {model.MARK: mark_of(line, 1)}
    return holders.note_diff(instance_id, outputs, line, **{"replaced": False, "adopts": False, **how})


# marks and what is left behind


def test_what_no_resource_of_the_run_holds_was_left_behind() -> None:
    """Of the lines that are asked for; the old instance of a replaced resource is held by its state."""
    holders = Holders()
    holders.note_state("7", OF_CRM)
    everything = [listed("7", mark_of(CRM, 1)), listed("8", mark_of(CRM, 2)), listed("9", mark_of(BOX, 1)), listed("6")]
    assert holders.left_behind([CRM], everything) == {CRM: ["8"]}
    assert holders.left_behind([CRM, BOX], everything) == {CRM: ["8"], BOX: ["9"]}


def test_twins_are_unknown_instances_of_a_line_that_the_state_has() -> None:
    """Those of a resource that is being created, or that this run does not know, do not count."""
    holders = Holders()
    holders.note_state("7", OF_CRM)
    by_line = {CRM: ["7", "8"], BOX: ["5", "6"]}
    assert holders.twins(by_line) == {CRM: ["8"]}
    holders.note_new(CRM)
    assert holders.twins(by_line) == {}


def test_the_lines_of_new_resources_are_known() -> None:
    """The error of one create names what was left for all of them."""
    holders = Holders()
    holders.note_new(CRM)
    holders.note_new(None)
    assert holders.new_lines() == {CRM}


# one instance, one resource


def test_an_instance_belongs_to_one_resource() -> None:
    """Whoever has it may take it again; another may not, nor one of which no line is known."""
    holders = Holders()
    assert holders.take("7", CRM)
    assert holders.take("7", CRM)
    assert not holders.take("7", BOX)
    assert not holders.take("7", None)


def test_an_instance_of_the_state_is_not_taken() -> None:
    """It is known even before the program declares its resource."""
    holders = Holders()
    holders.note_state("7", OF_CRM)
    assert holders.is_known("7")
    assert not holders.take("7", BOX)


def test_the_id_of_a_deleted_instance_may_be_given_again() -> None:
    """Some services do so."""
    holders = Holders()
    before = {"7": object()}
    holders.note_state("7", OF_CRM)
    assert holders.existed("7", before)
    holders.note_deleted("7")
    assert not holders.existed("7", before)
    assert holders.take("7", BOX)
    assert holders.existed("7", before)


@pytest.mark.parametrize(("before", "existed"), [(None, False), ({}, False), ({"7": object()}, True)])
def test_an_instance_existed_where_the_first_listing_has_it(before: dict[str, object] | None, existed: bool) -> None:
    """Where the account cannot be listed, nothing is known of it."""
    assert Holders().existed("7", before) is existed


def test_the_diff_of_a_refresh_says_nothing_of_the_program() -> None:
    """After each read of a refresh the engine compares once; the next Diff is that of the program."""
    holders = Holders()
    holders.note_refreshed("7")
    assert declare(holders, "7", CRM) is True
    assert declare(holders, "7", CRM) is False


def test_two_resources_with_one_instance_are_an_error() -> None:
    """It was imported, or adopted, by hand in one of them."""
    holders = Holders()
    declare(holders, "7", CRM)
    with pytest.raises(AdoptionRefused, match="held by two resources of this stack"):
        declare(holders, "7", BOX)


# adoptions


def test_an_adoption_is_planned_once() -> None:
    """Another resource with the same `adopt_id`, and one whose state holds the instance already, are told so."""
    holders = Holders()
    assert holders.plan_adoption("7", CRM) is None
    second = holders.plan_adoption("7", BOX)
    assert second is not None
    assert "as it does for another resource" in second.fault
    holders.note_state("8", OF_BOX)
    held = holders.plan_adoption("8", CRM)
    assert held is not None
    assert "already manages" in held.fault


def test_what_another_resource_is_going_to_adopt_stays() -> None:
    """The resource that had it does not delete it first, and not afterwards either."""
    holders = Holders()
    holders.plan_adoption("7", BOX)
    with pytest.raises(AdoptionRefused, match="it is not deleted, since adopt_id names it"):
        holders.why_spared("7", OF_CRM)
    assert holders.take("7", BOX)
    assert holders.why_spared("7", OF_CRM) == "another resource of this program manages it"


def test_what_adopt_id_names_is_not_deleted_to_be_replaced() -> None:
    """Nothing could replace it. Once nothing replaces it any more, it may be deleted."""
    holders = Holders()
    declare(holders, "7", CRM, replaced=True, adopts=True)
    with pytest.raises(AdoptionRefused, match="adopt_id names it"):
        holders.why_spared("7", OF_CRM)
    declare(holders, "7", CRM, adopts=True)
    assert holders.why_spared("7", OF_CRM) is None


def test_what_the_program_still_declares_is_not_adopted_by_another() -> None:
    """Whichever of the two the engine shows first."""
    holders = Holders()
    holders.plan_adoption("7", BOX)
    with pytest.raises(AdoptionRefused, match="held by two resources"):
        declare(holders, "7", CRM)
    assert not holders.take("7", BOX)


# deletes


def test_the_own_instance_of_a_resource_is_deleted() -> None:
    """It is so where the program still declares it, to replace it."""
    holders = Holders()
    assert holders.why_spared("7", OF_CRM) is None
    declare(holders, "7", CRM, replaced=True)
    holders.note_new(CRM)
    assert holders.why_spared("7", OF_CRM) is None


def test_what_this_run_has_taken_over_is_not_deleted() -> None:
    """With `--replace` the engine deletes the very instance that `takeOver: yes` has taken over."""
    holders = Holders()
    holders.note_new(CRM)
    assert holders.take("7", CRM, over=True)
    assert holders.why_spared("7", OF_CRM) == "this run has taken it over"
