"""One contract, two file systems: the operating system's, and the one that tests crash."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.files import Files, RealFiles
from tests.simulation.disk import VirtualFiles


@pytest.fixture(params=["real", "virtual"])
def place(request, tmp_path) -> tuple[Files, Path]:
    return (RealFiles(), tmp_path) if request.param == "real" else (VirtualFiles(), Path("/"))


def test_what_is_written_is_read_back(place):
    files, folder = place
    file = files.create(folder / "a")
    file.write(0, b"hello world")
    file.write(6, memoryview(b"there"))
    assert file.read(0, 100) == b"hello there"
    assert file.read(6, 3) == b"the"
    assert file.read(11, 5) == b""
    assert file.size() == 11
    file.sync()
    file.close()
    again = files.open(folder / "a", read_only=True)
    assert again.read(0, 5) == b"hello"
    again.close()


def test_a_write_behind_the_end_leaves_zeros_between(place):
    files, folder = place
    file = files.create(folder / "a")
    file.write(5000, b"x")
    assert file.read(0, 6000) == bytes(5000) + b"x"
    file.close()


def test_truncating_cuts_and_extends(place):
    files, folder = place
    file = files.create(folder / "a")
    file.write(0, b"abcdef")
    file.truncate(3)
    assert file.read(0, 10) == b"abc"
    file.truncate(5)
    assert file.read(0, 10) == b"abc\0\0"
    file.close()


def test_two_handles_see_the_same_file(place):
    files, folder = place
    one = files.create(folder / "a")
    other = files.open(folder / "a")
    one.write(0, b"abc")
    assert other.read(0, 3) == b"abc"
    one.close()
    other.close()


def test_names_are_sorted_and_say_what_exists(place):
    files, folder = place
    files.make_folder(folder / "sub")
    files.make_folder(folder / "sub")
    for name in ("b", "a", "c"):
        files.create(folder / "sub" / name).close()
    files.remove(folder / "sub" / "c")
    files.sync_folder(folder / "sub")
    assert files.names(folder / "sub") == ["a", "b"]
    assert files.names(folder) == ["sub"]
    assert files.exists(folder / "sub")
    assert files.exists(folder / "sub" / "a")
    assert not files.exists(folder / "sub" / "c")


def test_replacing_moves_a_file_over_another(place):
    files, folder = place
    for name in ("a", "b"):
        file = files.create(folder / name)
        file.write(0, name.encode())
        file.close()
    files.replace(folder / "a", folder / "b")
    assert files.names(folder) == ["b"]
    file = files.open(folder / "b")
    assert file.read(0, 1) == b"a"
    file.close()


def test_closing_twice_is_nothing(place):
    files, folder = place
    file = files.create(folder / "a")
    file.close()
    file.close()


REFUSED: dict[str, Callable[[Files, Path], object]] = {
    "open what is not there": lambda files, folder: files.open(folder / "none"),
    "create what is there": lambda files, folder: files.create(folder / "there"),
    "create in no folder": lambda files, folder: files.create(folder / "none" / "a"),
    "list no folder": lambda files, folder: files.names(folder / "none"),
    "make a folder in none": lambda files, folder: files.make_folder(folder / "none" / "sub"),
    "sync no folder": lambda files, folder: files.sync_folder(folder / "none"),
    "replace by what is not there": lambda files, folder: files.replace(folder / "none", folder / "there"),
    "remove what is not there": lambda files, folder: files.remove(folder / "none"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_done_is_the_environments_fault_and_names_the_path(place, what):
    files, folder = place
    files.create(folder / "there").close()
    with pytest.raises(EnvironmentFailed) as error:
        REFUSED[what](files, folder)
    assert "there" in str(error.value) or "none" in str(error.value)


def test_a_full_disk_says_how_to_go_on(tmp_path, monkeypatch):
    file = RealFiles().create(tmp_path / "a")
    monkeypatch.setattr("os.pwrite", _refuse)
    with pytest.raises(
        EnvironmentFailed, match=r"a: expected to write 3 bytes at 7, found: No space.*; free some space"
    ):
        file.write(7, b"abc")
    file.close()


def _refuse(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_writes_and_reads_that_the_system_cuts_go_on(tmp_path, monkeypatch):
    import os

    write, read = os.pwrite, os.pread
    monkeypatch.setattr("os.pwrite", lambda number, data, at: write(number, bytes(data[:2]), at))
    monkeypatch.setattr("os.pread", lambda number, size, at: read(number, min(size, 3), at))
    file = RealFiles().create(tmp_path / "a")
    file.write(1, b"abcdefg")
    assert file.read(0, 100) == b"\0abcdefg"
    file.close()
