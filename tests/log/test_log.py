"""What the embedded log promises its writer, while nothing crashes."""

import struct
from pathlib import Path
from random import Random

import pytest

from mmsb.schemas.errors import CorruptState, EnvironmentFailed, InvalidValue
from mmsb.streams.files import RealFiles
from mmsb.streams.log import Log
from tests.log.batches import make_batch, offsets_of
from tests.simulation.disk import VirtualFiles

FOLDER = Path("/intents")


@pytest.fixture
def files() -> VirtualFiles:
    return VirtualFiles()


def open_log(files: VirtualFiles, durable: int = 0, segment_bytes: int = 1000) -> Log:
    log = Log.open(files, FOLDER, durable, segment_bytes)
    log.mend()
    return log


def fill(log: Log, batches: int, size: int = 8) -> bytes:
    """Append batches of 1, 2, 3, 1, … records; gives all their bytes."""
    data = b""
    for index in range(batches):
        batch = make_batch(log.end, index % 3 + 1, size)
        log.append(batch, log.end, index % 3 + 1)
        data += batch
    return data


def test_an_empty_log_begins_and_ends_at_0(files):
    log = open_log(files)
    assert (log.first, log.end, log.durable) == (0, 0, 0)
    assert log.read(0, 100) == b""
    log.sync()


def test_opening_writes_nothing(files):
    fill(open_log(files), 50)
    files = files.kill()
    Log.open(files, FOLDER, 0)
    assert set(files.operations) <= {"open", "names", "read", "size"}


def test_appended_batches_are_read_back_across_segments(files):
    log = open_log(files)
    data = fill(log, 50)
    assert len([name for name in files.names(FOLDER) if name.endswith(".log")]) > 3
    read, offset = b"", 0
    while chunk := log.read(offset, 300):
        offset = offsets_of(chunk)[1]
        assert len(chunk) <= 300
        read += chunk
    assert read == data
    assert offset == log.end == 99


def test_a_read_begins_with_the_batch_that_holds_the_offset(files):
    log = open_log(files)
    fill(log, 50)
    for offset in range(99):
        first, end = offsets_of(log.read(offset, 1))
        assert first <= offset < end <= first + 3


def test_a_read_ends_below_what_it_is_told(files):
    log = open_log(files)
    fill(log, 50)
    for below in range(100):
        data = log.read(3, 10_000, below)
        if below <= 3:
            assert data == b""
        elif data:
            assert offsets_of(data)[1] <= below
    assert log.read(1, 10_000, 2) == b""  # a batch of offsets 1 and 2


def test_a_read_gives_one_batch_however_large(files):
    log = open_log(files, segment_bytes=10_000_000)
    for size in (10, 3_000_000, 10):
        log.append(make_batch(log.end, 1, size), log.end, 1)
    assert len(log.read(1, 1)) > 3_000_000
    assert offsets_of(log.read(0, 4_000_000)) == (0, 3)
    assert offsets_of(log.read(0, 2_000_000)) == (0, 1)


def test_a_read_outside_of_the_log_is_the_callers_mistake(files):
    log = open_log(files)
    fill(log, 3)
    for offset in (-1, 7):
        with pytest.raises(InvalidValue, match="from 0 to 6"):
            log.read(offset, 10)


def test_segments_are_named_by_their_first_offset_and_hold_nothing_but_batches(files):
    log = open_log(files)
    data = fill(log, 50)
    names = [name for name in files.names(FOLDER) if name.endswith(".log")]
    contents = [files.content(FOLDER / name) for name in names]
    assert b"".join(contents) == data
    assert all(len(content) <= 1000 for content in contents)
    assert names == [f"{struct.unpack('>q', content[:8])[0]:020}.log" for content in contents]


def test_a_batch_larger_than_a_segment_has_one_of_its_own(files):
    log = open_log(files)
    for size in (10, 5000, 10, 10):
        log.append(make_batch(log.end, 1, size), log.end, 1)
    assert [name for name in files.names(FOLDER) if "log" in name] == [f"{base:020}.log" for base in (0, 1, 2)]


def test_sync_makes_durable_what_was_appended(files):
    log = open_log(files, segment_bytes=10_000)
    fill(log, 3)
    assert (log.durable, log.end) == (0, 6)
    log.sync()
    assert log.durable == 6
    count = files.operations.count("sync")
    log.sync()
    assert files.operations.count("sync") == count  # nothing new, nothing to do


def test_a_reopened_log_goes_on_where_it_ended(files):
    data = fill(open_log(files), 20)
    log = open_log(files.kill())
    assert (log.end, log.durable) == (39, 39)
    data += fill(log, 20)
    assert log.end == 78
    assert b"".join(log.read(offset, 1) for offset in first_offsets(data)) == data


def first_offsets(data: bytes) -> list[int]:
    offsets, at = [], 0
    while at < len(data):
        offset, length = struct.unpack_from(">qi", data, at)
        offsets.append(offset)
        at += 12 + length
    return offsets


@pytest.mark.parametrize("segment_bytes", [0, -1, 2**31])
def test_a_segments_size_is_limited(files, segment_bytes):
    with pytest.raises(InvalidValue, match="1 to 2147483647"):
        Log.open(files, FOLDER, 0, segment_bytes)


def test_what_must_be_there_is_required(files):
    log = open_log(files)
    fill(log, 3)
    log.require(6)
    with pytest.raises(CorruptState, match=r"00\.log at byte \d+: expected records up to offset 7.*at offset 6"):
        log.require(7)


def test_a_log_lacks_no_durable_offset(files):
    with pytest.raises(CorruptState, match="durable up to offset 1, found no segment; offset 0"):
        Log.open(files, FOLDER, 1)
    fill(open_log(files), 3)
    with pytest.raises(CorruptState, match=r"base offset 6, since the log is durable up to offset 7, found the end"):
        Log.open(files, FOLDER, 7)


def test_a_cut_drops_a_batch_and_all_behind_it_in_any_segment():
    for offset in first_offsets(fill(open_log(VirtualFiles()), 50)):
        files = VirtualFiles()
        data = fill(open_log(files), 50)
        log = Log.open(files, FOLDER, 0, 1000)
        log.cut(offset)
        assert log.end == offset
        log.mend()
        files = files.crash()
        log = open_log(files, offset)
        assert log.end == offset
        if offset:
            assert data.startswith(log.read(0, 10_000))
        fill(log, 20)
        assert Log.open(files.kill(), FOLDER, 0).end == offset + 39


def test_a_cut_is_refused_below_what_is_durable_and_inside_of_a_batch(files):
    log = open_log(files)
    fill(log, 50)
    log.sync()
    log = Log.open(files.kill(), FOLDER, 50)
    for offset in (0, 49, 100):
        with pytest.raises(InvalidValue, match="from 50 to 99"):
            log.cut(offset)
    with pytest.raises(InvalidValue, match="the first offset of a batch to cut at, 97 for one; found 98"):
        log.cut(98)


def test_a_failed_write_or_sync_ends_the_log_for_good():
    for operation in ("write", "sync", "create", "sync_folder"):
        for number in range(1, 4):
            files = VirtualFiles(number)
            log = open_log(files)
            fill(log, 3)
            files.fail(number, operation)
            with pytest.raises(EnvironmentFailed, match="Input/output error"):  # noqa: PT012
                for _ in range(50):
                    fill(log, 1, 100)
                    log.sync()
            refuses(log)


def refuses(log: Log) -> None:
    with pytest.raises(EnvironmentFailed, match="takes nothing more since"):
        fill(log, 1)
    with pytest.raises(EnvironmentFailed, match="takes nothing more since"):
        log.sync()
    with pytest.raises(EnvironmentFailed, match="takes nothing more since"):
        log.read(0, 1)


def test_a_full_disk_loses_nothing_that_was_durable():
    files = VirtualFiles(3, capacity=5000)
    log = open_log(files)
    with pytest.raises(EnvironmentFailed, match="free some space"):  # noqa: PT012
        while True:
            fill(log, 1)
            log.sync()
    files.capacity = None
    assert open_log(files.crash(), log.durable).end >= log.durable > 30


def test_a_closed_log_takes_nothing(files):
    log = open_log(files)
    fill(log, 1)
    log.close()
    log.close()
    with pytest.raises(EnvironmentFailed, match="is closed"):
        log.sync()


@pytest.mark.parametrize(
    ("batch", "first", "count"),
    [
        (make_batch(1), 1, 1),
        (make_batch(0), 0, 2),
        (make_batch(1), 0, 1),
        (make_batch(0)[:-1], 0, 1),
        (make_batch(0) + b"x", 0, 1),
        (make_batch(0)[:15] + b"\x01" + make_batch(0)[16:], 0, 1),
        (make_batch(0)[:16] + b"\x01" + make_batch(0)[17:], 0, 1),
    ],
)
def test_what_readers_would_refuse_is_not_appended(files, batch, first, count):
    with pytest.raises(AssertionError):
        open_log(files).append(batch, first, count)


def test_an_index_finds_every_batch_of_a_large_segment(files):
    log = open_log(files, segment_bytes=10_000_000)
    random = Random(1)
    while log.end < 300:
        log.append(make_batch(log.end, 2, random.choice((10, 3000, 70_000))), log.end, 2)
    log = open_log(files.kill(), 300, 10_000_000)
    for offset in random.sample(range(300), 100):
        assert offsets_of(log.read(offset, 1)) == (offset // 2 * 2, offset // 2 * 2 + 2)


def test_the_real_file_system_keeps_a_log_too(tmp_path):
    log = Log.open(RealFiles(), tmp_path / "log", 0, 1000)
    log.mend()
    data = fill(log, 50)
    log.sync()
    log.close()
    log = Log.open(RealFiles(), tmp_path / "log", log.durable, 1000)
    log.mend()
    assert b"".join(log.read(offset, 1) for offset in first_offsets(data)) == data
    log.close()
