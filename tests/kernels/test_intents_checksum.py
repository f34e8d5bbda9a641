"""The checksum of intents over columns: the sum that mmsb.kernels.digest defines."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.digest import intents_checksum
from mmsb.kernels.intake.intents_checksum import checksum_intents
from mmsb.processors.intake import bytes_of, columns_of
from mmsb.schemas.batches import Record, Records, concat, decode_batches, encode_batch
from tests.schemas.test_batches import lists


def check(records: Records, start: int, stop: int) -> int:
    offsets = range(start, stop)
    content = [(records.first + i, records.time(i), records.flags[i], records.value(i)) for i in offsets]
    expected = intents_checksum(content)
    first = records.first + start
    assert int(checksum_intents(bytes_of(records.buffer), columns_of(records), start, stop, first)) == expected
    return expected


@given(lists, lists, st.sampled_from([0, 17, 2**62]), st.data())
def test_any_stretch_of_records_has_its_sum(left, right, first, data):
    raw = encode_batch(first, left, control=True) + encode_batch(first + len(left), right, transactional=True)
    records = concat(decode_batches(raw))
    stop = data.draw(st.integers(0, len(records)))
    check(records, data.draw(st.integers(0, stop)), stop)


def test_values_of_every_size_up_to_many_words_have_their_sum():
    rng = Random(1)
    items = [Record(None, rng.randbytes(size), rng.getrandbits(40)) for size in [*range(300), 1023, 4096, 99_999]]
    check(Records.of(5, items), 0, len(items))
    for at in range(300):
        check(Records.of(5, items), at, at + 1)


def test_what_lies_behind_a_value_is_not_in_its_sum():
    value = b"x" * 13
    alone = Records.of(0, [Record(None, value, 1)])
    sums = set()
    for behind in (b"\0" * 9, b"\xff" * 9):
        among = Records.of(0, [Record(behind, value, 1), Record(behind, None, 1)])
        sums.add(check(among, 0, 1))
    assert sums == {check(alone, 0, 1)}


def test_a_value_that_ends_with_its_buffer_is_read_no_further():
    for size in range(20):
        value = bytes(range(1, size + 1))
        content = bytes_of(value or b"\0")[:size]
        columns = columns_of(Records.of(3, [Record(None, value, 7)]))
        assert int(checksum_intents(content, columns, 0, 1, 3)) == intents_checksum([(3, 7, 0, value)])


def test_null_empty_and_zeros_differ():
    values = [None, b"", b"\0", b"\0\0", bytes(8), bytes(9), bytes(16)]
    assert len({check(Records.of(0, [Record(None, value, 0)]), 0, 1) for value in values}) == len(values)


def test_time_flags_offset_and_value_all_count():
    record = Record(None, b"x", 5)
    others = [
        Records.of(0, [Record(None, b"x", 6)]),
        Records.of(0, [Record(None, b"y", 5)]),
        Records.of(1, [record]),
        Records.of(0, [record], control=True),
        Records.of(0, [record], transactional=True),
    ]
    sums = {check(records, 0, 1) for records in (Records.of(0, [record]), *others)}
    assert len(sums) == 1 + len(others)
