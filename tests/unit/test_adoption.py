"""Adoption, import, update and delete of instances that carry marks, or none: nobody's instance is taken or lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pulumi.output import UNKNOWN

from pulumi_instances.api.operations import Operations
from pulumi_instances.core import model
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import AdoptionRefused, InputError
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.model import Update
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.account import BILLING, MARK, OTHER, add, checked, ids, operations, sent, state_of
from tests.support.clock import FakeClock
from tests.support.marks import mark_of
from tests.support.scripted import ScriptedServer, answer

pytestmark = pytest.mark.usefixtures("counted_marks")

THIRD, OF_PROD = line_of(Place("shop", "dev", "", "third")), line_of(Place("shop", "prod", "", "billing"))
OF_OLD_STACK = line_of(Place("old-shop", "prod", "", "billing"))
RENAME = Update("PUT", {"name": "billing", "tags": ["new"]})


def marked(api: Emulator, instance_id: str, mark: str) -> dict[str, Any]:
    """What a state holds of an instance that has had this mark."""
    return state_of(api, instance_id, **{model.MARK: mark})


def scripted(server: ScriptedServer, clock: FakeClock) -> Operations:
    """The operations of one process against a scripted server."""
    return Operations(Settings(server.base_url, "us3r-s3cret", "0rg-s3cret", max_retries=0), clock=clock)


# adopt

Bag = dict[str, Any]

THEIRS, DECLARED = mark_of(BILLING, 3), checked()
ADOPTED: dict[str, tuple[list[str], Bag, Bag, Bag | None, str | None]] = {
    "name and tags": (["x"], DECLARED, {}, {"name": "billing", "tags": ["eu", MARK]}, MARK),
    "left alone": (["theirs"], {"your_mom": "dropbox", model.LINE: BILLING}, {}, {"tags": ["theirs", MARK]}, MARK),
    "in line": (["eu", THEIRS], DECLARED, {}, None, THEIRS),
    "in line, without marks": (["eu"], DECLARED, {"mark": False}, None, None),
}
"""The tags there are, what the program gives and the settings: the body of the PUT, and the mark in the state."""


@pytest.mark.parametrize("what", ADOPTED)
def test_an_adopted_instance_is_brought_in_line(api: Emulator, what: str) -> None:
    """One PUT sends name, tags and the mark, if anything differs. A mark alone would lose the tags that there are."""
    tags, given, settings, body, mark = ADOPTED[what]
    instance_id = add(api, *tags, name="old" if body else "billing")
    token = api.instance(instance_id)["token"]
    found = operations(api, **settings).adopt({**given, "adopt_id": float(instance_id)})
    assert (found["id"], found["token"], found.get(model.MARK)) == (instance_id, token, mark)
    assert sent(api) == ([] if body is None else [("PUT", body)])
    assert {key: found[key] for key in model.UPDATABLE if key in given} == model.to_update(given)


def held_by_other(api: Emulator, every: Operations) -> str:
    """An instance of which Diff has shown that the state holds it."""
    instance_id = add(api)
    every.note_state(instance_id, {})
    every.note_declared(instance_id, checked("other"), replaced=False)
    return instance_id


REFUSED: dict[str, tuple[Callable[[Emulator, Operations], str], str]] = {
    "another connector": (
        lambda api, _: add(api, your_mom="box"),
        'which is of "box", but the program has your_mom="dropbox"; correct one of them',
    ),
    "another's mark": (
        lambda api, _: add(api, mark_of(OTHER, 1)),
        "which shop/dev/other manages, as its tags say; to move it",
    ),
    "missing": (lambda _, __: "1", "adopt_id names instance 1, which does not exist; correct adopt_id"),
    "created by this run": (lambda _, every: str(every.create(checked("other"))["id"]), "already manages"),
    "in the state": (held_by_other, "already manages"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_not_for_this_resource_is_not_adopted(api: Emulator, why: str) -> None:
    """The preview says so already, and nothing is written or created in its place."""
    every = operations(api, mark=False)
    make, words = REFUSED[why]
    instance_id = make(api, every)
    writes = len(api.writes)
    [problem] = every.check_new_adoption({"adopt_id": instance_id, "your_mom": "dropbox"}, BILLING)
    assert problem.property == "adopt_id"
    assert words in str(problem)
    with pytest.raises(AdoptionRefused) as caught:
        every.adopt(checked(adopt_id=instance_id))
    assert words in str(caught.value)
    assert len(api.writes) == writes


def test_previews_of_adoptions_share_a_listing(api: Emulator) -> None:
    """What it lacks is looked up by itself. Two resources do not adopt one instance."""
    there, box = add(api), add(api, your_mom="box")
    every = operations(api)
    assert every.check_new_adoption({"adopt_id": there, "your_mom": "dropbox"}, BILLING) == []
    for instance_id, problem in (("1", "does not exist"), (box, 'which is of "box"'), (there, "another resource")):
        [found] = every.check_new_adoption({"adopt_id": instance_id, "your_mom": "dropbox"}, OTHER)
        assert problem in found.fault
    assert [request.path for request in api.requests] == ["/instances", "/instances/1"]


@pytest.mark.parametrize(
    ("name", "shown"), [("billing", "'billing'"), ("s3cret", "[secret]"), (UNKNOWN, "what is not known yet")]
)
def test_a_preview_says_what_an_adoption_changes(
    api: Emulator, caplog: pytest.LogCaptureFixture, name: Any, shown: str
) -> None:
    """The engine shows it as a create. A name that is an Output may be a secret."""
    instance_id, every = add(api, "eu", name="old"), operations(api)
    every.conceal({"name": "s3cret"}, ["name"])
    assert every.check_new_adoption({**DECLARED, "name": name, "adopt_id": instance_id}, BILLING) == []
    assert f"instance {instance_id} exists and is adopted: that changes its name from 'old' to {shown}" in caplog.text


def test_a_preview_does_not_fail_where_an_adoption_cannot_be_looked_up(api: Emulator) -> None:
    """The `up` reports what is wrong."""
    api.fail("GET", "/instances", Fault.status(500), times=9)
    assert operations(api).check_new_adoption({"adopt_id": "1", "your_mom": "dropbox"}, BILLING) == []


def test_of_many_at_once_one_adopts(api: Emulator) -> None:
    """An instance belongs to one resource, and another is refused; threads cannot adopt it at the same time."""
    instance_id = add(api, "eu")
    every = operations(api, mark=False)

    def attempt(number: int) -> bool:
        try:
            every.adopt(checked(f"r{number}", adopt_id=instance_id))
        except AdoptionRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(16))) == 1


# import


def test_what_is_imported_is_nobody_elses(api: Emulator) -> None:
    """Neither another's mark is on it, nor does another resource of this run hold it. Nothing is written."""
    every = operations(api)
    theirs, held, free = add(api, mark_of(OTHER, 1)), held_by_other(api, every), add(api, MARK)
    with pytest.raises(InputError, match=f"the import of instance {theirs} is refused: shop/dev/other manages it"):
        every.look_up(theirs, line=BILLING, imports=True)
    with pytest.raises(InputError, match=f"the import of instance {held} is refused: another resource of this stack"):
        every.look_up(held, line=BILLING, imports=True)
    assert every.look_up(free, line=BILLING, imports=True)["id"] == free
    assert every.look_up(theirs, line=BILLING)["id"] == theirs, "a look-up alone is not refused"
    [problem] = every.check_import(BILLING)
    assert str(problem).startswith(f"the import of instance {theirs} is refused: ")
    assert every.check_import(BILLING) == [], "nothing was looked up since"
    assert api.writes == []


def test_what_an_import_was_refused_is_not_changed(api: Emulator) -> None:
    """The engine has written it into the state by then."""
    instance_id = add(api, mark_of(OTHER, 1))
    every = operations(api)
    found = every.look_up(instance_id, line=BILLING)
    with pytest.raises(AdoptionRefused, match="shop/dev/other manages it, so nothing was done"):
        every.update(instance_id, found, checked("stolen"), Update("PUT", {"name": "stolen"}))
    assert api.writes == []


@pytest.mark.parametrize("mark", [True, False])
def test_the_first_update_of_what_was_imported_marks_it(api: Emulator, mark: bool) -> None:
    """Whatever it changes: tags that it does not change are sent as they are."""
    instance_id = add(api, "theirs", name="by hand")
    every = operations(api, mark=mark)
    found = every.look_up(instance_id, line=BILLING, imports=True)
    updated = every.update(instance_id, found, checked(), Update("PUT", {"name": "billing"}))
    assert api.instance(instance_id)["tags"] == ["theirs"]
    assert (api.instance(instance_id)["managed_by"], model.MARK in updated) == (
        ("shop/dev/billing", True) if mark else (None, False)
    )


def test_what_was_imported_with_its_own_mark_is_deleted(api: Emulator) -> None:
    """After a lost state, the import stores the mark."""
    instance_id = add(api, MARK)
    found = operations(api).look_up(instance_id, line=BILLING, imports=True)
    assert found[model.MARK] == MARK
    operations(api).delete(instance_id, found)
    assert ids(api) == []


# renamed, moved, taken over


def test_an_update_of_the_tags_renews_the_mark_of_a_resource_that_has_moved(api: Emulator) -> None:
    """So the old place is free for another instance. A mark that a third resource has put on it stays."""
    ours, shared = add(api, mark_of(OTHER, 1)), add(api, mark_of(OTHER, 2), mark_of(THIRD, 1))
    every = operations(api)
    for instance_id, before in ((ours, mark_of(OTHER, 1)), (shared, mark_of(OTHER, 2))):
        every.update(instance_id, marked(api, instance_id, before), checked(), RENAME)
    assert [body["tags"] for _, body in sent(api)] == [["new", MARK], ["new", mark_of(THIRD, 1), mark_of(OTHER, 2)]]


def test_what_a_cut_off_rename_has_marked_is_deleted(api: Emulator) -> None:
    """The instance has the mark of the new name, and the state that of the old one. Their ends are the same."""
    instance_id = add(api, mark_of(OTHER, 1))
    outputs = marked(api, instance_id, mark_of(OTHER, 1))
    operations(api).update(instance_id, outputs, checked(), RENAME)
    assert sent(api) == [("PUT", {"name": "billing", "tags": ["new", MARK]})]
    operations(api).read(instance_id, outputs)
    operations(api).delete(instance_id, outputs)
    assert ids(api) == []


def test_an_update_after_a_cut_off_rename_puts_our_mark_back(api: Emulator) -> None:
    """The program was changed back: with both marks on it, no delete would be possible."""
    instance_id = add(api, MARK)
    outputs = marked(api, instance_id, mark_of(OTHER, 1))
    found = operations(api).update(instance_id, outputs, {**checked(), model.LINE: OTHER}, RENAME)
    assert [body["tags"] for _, body in sent(api)] == [["new", found[model.MARK]]]
    operations(api).delete(instance_id, {**outputs, **found})
    assert ids(api) == []


@pytest.mark.parametrize("before", [mark_of(OTHER, 2), mark_of(OF_OLD_STACK, 1)])
def test_what_may_be_of_a_cut_off_rename_stays_in_the_state(api: Emulator, before: str) -> None:
    """The instance has the mark of another resource, or of this one in a stack of another name."""
    instance_id = add(api, MARK)
    with pytest.raises(AdoptionRefused, match="run `pulumi up` first"):
        operations(api).delete(instance_id, marked(api, instance_id, before))
    assert ids(api) == [instance_id]


def test_a_delete_spares_what_carries_anothers_mark(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """A mark that the state itself holds, by an alias or a renamed stack, is not another's."""
    foreign = mark_of(line_of(Place("shop", "prod", "", "other")), 1)
    ours, theirs = add(api, mark_of(OTHER, 1)), add(api, foreign)
    every = operations(api)
    for instance_id, mark in ((ours, mark_of(OTHER, 1)), (theirs, MARK)):
        every.delete(instance_id, marked(api, instance_id, mark))
    assert ids(api) == [theirs]
    assert f"instance {theirs} is not deleted: its tags say that shop/prod/other manages it" in caplog.text


def test_what_was_taken_over_is_not_deleted_by_who_had_it(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Another resource of the stack, another stack of its name, or the old provider of a replacement."""
    instance_id = add(api, mark_of(BILLING, 7))
    held = marked(api, instance_id, mark_of(BILLING, 7))
    found = operations(api, take_over="yes").create(checked())
    assert found["id"] == instance_id
    operations(api).delete(instance_id, held)
    assert ids(api) == [instance_id]
    assert f"instance {instance_id} is not deleted: its tags say that shop/dev/billing manages it" in caplog.text
    operations(api).delete(instance_id, {**held, model.MARK: found[model.MARK]})
    assert ids(api) == []


def test_what_another_stack_has_taken_over_is_not_changed(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """It has moved here from the stack whose line the state holds, and that has taken it over: its mark has changed."""
    instance_id = add(api, mark_of(OF_PROD, 2))
    every, outputs = operations(api), marked(api, instance_id, mark_of(OF_PROD, 1))
    for call in (
        lambda: every.update(instance_id, outputs, checked("other"), Update("PUT", {"name": "other"})),
        lambda: every.set_enabled(instance_id, False, outputs, BILLING),
    ):
        with pytest.raises(AdoptionRefused, match="shop/prod/billing manages it, so nothing was done"):
            call()
    every.read(instance_id, outputs)
    assert f"instance {instance_id}: its tags say that shop/prod/billing manages it" in caplog.text
    assert api.writes == []


def test_what_adopt_id_names_is_not_deleted_to_be_replaced(api: Emulator) -> None:
    """Nothing could replace it. Once nothing replaces it any more, it may be deleted."""
    instance_id = add(api, MARK)
    every, outputs = operations(api), marked(api, instance_id, MARK)
    every.note_declared(instance_id, checked(your_mom="box", adopt_id=instance_id), replaced=True)
    with pytest.raises(AdoptionRefused, match="it is not deleted, since adopt_id names it"):
        every.delete(instance_id, outputs)
    every.note_declared(instance_id, checked(adopt_id=instance_id), replaced=False)
    every.delete(instance_id, outputs)
    assert ids(api) == []


# after an update


def test_tags_that_cannot_be_read_after_an_update_are_not_known(api: Emulator) -> None:
    """The answer to the PUT lacks them, and what was sent has been written."""
    instance_id = add(api, MARK)
    for fault in (Fault.delay(0), *[Fault.status(500)] * 9):  # the proof that it is ours, and what follows the PUT
        api.fail("GET", f"/instances/{instance_id}", fault)
    found = operations(api, max_retries=0).update(instance_id, marked(api, instance_id, MARK), checked(), RENAME)
    assert (found["id"], "tags" in found) == (instance_id, False)
    assert sent(api) == [("PUT", {"name": "billing", "tags": ["new", MARK]})]


BEFORE = {"id": 7, "name": "old", "token": "t0ken", "tags": ["old"], "your_mom": {"key": "dropbox"}}
NEW = {"name": "billing", "tags": ["new"]}
PAUSES = (0.5, 1.0, 2.0, 4.0)


@pytest.mark.parametrize(
    ("body", "last", "shown", "slept"),
    [
        (NEW, {**BEFORE, **NEW}, NEW, [0.0, 0.5, 1.0]),
        ({"name": "billing"}, BEFORE, {}, [0.0, *PAUSES]),
        (NEW, BEFORE, {}, [0.0, *PAUSES]),
    ],
)
def test_an_update_without_an_answer_is_looked_at_until_it_shows(
    body: Bag, last: Bag, shown: Bag, slept: list[float]
) -> None:
    """A service may show what was there before for some seconds. What it shows after them is not believed."""
    clock, outputs = FakeClock(), {"your_mom": "dropbox", "name": "old", "token": "t0ken", "tags": ["old"]}
    script = (answer(200, BEFORE), answer(200), answer(200, BEFORE), answer(500), answer(200, last))
    with ScriptedServer(*script) as server:
        found = scripted(server, clock).update("7", outputs, checked(), Update("PUT", body))
    assert {key: found[key] for key in model.UPDATABLE if key in found} == shown
    assert clock.slept == slept


ANSWERED = {"id": 7, "name": "billing", "token": "t0ken"}


def test_an_adoption_looks_at_the_tags_until_they_show() -> None:
    """What was there before is not what the service makes of ours."""
    clock = FakeClock()
    script = (answer(200, BEFORE), answer(200, ANSWERED), answer(200, {**BEFORE, **ANSWERED}))
    with ScriptedServer(*script, answer(200, {**ANSWERED, "tags": ["new"]})) as server:
        found = scripted(server, clock).adopt({**checked(tags=["new"]), "adopt_id": "7"})
    assert (found["tags"], found[model.MADE], clock.slept) == (["new"], {}, [0.0, 0.5])


@pytest.mark.parametrize(
    ("last", "tags", "slept"),
    [({**ANSWERED, "tags": ["NEW"]}, ["NEW"], [0.0, 0.5]), ({**ANSWERED, "tags": ["old"]}, ["old"], [0.0, *PAUSES])],
    ids=["new", "as before"],
)
def test_tags_that_an_answer_lacks_are_looked_at_until_they_show(
    last: Bag, tags: list[str], slept: list[float]
) -> None:
    """What a service still shows after some seconds is what it has made of them."""
    clock, outputs = FakeClock(), {"your_mom": "dropbox", "name": "old", "token": "t0ken", "tags": ["old"]}
    script = (answer(200, BEFORE), answer(200, ANSWERED), answer(200, {**BEFORE, **ANSWERED}), *[answer(200, last)] * 4)
    with ScriptedServer(*script) as server:
        found = scripted(server, clock).update("7", outputs, checked(), Update("PUT", NEW))
    assert (found["tags"], found[model.MADE], clock.slept) == (tags, {"tags": tags}, slept)


@pytest.mark.parametrize(("valid", "slept"), [([True], []), ([False, False, True], [1.0, 2.0])])
def test_a_connection_is_waited_for_until_it_works(valid: list[bool], slept: list[float]) -> None:
    """One that does not work by then is returned as it is, and a GET that fails says nothing."""
    clock = FakeClock()
    with ScriptedServer(*(answer(200, {**BEFORE, "valid": each}) for each in valid)) as server:
        assert scripted(server, clock).wait_until_valid("7")["valid"] is True
    assert clock.slept == slept
    with ScriptedServer(answer(200, {**BEFORE, "valid": False}), answer(500)) as server:
        assert scripted(server, clock).wait_until_valid("7")["valid"] is False
    assert 100 < sum(clock.slept) <= 123


@pytest.mark.parametrize("bad", ["", "../7", None, True, "7/.."])
def test_nothing_is_sent_for_what_is_not_an_id(api: Emulator, bad: Any) -> None:
    """An empty id would address the whole collection."""
    every = operations(api)
    for call in (every.read, every.delete, lambda key, outputs: every.set_enabled(key, True, outputs)):
        with pytest.raises(InputError, match=r"^(read|delete|update) instance: the id must be .*; nothing was sent; "):
            call(bad, {})
    assert api.requests == []
