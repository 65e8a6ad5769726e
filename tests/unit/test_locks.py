"""One create of a resource at a time on this machine.

A lock is of an open file: one that this process has keeps itself out, as another process does.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from pulumi_instances.api import locks


def never() -> bool:
    """Nobody waits."""
    return False


def always(_error: BaseException | None, _turn: locks.Turn) -> bool:
    """Whatever the error is, it is known what was made."""
    return True


@pytest.fixture
def folder() -> Path:
    """Where the locks of this test are."""
    return Path(os.environ["PULUMI_HOME"]) / "pulumi-instances"


def test_what_another_has_is_waited_for(folder: Path) -> None:
    """Until it ends its turn; then nothing is left of it."""
    other = locks.take("line", never)
    looks: list[int] = []

    def wait() -> bool:
        looks.append(len(looks))
        if len(looks) == 3:
            other.end(decided=True)
        return True

    turn = locks.take("line", wait)
    assert looks == [0, 1, 2]
    assert (turn.cut_off, turn.waited) == (None, True)
    turn.end(decided=True)
    assert list(folder.iterdir()) == []


def test_nobody_waits_any_longer_than_agreed() -> None:
    """What is still busy then is an error of the caller's."""
    with locks.held("line", never, always), pytest.raises(locks.Busy):
        locks.take("line", never)


def test_another_line_is_not_waited_for() -> None:
    """A lock is for one resource of one account."""
    with locks.held("line", never, always):
        locks.take("another line", never).end(decided=True)


def test_a_create_that_was_cut_off_leaves_its_file() -> None:
    """The next one gets the lock, and is told how long ago that was; once decided, nobody is told again."""
    locks.take("line", never).end(decided=False)
    first = locks.take("line", never)
    assert first.cut_off is not None
    assert 0 <= first.cut_off < 60
    first.end(decided=False)
    second = locks.take("line", never)
    assert second.cut_off is not None
    second.end(decided=True)
    assert locks.take("line", never).cut_off is None


def test_the_time_of_the_last_request_counts(folder: Path) -> None:
    """A create may have waited for a long time before it sent anything."""
    turn = locks.take("line", never)
    [file] = folder.iterdir()
    os.utime(file, (1, 1))
    turn.touch()
    turn.end(decided=False)
    late = locks.take("line", never)
    assert late.cut_off is not None
    assert late.cut_off < 60
    os.utime(file, (time.time() - 500, time.time() - 500))
    late.end(decided=False)
    [cut_off] = [locks.take("line", never).cut_off]
    assert cut_off is not None
    assert 490 < cut_off < 560


def test_a_file_from_the_future_was_just_cut_off(folder: Path) -> None:
    """A clock may have been set back."""
    locks.take("line", never).end(decided=False)
    [file] = folder.iterdir()
    os.utime(file, (time.time() + 9999, time.time() + 9999))
    assert locks.take("line", never).cut_off == 0.0


@pytest.mark.parametrize("decided", [True, False])
def test_an_error_keeps_the_file_where_the_outcome_is_unknown(folder: Path, decided: bool) -> None:
    """An interrupt is such an error, too."""
    with pytest.raises(KeyboardInterrupt), locks.held("line", never, lambda _error, _turn: decided):
        raise KeyboardInterrupt
    assert [*folder.iterdir()] == [] if decided else len([*folder.iterdir()]) == 1


def test_nobody_else_can_read_what_is_there(folder: Path) -> None:
    """The folder is the user's own, and the file is empty and names nothing."""
    with locks.held("a name", never, always):
        [file] = folder.iterdir()
        assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
        assert file.read_bytes() == b""
        assert "name" not in file.name
    assert [*folder.iterdir()] == []


def test_a_file_that_was_removed_meanwhile_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking it, another process may have ended its turn."""
    original, removed = fcntl.flock, list[Path]()

    def remove_first(descriptor: int, how: int) -> None:
        original(descriptor, how)
        if not removed:
            [file] = folder.iterdir()
            removed.append(file)
            file.unlink()

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with locks.held("line", never, always):
        assert [*folder.iterdir()] == removed


# where no lock can be had


def test_what_has_no_name_is_not_locked() -> None:
    """Two creates of which it is not known what they are for do not wait for each other."""
    with locks.held(None, never, always), locks.held(None, never, always) as turn:
        assert turn.cut_off is None


def test_a_folder_that_cannot_be_written_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The create goes on without a lock."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("PULUMI_HOME", str(blocked))
    for name in ("one", "two"):
        with locks.held(name, never, always) as turn:
            turn.touch()
            assert turn.cut_off is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"no lock can be had in {blocked / 'pulumi-instances'} (Not a directory)" in caplog.text


@pytest.mark.usefixtures("no_home")
def test_without_a_home_there_is_no_lock() -> None:
    """Nothing fails for it."""
    locks.take("line", never).end(decided=True)


def test_a_file_system_without_locks_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Some network file systems refuse them."""

    def refuse(*_: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    locks.take("line", never).end(decided=True)
    assert "(No locks available); do not create twice at once" in caplog.text


# Windows, as far as it can be played here


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES, errno.EDEADLK])
def test_windows_answers_otherwise_where_a_lock_is_held(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """`msvcrt.locking` raises a PermissionError or a deadlock error."""

    def held(*_: int) -> None:
        raise OSError(number, "held")

    monkeypatch.setattr(fcntl, "flock", held)
    with pytest.raises(locks.Busy):
        locks.take("line", never)


def test_windows_removes_a_file_only_once_it_is_closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the next create would take the one that has ended for one that was cut off."""
    is_open, unlink, close = [True], Path.unlink, os.close

    def remove(path: Path, missing_ok: bool = False) -> None:
        if is_open[0]:
            raise PermissionError(13, "The process cannot access the file")
        unlink(path, missing_ok)

    def shut(descriptor: int) -> None:
        is_open[0] = False
        close(descriptor)

    turn = locks.take("line", never)
    monkeypatch.setattr(Path, "unlink", remove)
    monkeypatch.setattr(os, "close", shut)
    turn.end(decided=True)
    assert [*folder.iterdir()] == []
