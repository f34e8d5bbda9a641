"""Other processes read what is durable while the writer writes, and write nothing."""

import pytest

from mmsb.schemas.errors import CorruptState, InvalidValue
from mmsb.streams.log import Log, Reader
from tests.log.batches import offsets_of
from tests.log.test_log import FOLDER, fill, open_log
from tests.simulation.disk import VirtualFiles


def test_a_reader_follows_through_new_segments_and_stops_at_the_mark():
    files = VirtualFiles()
    log, data, read, offset = open_log(files), b"", b"", 0
    reader = Reader(files, FOLDER, lambda: log.durable)
    for round_number in range(30):
        durable = log.durable
        while chunk := reader.read(offset, 200):
            read += chunk
            offset = offsets_of(chunk)[1]
            assert offset <= durable
        assert offset == durable
        data += fill(log, round_number % 9)
        if round_number % 2:
            log.sync()
    assert data.startswith(read)
    assert len(read) > 4000


def test_a_reader_may_begin_anywhere_and_finds_every_offset():
    files = VirtualFiles()
    log = open_log(files)
    fill(log, 50)
    log.sync()
    for offset in range(99):
        first, end = offsets_of(Reader(files, FOLDER, lambda: 99).read(offset, 1))
        assert first <= offset < end
    assert Reader(files, FOLDER, lambda: 99).read(99, 1) == b""


def test_a_reader_writes_nothing():
    files = VirtualFiles()
    fill(open_log(files), 50)
    files = files.kill()
    Reader(files, FOLDER, lambda: 99).read(98, 1)
    assert set(files.operations) <= {"open", "names", "read", "size"}


def test_a_reader_of_nothing_needs_no_folder():
    assert Reader(VirtualFiles(), FOLDER, lambda: 0).read(0, 1) == b""


def test_no_offset_is_below_0():
    with pytest.raises(InvalidValue, match="0 or more, found -1"):
        Reader(VirtualFiles(), FOLDER, lambda: 9).read(-1, 1)


def test_what_is_marked_and_missing_is_named():
    files = VirtualFiles()
    with pytest.raises(CorruptState, match=r"expected offset 0, since the log is durable up to offset 9"):
        Reader(files, FOLDER, lambda: 9).read(0, 1)
    fill(open_log(files, segment_bytes=10_000), 50)
    with pytest.raises(CorruptState, match=r"expected offset 99, since the log is durable up to offset 100"):
        Reader(files, FOLDER, lambda: 100).read(0, 1)


def test_a_torn_tail_above_the_mark_is_none_of_a_readers_business():
    files = VirtualFiles()
    fill(open_log(files, segment_bytes=10_000), 50)
    name = FOLDER / f"{0:020}.log"
    files.damage(name, files.content(name)[:-1] + b"\xff" * 500)
    assert Log.open(files, FOLDER, 0).end == 97
    assert offsets_of(Reader(files, FOLDER, lambda: 97).read(0, 10_000)) == (0, 97)
    with pytest.raises(CorruptState):
        Reader(files, FOLDER, lambda: 98).read(0, 10_000)
