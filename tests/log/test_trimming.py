"""A log may lose its front, segment by segment, once nobody needs it; and then knows that it did."""

from pathlib import Path

import pytest

from mmsb.schemas.errors import CorruptState, InvalidValue, NewerFormat
from mmsb.streams.log import Log, Reader
from mmsb.streams.log.begin import BEGIN, decode_begin, encode_begin, write_begin
from mmsb.streams.log.segments import list_bases, log_path
from tests.log.batches import make_batch, offsets_of
from tests.log.test_log import FOLDER, fill, first_offsets, open_log
from tests.simulation.disk import VirtualFiles


@pytest.fixture
def files() -> VirtualFiles:
    return VirtualFiles()


@pytest.fixture
def log(files):
    opened = open_log(files)
    fill(opened, 60)
    opened.sync()
    return opened


def test_whole_segments_below_an_offset_go_and_no_others(files, log):
    bases = list_bases(files, FOLDER)
    files.damage(FOLDER / f"{bases[0]:020}.pages", b"an index of somebody else's")
    log.trim(bases[2] + 1)
    assert list_bases(files, FOLDER) == bases[2:]
    assert not [name for name in files.names(FOLDER) if name[:20] in (f"{bases[0]:020}", f"{bases[1]:020}")]
    assert log.first == bases[2]
    assert first_offsets(log.read(bases[2], 10**6))[0] == bases[2]
    with pytest.raises(InvalidValue, match=f"expected an offset from {bases[2]} to"):
        log.read(bases[2] - 1, 1)


def test_a_trimmed_log_is_opened_again_and_goes_on(files, log):
    end, first = log.end, list_bases(files, FOLDER)[3]
    log.trim(first)
    files = files.kill()
    again = open_log(files, end)
    assert (again.first, again.end, again.durable) == (first, end, end)
    fill(again, 20)
    again.sync()
    reader = Reader(files, FOLDER, lambda: again.durable)
    offset = first
    while chunk := reader.read(offset, 300):
        assert first_offsets(chunk)[0] == offset
        offset = offsets_of(chunk)[1]
    assert offset == again.end
    with pytest.raises(InvalidValue, match=f"expected an offset from {first} on"):
        reader.read(first - 1, 1)
    with pytest.raises(InvalidValue, match=f"expected an offset from {first} on"):
        Reader(files, FOLDER, lambda: again.durable).read(0, 1)


def test_the_last_segment_stays_whatever_is_trimmed(files, log):
    last = list_bases(files, FOLDER)[-1]
    log.trim(log.end)
    assert list_bases(files, FOLDER) == [last]
    log.trim(log.end)
    fill(log, 1)


def test_nothing_that_is_not_durable_is_trimmed(files, log):
    fill(log, 1)
    with pytest.raises(InvalidValue, match="expected a durable offset to trim below"):
        log.trim(log.end)


def test_trimming_nothing_writes_nothing(files, log):
    below = list_bases(files, FOLDER)[1] - 1
    done = len(files.operations)
    log.trim(below)
    assert files.operations[done:] == []


def test_a_segment_that_nobody_trimmed_is_missed(files, log):
    end, bases = log.end, list_bases(files, FOLDER)
    log.trim(bases[2])
    files = files.kill()
    files.remove(log_path(FOLDER, bases[2]))
    with pytest.raises(CorruptState, match=f"expected a log from offset {bases[2]} on, found {bases[3]:020}"):
        Log.open(files, FOLDER, end)
    with pytest.raises(CorruptState, match=f"offset {bases[2]}"):
        Reader(files, FOLDER, lambda: end).read(bases[3], 1)


def test_a_trimmed_log_that_does_not_know_it_any_more_is_refused(files, log):
    end, bases = log.end, list_bases(files, FOLDER)
    log.trim(bases[2])
    files = files.kill()
    files.remove(FOLDER / BEGIN)
    with pytest.raises(CorruptState, match=f"expected a log from offset 0 on, found {bases[2]:020}"):
        Log.open(files, FOLDER, end)


def test_a_log_can_begin_anywhere_with_nothing_in_it(files):
    files.make_folder(FOLDER)
    write_begin(files, FOLDER, 1000)
    assert Reader(files, FOLDER, lambda: 1000).read(1000, 1) == b""
    log = open_log(files, 1000)
    assert (log.first, log.end, log.durable) == (1000, 1000, 1000)
    assert log.read(1000, 1) == b""
    log.append(make_batch(1000, 2), 1000, 2)
    log.sync()
    assert list_bases(files, FOLDER) == [1000]
    assert offsets_of(Reader(files, FOLDER, lambda: 1002).read(1001, 1)) == (1000, 1002)
    assert open_log(files.kill(), 1002).end == 1002


def test_a_log_that_begins_somewhere_may_not_lack_what_is_durable(files):
    files.make_folder(FOLDER)
    write_begin(files, FOLDER, 1000)
    with pytest.raises(CorruptState, match="durable up to offset 1001, found no segment; offset 1000"):
        Log.open(files, FOLDER, 1001)


@pytest.mark.parametrize("position", range(24))
def test_every_flipped_bit_of_the_beginning_is_noticed(position):
    for bit in range(8):
        data = bytearray(encode_begin(77))
        data[position] ^= 1 << bit
        with pytest.raises(CorruptState):
            decode_begin(bytes(data))


@pytest.mark.parametrize("size", [0, 8, 23, 25])
def test_a_beginning_of_another_size_is_refused(size):
    with pytest.raises(CorruptState):
        decode_begin((encode_begin(77) + bytes(1))[:size])


def test_a_newer_beginning_is_refused_by_number():
    with pytest.raises(NewerFormat, match="expected version 1, found 2"):
        decode_begin(b"MMB\x02" + encode_begin(77)[4:])


def test_a_damaged_beginning_is_named(files):
    files.make_folder(FOLDER)
    files.damage(FOLDER / BEGIN, b"?")
    with pytest.raises(CorruptState, match=f"{Path(FOLDER / BEGIN)}: .*restore the folder"):
        Log.open(files, FOLDER, 0)


def test_what_is_put_beside_a_segment_meanwhile_goes_too(files, log, monkeypatch):
    bases, remove = list_bases(files, FOLDER), files.remove
    late = FOLDER / f"{bases[0]:020}.pages"

    def removing(path):
        remove(path)
        if path == log_path(FOLDER, bases[0]):
            files.damage(late, b"an index that was being written")

    monkeypatch.setattr(files, "remove", removing)
    log.trim(bases[1])
    assert list_bases(files, FOLDER) == bases[1:]
    assert not files.exists(late)
