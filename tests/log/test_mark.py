"""The durable mark survives any one write, and never says more than was written."""

from pathlib import Path

import pytest

from mmsb.schemas.errors import CorruptState, EnvironmentFailed, NewerFormat
from mmsb.streams.log.mark import MARK_BYTES, NOTHING, Durable, Mark, MarkReader, decode_mark, encode_slot
from tests.simulation.disk import VirtualFiles

PATH = Path("/mark")


def test_a_new_mark_says_nothing_and_has_its_full_size():
    files = VirtualFiles()
    assert Mark.open(files, PATH).durable == NOTHING
    assert files.crash().content(PATH) == bytes(MARK_BYTES)


def test_a_mark_is_read_by_others_and_after_a_restart():
    files = VirtualFiles()
    mark = Mark.open(files, PATH)
    reader = MarkReader(files, PATH)
    for end in range(1, 10):
        durable = Durable(2 * end, end)
        mark.write(durable)
        assert reader.read() == mark.durable == durable
        files = files.kill()
        mark, reader = Mark.open(files, PATH), MarkReader(files, PATH)
        assert mark.durable == durable
    reader.close()
    mark.close()


def test_writing_a_mark_is_one_write_and_no_sync():
    files = VirtualFiles()
    mark = Mark.open(files, PATH)
    files.operations.clear()
    mark.write(Durable(1, 1))
    assert files.operations == ["write"]


def test_a_mark_never_falls():
    mark = Mark.open(VirtualFiles(), PATH)
    mark.write(Durable(5, 3))
    for lower in (Durable(4, 3), Durable(5, 2)):
        with pytest.raises(AssertionError):
            mark.write(lower)


@pytest.mark.parametrize("sequence", [1, 2, 3, 4])
def test_a_write_torn_anywhere_leaves_the_one_before(sequence):
    slots = [bytes(64), bytes(64)]
    for number in range(1, sequence):
        slots[number % 2] = encode_slot(number, Durable(10 * number, number))
    before = b"".join(slots)
    slots[sequence % 2] = encode_slot(sequence, Durable(10 * sequence, sequence))
    after = b"".join(slots)
    for cut in range(64):
        at = 64 * (sequence % 2) + cut
        torn = before[: at - cut] + after[at - cut : at] + before[at:]
        found = decode_mark(torn)
        assert found in (decode_mark(before), decode_mark(after))
        assert found[0] == (sequence if torn == after else sequence - 1)


def test_every_flipped_bit_costs_its_slot_at_most():
    data = encode_slot(2, Durable(20, 10)) + encode_slot(1, Durable(10, 5))
    for bit in range(8 * len(data)):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        if wrong[3] > 1 or wrong[67] > 1:
            with pytest.raises(NewerFormat):
                decode_mark(bytes(wrong))
        else:
            assert decode_mark(bytes(wrong)) == ((1, Durable(10, 5)) if bit < 512 else (2, Durable(20, 10)))


@pytest.mark.parametrize("size", range(0, MARK_BYTES))
def test_a_mark_cut_anywhere_says_what_is_left(size):
    data = encode_slot(2, Durable(20, 10)) + encode_slot(1, Durable(10, 5))
    assert decode_mark(data[:size]) == ((2, Durable(20, 10)) if size >= 64 else (0, NOTHING))


def test_slots_in_each_others_place_do_not_count():
    with pytest.raises(CorruptState):
        decode_mark(encode_slot(1, Durable(10, 5)) + encode_slot(2, Durable(20, 10)))


def test_two_broken_slots_stop_and_name_the_file():
    files = VirtualFiles()
    Mark.open(files, PATH).write(Durable(1, 1))
    files.damage(PATH, b"x" * MARK_BYTES)
    with pytest.raises(CorruptState, match=r"/mark: durable mark: expected one sound slot of two, found none"):
        Mark.open(files, PATH)


def test_a_newer_mark_is_refused_by_number():
    files = VirtualFiles()
    files.damage(PATH, b"MMK\x02".ljust(MARK_BYTES, b"\0"))
    with pytest.raises(NewerFormat, match="/mark: durable mark: expected version 1, found 2"):
        Mark.open(files, PATH)


def test_a_reader_needs_a_mark():
    with pytest.raises(EnvironmentFailed, match="found no file; name its folder"):
        MarkReader(VirtualFiles(), PATH)
