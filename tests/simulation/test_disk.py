"""The simulated disk loses what it may lose, and nothing else."""

import errno
from pathlib import Path

import pytest

from mmsb.schemas.errors import EnvironmentFailed
from tests.simulation.disk import PAGE, SECTOR, VirtualFiles

A = Path("/a")


def _with_file(seed: int, content: bytes = b"") -> VirtualFiles:
    files = VirtualFiles(seed)
    file = files.create(A)
    file.write(0, content)
    file.sync()
    files.sync_folder(A.parent)
    return files


def test_what_was_synced_survives_every_crash():
    for seed in range(50):
        files = _with_file(seed, b"x" * 10_000)
        assert files.crash().content(A) == b"x" * 10_000


def test_unsynced_pages_are_lost_torn_and_reordered():
    seen = set()
    for seed in range(300):
        files = _with_file(seed, bytes(2 * PAGE))
        files.open(A).write(0, b"x" * 2 * PAGE)
        content = files.crash().content(A)
        assert len(content) == 2 * PAGE
        pages = [content[:PAGE], content[PAGE:]]
        assert all(len(set(page[at : at + SECTOR])) == 1 for page in pages for at in range(0, PAGE, SECTOR))
        seen.add(tuple(["none", "all", "torn"][2 if len(set(page)) == 2 else b"x" in page] for page in pages))
    assert len(seen) == 9


def test_an_unsynced_file_has_any_size_up_to_its_own():
    sizes = set()
    for seed in range(100):
        files = _with_file(seed, b"x" * 10)
        files.open(A).write(10, b"y" * 20)
        content = files.crash().content(A)
        assert content[:10] in (b"x" * 10, b"x" * len(content[:10]))
        sizes.add(len(content))
    assert {10, 30} < sizes <= set(range(10, 31))


def test_an_unsynced_name_may_be_missing_and_one_removed_come_back():
    created, removed = set(), set()
    for seed in range(30):
        files = _with_file(seed)
        files.create(Path("/b"))
        files.remove(A)
        after = files.crash()
        created.add(after.exists(Path("/b")))
        removed.add(after.exists(A))
    assert created == removed == {True, False}


def test_a_rename_happens_whole_or_not_at_all():
    seen = set()
    for seed in range(30):
        files = _with_file(seed)
        files.replace(A, Path("/b"))
        seen.add(tuple(files.crash().names(Path("/"))))
    assert seen == {("a",), ("b",)}


def test_after_a_failed_sync_pages_read_well_and_are_gone_after_a_crash():
    for seed in range(30):
        files = _with_file(seed, bytes(100))
        file = files.open(A)
        file.write(0, b"x" * 100)
        files.fail(1, "sync")
        with pytest.raises(EnvironmentFailed):
            file.sync()
        file.sync()
        assert file.read(0, 100) == b"x" * 100
        assert files.crash().content(A) == bytes(100)


def test_a_kill_keeps_what_was_written_and_forgets_no_dirt():
    files = _with_file(1, bytes(100))
    files.open(A).write(0, b"x" * 100)
    after = files.kill()
    assert after.content(A) == b"x" * 100
    with pytest.raises(AssertionError):
        files.open(A)
    after.open(A).sync()
    assert after.crash().content(A) == b"x" * 100


def test_a_full_disk_takes_what_fits():
    files = VirtualFiles(capacity=10)
    file = files.create(A)
    with pytest.raises(EnvironmentFailed, match="free some space"):
        file.write(0, b"x" * 11)
    assert file.read(0, 100) == b"x" * 10
    file.write(3, b"y" * 7)


def test_an_operation_fails_once_or_for_ever():
    files = _with_file(1)
    file = files.open(A)
    files.fail(2, "write", error=errno.EIO)
    file.write(0, b"x")
    with pytest.raises(EnvironmentFailed):
        file.write(0, b"x")
    file.write(0, b"x")
    files.fail(1, for_ever=True)
    for _ in range(3):
        with pytest.raises(EnvironmentFailed):
            file.write(0, b"x")
