"""What a killed process leaves, and what the next one makes of it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest

from pulumi_instances import process as engine_process
from pulumi_instances.api import disk
from pulumi_instances.api.crash_notes import CrashNotes
from pulumi_instances.api.home import LONGEST_MEMORY, Home
from pulumi_instances.api.keepers import Keepers
from pulumi_instances.api.operations import Operations
from pulumi_instances.api.records import Records
from pulumi_instances.core.config import Settings
from pulumi_instances.core.errors import CreateUndecided
from pulumi_instances.testing.emulator import Emulator, Fault

INPUTS = {"your_mom": "dropbox", "name": "billing", "tags": ["eu"], "provider_data": {"code": "once-only-code"}}

# A process that begins the create of INPUTS, and says so once the note of it is on disk.
CREATE = """
import json, os, sys
from pulumi_instances.core.config import Settings
from pulumi_instances.api.operations import Operations
url, user, organization, inputs = sys.argv[1:5]
Operations(Settings(url, user, organization)).create(json.loads(inputs))
"""


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    with Emulator() as emulator:
        yield emulator


def settings(api: Emulator, create_timeout: float = 5.0) -> Settings:
    return Settings(api.base_url, api.user_secret, api.organization_secret, create_timeout=create_timeout)


def home(api: Emulator, directory: Path | None = None) -> Home:
    return Home(settings(api), directory)


def notes(home: Path) -> list[Path]:
    return sorted(home.glob("pulumi-instances/pending/*/*.json"))


def kill_in_create(api: Emulator, *, acted: bool) -> None:
    """Run a create in a process of its own and kill it while it waits for the answer of its POST."""
    api.fail("POST", "/instances", Fault.trickle(60.0) if acted else Fault.delay(60.0))
    arguments = [api.base_url, api.user_secret, api.organization_secret, json.dumps(INPUTS)]
    process = subprocess.Popen([sys.executable, "-c", CREATE, *arguments])
    deadline = time.monotonic() + 30
    while not [request for request in api.requests if request.method == "POST"] or (acted and not api.instances()):
        assert time.monotonic() < deadline, "the create never reached the API"
        assert process.poll() is None, "the create ended by itself"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_no_note_outlives_a_create_that_ended(api: Emulator, tmp_path: Path) -> None:
    """A create that returns, and one that the API refuses, leave nothing behind."""
    operations = Operations(settings(api))
    operations.create(INPUTS)
    api.fail("POST", "/instances", Fault.status(403))
    with pytest.raises(Exception, match="403"):
        operations.create({**INPUTS, "name": "other"})
    assert notes(tmp_path) == []


def test_a_note_is_private_and_holds_no_secret(api: Emulator, tmp_path: Path) -> None:
    """Only its owner reads the file, and neither the inputs nor the account's secrets are in it or its name."""
    with CrashNotes(home(api)).create(INPUTS, "4000", {"4001"}):
        (note,) = notes(tmp_path)
        text = f"{note} {note.read_text()}"
        assert note.stat().st_mode & 0o777 == 0o600
    assert not [
        word for word in ("once-only-code", "billing", api.user_secret, api.organization_secret) if word in text
    ]


def test_nobody_else_sees_what_is_kept(api: Emulator, tmp_path: Path) -> None:
    """The folders of notes and keepers belong to their owner, and so does the key of the digests."""
    account = home(api)
    with CrashNotes(account).create(INPUTS, "4000", {"4001"}):
        Keepers(account).set("7", "word")
        ours = {
            path.relative_to(tmp_path).parts[1]: (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777)
            for path in tmp_path.rglob("*")
            if path.is_file()
        }
    assert ours == dict.fromkeys(("key", "pending", "kept"), (0o700, 0o600))


def test_what_two_threads_tell_a_note_adds_up(api: Emulator) -> None:
    """Both have read it before either writes: what one says must not undo what the other has said."""
    told = CrashNotes(home(api))
    with told.create(INPUTS, "4000", {"4001"}):
        pass
    (first,), (second,) = told.left(INPUTS), told.left(INPUTS)
    first.rule_out(["4002"])
    second.rule_out(["4003"])
    (note,) = told.left(INPUTS)
    assert note.others == {"4001", "4002", "4003"}


def test_what_two_processes_tell_a_note_adds_up(api: Emulator) -> None:
    """Many at once, each with an instance of its own."""
    with CrashNotes(home(api)).create(INPUTS, "0", set()):
        pass
    code = (
        "import sys; from pulumi_instances.core.config import Settings\n"
        "from pulumi_instances.api.crash_notes import CrashNotes\n"
        "from pulumi_instances.api.home import Home\n"
        "notes = CrashNotes(Home(Settings(*sys.argv[1:4])))\n"
        "print(flush=True); sys.stdin.read()\n"
        "for number in range(int(sys.argv[4]), int(sys.argv[4]) + 40): notes.account_for(str(number))\n"
    )
    arguments = [api.base_url, api.user_secret, api.organization_secret]
    tellers = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments, str(first)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for first in (100, 200, 300)
    ]
    for teller in tellers:  # all begin at once
        assert teller.stdout is not None
        teller.stdout.readline()
    for teller in tellers:
        assert teller.stdin is not None
        teller.stdin.close()
    for teller in tellers:
        teller.wait()
        assert teller.stdout is not None
        teller.stdout.close()
    assert [teller.returncode for teller in tellers] == [0, 0, 0]
    (note,) = CrashNotes(home(api)).left(INPUTS)
    assert note.others == {str(first + number) for first in (100, 200, 300) for number in range(40)}


def test_a_note_of_a_living_process_is_not_taken_for_a_dead_ones(api: Emulator) -> None:
    """While its writer holds the lock, nobody sees the note as left behind."""
    notes = CrashNotes(home(api))
    with notes.create(INPUTS, "4000", set()):
        assert notes.left(INPUTS) == []


def test_what_is_under_way_hides_nothing_that_was_left(api: Emulator, tmp_path: Path) -> None:
    """This is true of the process that is at work and of others; the key comes with the first note, into any home."""
    there = tmp_path / "not" / "there"
    busy, other = CrashNotes(home(api, there)), CrashNotes(home(api, there))
    with ExitStack() as under_way:
        for _ in range(5):
            under_way.enter_context(busy.create(INPUTS, "4000", set()))
            with busy.create(INPUTS, "4000", set()):
                pass
        assert [len(busy.left(INPUTS)), len(other.left(INPUTS))] == [5, 5]
        began = [note.began for note in other.left(INPUTS)]
    assert began == sorted(began)
    assert len(other.left(INPUTS)) == 10


def test_an_instance_made_by_a_killed_run_is_taken_over(api: Emulator, tmp_path: Path) -> None:
    """The API had acted before the SIGKILL: the next run finds the instance, sends no POST, and removes the note."""
    kill_in_create(api, acted=True)
    (left,) = api.instances()
    posts = len(api.writes)
    found = Operations(settings(api)).create(INPUTS)
    assert (found["id"], found["token"]) == (str(left["id"]), left["token"])
    assert len(api.writes) == posts
    assert notes(tmp_path) == []


def test_a_killed_create_that_made_nothing_is_made_anew(api: Emulator, tmp_path: Path) -> None:
    """The API had not acted before the SIGKILL: once the time of a create is over, the next run creates it."""
    kill_in_create(api, acted=False)
    api.reset()
    (note,) = notes(tmp_path)
    note.write_text(note.read_text().replace('"began": ', '"began": 1.0, "_began": '))
    Operations(settings(api)).create(INPUTS)
    assert len(api.instances()) == 1
    assert notes(tmp_path) == []


def test_objects_that_were_there_before_are_never_taken_over(api: Emulator) -> None:
    """An exact twin from before the killed create keeps its owner."""
    twin = api.add(your_mom="dropbox", name="billing", tags=["eu"])
    kill_in_create(api, acted=True)
    found = Operations(settings(api)).create(INPUTS)
    assert found["id"] != str(twin)
    assert len(api.instances()) == 2


def test_several_candidates_are_named_and_none_is_taken(api: Emulator, tmp_path: Path) -> None:
    """If two instances match since the kill, the error has both ids, and the note stays for the next try."""
    kill_in_create(api, acted=True)
    api.add(your_mom="dropbox", name="billing", tags=["eu"])
    ids = [str(instance["id"]) for instance in api.instances()]
    with pytest.raises(CreateUndecided, match=f'{ids[0]}, {ids[1]}.*adopt_id="{ids[0]}"') as caught:
        Operations(settings(api)).create(INPUTS)
    assert caught.value.candidates == ids
    assert len(notes(tmp_path)) == 1


def test_a_folder_that_cannot_be_written_does_not_stop_a_create(
    api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full or read-only home costs the protection against a kill, but not the create."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("PULUMI_HOME", os.fspath(blocked))
    assert Operations(settings(api)).create(INPUTS)["id"]
    assert "is ignored (Not a directory); remove it, or take ownership of its folder" in caplog.text


def test_an_existing_twin_is_named(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Without a note, the log still names the twin and says how to adopt it."""
    twin = api.add(your_mom="dropbox", name="billing", tags=["eu"])
    Operations(settings(api)).create(INPUTS)
    assert f'adopt_id="{twin}"' in caplog.text


def test_a_note_of_another_living_process_is_not_taken_for_a_dead_ones(api: Emulator) -> None:
    """Only the lock decides, because the reader knows nothing about the writer."""
    with CrashNotes(home(api)).create(INPUTS, "4000", set()):
        assert CrashNotes(home(api)).left(INPUTS) == []


def test_nobody_looks_into_a_note_before_it_is_written(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither another thread nor another process mistakes it for a malformed note or an abandoned one."""
    writer, reader = CrashNotes(home(api)), CrashNotes(home(api))
    lock, seen = fcntl.flock, []

    def look_then_lock(file: IO[str], how: int) -> None:
        if how == fcntl.LOCK_EX:
            seen.extend([writer.left(), reader.left()])
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", look_then_lock)
    with writer.create(INPUTS, "4000", set()):
        assert seen == [[], []]
    assert caplog.text == ""


def test_a_note_of_this_process_is_not_left_even_where_locks_do_not_tell(
    api: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems grant a process any lock on a file that it has locked itself."""
    monkeypatch.setattr(disk, "is_locked", lambda _: False)
    notes_of_this = CrashNotes(home(api))
    with notes_of_this.create(INPUTS, "4000", set()):
        assert notes_of_this.left(INPUTS) == []


def test_the_last_keeper_is_known_until_its_instance_is_deleted(api: Emulator) -> None:
    """Each holder is known in turn, whatever its random word, and nothing is known about other instances."""
    kept = Keepers(home(api))
    for keeper in ("b", "a", "c"):
        kept.set("7", keeper)
        assert Keepers(home(api)).get("7") == keeper
    assert kept.get("8") is None
    kept.release("7")
    assert kept.get("7") is None


def test_without_a_home_nobody_is_known_to_keep_anything(
    api: Emulator,
    no_home: None,  # noqa: ARG001  after `api`, which sets one
    caplog: pytest.LogCaptureFixture,
) -> None:
    """There is no place for it, which is said once, and no call fails because of it."""
    nowhere = Keepers(home(api))
    nowhere.set("7", "word")
    assert nowhere.get("7") is None
    nowhere.release_to("7", {"other"})
    nowhere.release("7")
    [said] = [record.getMessage() for record in caplog.records]
    assert said.endswith("set PULUMI_HOME")


def test_what_was_taken_over_goes_back_to_who_had_it_from_the_start(api: Emulator) -> None:
    """It does so only within a stack, and not from a resource that is still in the program."""
    homes = home(api), home(api)
    homes[0].stack, homes[1].stack = "o/p/ours", "o/p/other"
    ours, other = map(Keepers, homes)
    ours.set("7", "word")
    other.release_to("7", {None})
    ours.release_to("7", {None, "word"})
    assert ours.get("7") == "word"
    ours.release_to("7", {None})
    assert ours.get("7") is None
    ours.release_to("7", {None})  # there is nothing to take back


def test_a_keeper_that_was_not_seen_for_a_month_counts_no_longer(api: Emulator, tmp_path: Path) -> None:
    """Until then, each run that sees it renews it."""
    kept = Keepers(home(api))
    kept.set("7", "word")
    [path] = tmp_path.glob("pulumi-instances/kept/*/7.json")
    day = 86_400
    os.utime(path, (0, time.time() - 29 * day))
    assert kept.get("7") == "word"
    kept.set("7", "word")
    assert time.time() - path.stat().st_mtime < day
    os.utime(path, (0, time.time() - 31 * day))
    assert kept.get("7") is None


def test_a_keeper_that_was_seen_a_moment_ago_is_not_written_again(api: Emulator, tmp_path: Path) -> None:
    """A run sees the keepers of all its resources, so each costs only a look."""
    kept = Keepers(home(api))
    kept.set("7", "word")
    [path] = tmp_path.glob("pulumi-instances/kept/*/7.json")
    written = path.stat().st_ino
    kept.set("7", "word")
    assert path.stat().st_ino == written
    kept.set("7", "another")
    assert kept.get("7") == "another"


def test_notes_go_where_pulumi_keeps_its_own_files(
    api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is below the home directory, unless `PULUMI_HOME` names another one."""
    monkeypatch.delenv("PULUMI_HOME")
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    with CrashNotes(home(api)).create(INPUTS, "4000", set()):
        assert len(notes(tmp_path / ".pulumi")) == 1


# records of what was made, until the engine has it


STACK = "organization/shop/dev"
PLAIN = {key: value for key, value in INPUTS.items() if key != "provider_data"}
"""They can be created twice: a code works once."""


def records(home: Path) -> list[Path]:
    return sorted(home.glob("pulumi-instances/made/*/*.json"))


def of_a_run(api: Emulator, *names: str, stack: str = STACK, account: Settings | None = None) -> Operations:
    """What a run has that declares resources of these names, all with the same inputs."""
    operations = Operations(account or settings(api))
    operations.use_stack(stack)
    for name in names:
        for given in (INPUTS, PLAIN):
            operations.note_declared(given, name)
    return operations


def posts(api: Emulator) -> int:
    return sum(request.method == "POST" for request in api.requests)


def test_what_was_answered_and_not_written_down_is_taken_over(
    api: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The engine died between the two. The record has served as soon as the state holds the instance."""
    made = of_a_run(api, "a").create(INPUTS)
    assert len(records(tmp_path)) == 1
    found = of_a_run(api, "a").create(INPUTS)
    assert (found["id"], found["token"], posts(api)) == (made["id"], made["token"], 1)
    assert f"instance {made['id']}, made by an interrupted run, is taken over" in caplog.text
    assert found["__keeper"]
    of_a_run(api, "a").note_managed(made["id"], {}, INPUTS)
    assert records(tmp_path) == []


@pytest.mark.parametrize(
    "why",
    ["another resource", "one of several", "another stack", "another account", "too old", "in the state", "read"],
)
def test_what_may_be_anothers_is_not_taken_over(api: Emulator, tmp_path: Path, why: str) -> None:
    """Only the very resource takes it, and only while nothing is known to have it."""
    first = of_a_run(api, "a", "b") if why == "one of several" else of_a_run(api, "a")
    made = first.create(PLAIN)
    account = api.add_account() if why == "another account" else api
    [record] = records(tmp_path)
    if why == "too old":
        os.utime(record, (0, time.time() - LONGEST_MEMORY - 60))
    second = of_a_run(
        api,
        *{"another resource": ("b",), "one of several": ("a", "b")}.get(why, ("a",)),
        stack="organization/shop/prod" if why == "another stack" else STACK,
        account=Settings(api.base_url, account.user_secret, account.organization_secret),
    )
    if why == "in the state":
        second.note_managed(made["id"], {}, PLAIN)
    elif why == "read":
        second.read(made["id"])
    assert second.create(PLAIN)["id"] != made["id"]
    assert posts(api) == 2


def test_a_refresh_tells_what_is_about_to_be_replaced(api: Emulator) -> None:
    """The engine does not say which instance a taint replaces: without the refresh, the create takes that over."""
    made = of_a_run(api, "a").create(PLAIN)
    assert of_a_run(api, "a").create(PLAIN)["id"] == made["id"]
    of_a_run(api, "a").read(made["id"])
    assert of_a_run(api, "a").create(PLAIN)["id"] != made["id"]


def test_what_is_declared_touches_no_file_before_a_create(api: Emulator, tmp_path: Path) -> None:
    """A preview writes nothing, wherever `PULUMI_HOME` is."""
    run = of_a_run(api, "a", "b")
    assert not (tmp_path / "pulumi-instances").exists()
    run.create(PLAIN)
    assert len(records(tmp_path)) == 1


def test_what_is_gone_is_made_anew(api: Emulator) -> None:
    made = of_a_run(api, "a").create(PLAIN)
    api.remove(made["id"])
    assert of_a_run(api, "a").create(PLAIN)["id"] != made["id"]


def test_a_deleted_instance_has_no_record(api: Emulator, tmp_path: Path) -> None:
    made = of_a_run(api, "a").create(INPUTS)
    of_a_run(api, "a").delete(made["id"])
    assert records(tmp_path) == []


def test_a_record_is_private_and_tells_nothing(api: Emulator, tmp_path: Path) -> None:
    of_a_run(api, "a-name").create(INPUTS)
    [record] = records(tmp_path)
    assert (record.stat().st_mode & 0o777, record.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    for told in ("a-name", "billing", "once-only-code", api.user_secret, api.organization_secret):
        assert told not in record.read_text()


@pytest.mark.parametrize("text", ["", "null", "[]", "{", f'{{"stack": "{STACK}"}}'])
def test_a_record_that_is_malformed_stops_nothing(
    api: Emulator, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    of_a_run(api, "a").create(PLAIN)
    [record] = records(tmp_path)
    record.write_text(text)
    of_a_run(api, "a").create(PLAIN)
    assert "is ignored (it is malformed)" in caplog.text
    assert posts(api) == 2


@pytest.mark.parametrize("engine", ["lives", "has died"])
def test_the_end_of_the_process_tells_whether_the_engine_has_it_all(api: Emulator, tmp_path: Path, engine: str) -> None:
    """The engine ends a process when the state is written; one that has died reads its stdout no longer."""
    ours, theirs = os.pipe()
    arguments = [api.base_url, api.user_secret, api.organization_secret, json.dumps(INPUTS)]
    process = subprocess.Popen([sys.executable, "-c", CREATE + WAIT, *arguments], stdout=theirs, stdin=subprocess.PIPE)
    os.close(theirs)
    assert os.read(ours, 4) == b"made"
    assert len(records(tmp_path)) == 1
    if engine == "has died":
        os.close(ours)
    process.communicate(b"end")
    assert process.returncode == 0
    assert len(records(tmp_path)) == (engine == "has died")
    if engine == "lives":
        os.close(ours)


def test_a_process_that_is_ended_in_a_create_keeps_all_records(
    api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its engine was told to stop twice: it may not have written down what was answered before."""
    made = Records(home(api))
    made.add(INPUTS, "4001")
    with monkeypatch.context() as patch:
        patch.setattr(engine_process, "is_heard", lambda: False)
        with made.during_create():
            pass
    made._end()
    assert len(records(tmp_path)) == 1


WAIT = """
os.write(1, b"made")
sys.stdin.read()
"""
