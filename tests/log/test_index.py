"""An index finds what its segment holds, and its file says so or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.errors import CorruptState, NewerFormat
from mmsb.streams.log.index import INDEX_BYTES, SparseIndex, Summary, decode_index, decode_summary, encode_index

batches = st.lists(st.tuples(st.integers(1, 1000), st.integers(61, 3 * INDEX_BYTES)), min_size=1, max_size=50)


def indexed(base, sizes):
    index, offset, position, places = SparseIndex(), base, 0, []
    for count, size in sizes:
        index.add(offset, position)
        places.append((offset, position))
        offset, position = offset + count, position + size
    return Summary(base, offset, position), index, places


@given(st.integers(0, 2**62), batches)
def test_an_index_finds_a_batch_at_most_one_entry_before_the_one_wanted(base, sizes):
    summary, index, places = indexed(base, sizes)
    for number, (offset, position) in enumerate(places):
        found = index.find(offset)
        assert found in places[: number + 1]
        assert position - found[1] < INDEX_BYTES
    assert index.find(summary.end - 1) in places


@given(st.integers(0, 2**62), batches)
def test_an_index_file_reads_back(base, sizes):
    summary, index, _ = indexed(base, sizes)
    data = encode_index(summary, index)
    again, read = decode_index(data)
    assert (again, read.offsets, read.positions) == (summary, index.offsets, index.positions)
    assert decode_summary(data[:48]) == summary
    assert encode_index(again, read) == data


@given(st.integers(0, 2**62), batches, st.data())
def test_a_cut_index_is_that_of_the_shorter_segment(base, sizes, data):
    _, index, places = indexed(base, sizes)
    keep = data.draw(st.integers(0, len(sizes) - 1))
    index.cut(places[keep][1])
    shorter = indexed(base, sizes[:keep])[1]
    assert (index.offsets, index.positions) == (shorter.offsets, shorter.positions)


def test_every_flipped_bit_and_every_cut_is_noticed():
    summary, index, _ = indexed(5, [(2, INDEX_BYTES)] * 5)
    data = encode_index(summary, index)
    for bit in range(8 * len(data)):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptState):
            decode_index(bytes(wrong))
    for size in range(len(data)):
        with pytest.raises(CorruptState):
            decode_index(data[:size])
    with pytest.raises(CorruptState):
        decode_index(data + bytes(16))


@pytest.mark.parametrize(
    ("summary", "entries"),
    [
        (Summary(0, 9, 99), []),
        (Summary(0, 0, 99), [(0, 0)]),
        (Summary(-1, 9, 99), [(-1, 0)]),
        (Summary(0, 9, 0), [(0, 0)]),
        (Summary(0, 9, 99), [(1, 0)]),
        (Summary(0, 9, 99), [(0, 1)]),
        (Summary(0, 9, 2 * INDEX_BYTES), [(0, 0), (0, INDEX_BYTES)]),
        (Summary(0, 9, 2 * INDEX_BYTES), [(0, 0), (1, INDEX_BYTES - 1)]),
        (Summary(0, 9, 2 * INDEX_BYTES), [(0, 0), (9, INDEX_BYTES)]),
        (Summary(0, 9, INDEX_BYTES), [(0, 0), (1, INDEX_BYTES)]),
    ],
)
def test_what_no_segment_could_have_is_refused(summary, entries):
    index = SparseIndex()
    for offset, position in entries:
        index.offsets.append(offset)
        index.positions.append(position)
    with pytest.raises(CorruptState):
        decode_index(encode_index(summary, index))


def test_another_version_is_refused_by_number():
    summary, index, _ = indexed(0, [(1, 100)])
    with pytest.raises(NewerFormat, match="expected version 1, found 2"):
        decode_index(b"MMO\x02" + encode_index(summary, index)[4:])
