"""What is RocksDB's own: damage, what a crash leaves in the folder, and who holds it."""

import errno
import os
import subprocess
import threading
import time

import pytest

from mmsb.schemas.errors import CorruptState, EnvironmentFailed, FolderInUse, MmsbError
from mmsb.streams.store.faults import explained
from mmsb.streams.store.rocks import INGESTED, RocksCheckpoint, RocksStore

FIRST, STOP = b"\x00", b"\xff"
ROWS = [(b"\x10%04d" % number, os.urandom(3000)) for number in range(300)]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "store"
    path.mkdir()
    store = RocksStore(path)
    store.ingest([(b"\x00", b"meta"), *ROWS])
    store.checkpoint(tmp_path / "kept")
    store.close()
    return path


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def table_of(folder):
    [path] = folder.glob("*.sst")
    return path


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9])
def test_a_flipped_byte_of_a_row_ends_no_scan_early(folder, tmp_path, share):
    """rocksdict's own iteration over items ends at a damaged block without a word."""
    for path, opened in ((folder, RocksStore), (tmp_path / "kept", RocksCheckpoint)):
        if path == folder:
            flip(table_of(path), int(table_of(path).stat().st_size * share))  # the other's too: they share the file
        rows = opened(path)
        with pytest.raises(CorruptState, match=r"(?s)expected to read rows .* Corruption.*mmsb verify"):
            list(rows.rows(FIRST, STOP))
        with pytest.raises(CorruptState, match="expected to read 300 rows"):
            rows.read([key for key, _ in ROWS])
        rows.close()


def test_a_snapshot_notices_damage_too(folder):
    flip(table_of(folder), 1_000)
    store = RocksStore(folder)
    snapshot = store.snapshot()
    with pytest.raises(CorruptState):
        list(snapshot.rows(FIRST, STOP))
    with pytest.raises(CorruptState):
        snapshot.read([b"\x00"])
    store.close()


@pytest.mark.parametrize("name", ["*.sst", "MANIFEST-*", "CURRENT"])
def test_a_missing_file_is_named(tmp_path, folder, name):
    [path] = (tmp_path / "kept").glob(name)
    path.unlink()
    with pytest.raises(CorruptState, match="kept: expected"):
        list(RocksCheckpoint(tmp_path / "kept").rows(FIRST, STOP))


def test_a_store_whose_beginning_is_missing_is_not_made_anew(folder):
    """RocksDB would begin an empty one in its place and remove all files of rows."""
    (folder / "CURRENT").unlink()
    before = sorted(os.listdir(folder))
    with pytest.raises(CorruptState, match="expected CURRENT beside 1 files of rows"):
        RocksStore(folder)
    assert sorted(os.listdir(folder)) == before


def test_rows_that_were_never_taken_over_are_removed_at_the_next_opening(folder):
    def interrupted():
        yield b"\x10", b"lost"
        assert (folder / INGESTED).exists()
        raise KeyboardInterrupt

    store = RocksStore(folder)
    with pytest.raises(KeyboardInterrupt):
        store.ingest(interrupted())
    store.close()
    assert (folder / INGESTED).exists()
    again = RocksStore(folder)
    assert not (folder / INGESTED).exists()
    assert list(again.rows(FIRST, STOP)) == [(b"\x00", b"meta"), *ROWS]
    again.close()


def test_nothing_of_an_ingest_is_left_beside_the_rows(folder):
    store = RocksStore(folder)
    store.ingest([(b"\x01", b"x")])
    assert not (folder / INGESTED).exists()
    store.close()


def test_a_store_has_one_writer(folder):
    store = RocksStore(folder)
    with pytest.raises(FolderInUse, match="somebody has it open"):
        RocksStore(folder)
    store.close()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EnvironmentFailed, match=r"gone: expected to look what is in it, found: No such file"):
        RocksStore(tmp_path / "gone")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("IO error: No space left on device: While appending to file: /x/1.sst", EnvironmentFailed, "free some space"),
        ("IO error: Read-only file system: While opening", EnvironmentFailed, "mount it writable"),
        ("IO error: Input/output error: While fsync", EnvironmentFailed, "look at the disk"),
        ("Corruption: block checksum mismatch", CorruptState, "mmsb verify"),
        ("Invalid argument: something new", EnvironmentFailed, "something new"),
    ],
)
def test_what_rocksdb_says_becomes_an_error_of_ours(tmp_path, text, error, words):
    with pytest.raises(error, match=words), explained(tmp_path, "do it"):
        raise Exception(text)


def test_what_is_a_bug_stays_one(tmp_path):
    with pytest.raises(ZeroDivisionError), explained(tmp_path, "do it"):
        raise ZeroDivisionError
    with pytest.raises(MmsbError, match=os.strerror(errno.ENOENT)), explained(tmp_path, "do it"):
        (tmp_path / "nothing").read_bytes()


def test_rows_are_read_while_others_are_ingested(folder):
    """`read` may run beside anything but `close`; what it gives is all of one ingest or of the one before."""
    store, seen, stop = RocksStore(folder), set(), threading.Event()
    keys = [key for key, _ in ROWS]
    store.ingest([(key, b"0" * 100) for key in keys])

    def read():
        while not stop.is_set():
            found = store.read(keys[:200])
            seen.add(found[0])
            assert len(set(found)) == 1, "all rows of one call are of one moment"

    thread = threading.Thread(target=read)
    thread.start()
    deadline = time.monotonic() + 20
    for number in range(1, 10_000):
        store.ingest([(key, b"%d" % number * 100) for key in keys])
        if len(seen) > 5 or time.monotonic() > deadline:
            break
    stop.set()
    thread.join()
    store.close()
    assert len(seen) > 5


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 12 MB, where one may be mounted."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a disk")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def test_a_full_disk_is_named_and_costs_no_row_that_was_there(small_disk):
    folder = small_disk / "store"
    folder.mkdir()
    store = RocksStore(folder)
    store.ingest(ROWS)
    store.checkpoint(small_disk / "kept")
    with pytest.raises(EnvironmentFailed, match=r"store: expected to write rows into it.*free some space there"):
        store.ingest((b"\x20%06d" % number, bytes(3000)) for number in range(100_000))
    with pytest.raises(EnvironmentFailed, match="takes nothing more"):
        store.ingest([(b"\x20", b"x")])
    assert list(store.rows(FIRST, STOP)) == ROWS
    store.close()
    again = RocksStore(folder)
    assert list(again.rows(FIRST, STOP)) == ROWS
    again.ingest([(b"\x20", b"x")])
    assert again.read([b"\x20"]) == [b"x"]
    again.close()
