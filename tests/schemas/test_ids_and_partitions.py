"""Ids and partitions: other programs must come to the same bytes."""

import uuid

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import id_text, make_id, position_id, source_of, source_of_follow_up
from mmsb.schemas.partitions import murmur2, partition_of

UUID = "5E0C1b2a-0000-4000-8000-0123456789aB"


def test_a_uuid_is_its_bytes_in_the_order_written_in_either_case():
    expected = bytes.fromhex("5e0c1b2a00004000800001234567" + "89ab")
    assert make_id(UUID) == make_id(UUID.lower()) == make_id(uuid.UUID(UUID)) == make_id(expected) == expected


@pytest.mark.parametrize(
    "text", ["order-17", UUID.replace("-", ""), "{" + UUID + "}", UUID + "\n", UUID[:-1] + "٣", " " + UUID, "\x00"]
)
def test_any_other_text_is_hashed(text):
    assert make_id(text) == blake3(text.encode()).digest()[:16]


@given(st.binary(min_size=16, max_size=16))
def test_an_id_as_text_is_that_id(value):
    assert make_id(id_text(value)) == value


@pytest.mark.parametrize("value", ["", "x" * 257, "é" * 129, "\ud800", bytes(15), bytes(17)])
def test_what_can_be_no_id_is_refused(value):
    with pytest.raises(InvalidValue):
        make_id(value)


def test_a_position_is_an_id():
    log = bytes(range(1, 17))
    assert position_id(log, 2, 258) == bytes.fromhex("02000000" + "01020304" + "0201000000000000")
    assert source_of_follow_up(log, 2) == bytes.fromhex("02000000" + "0102030405060708090a0b0c")


def test_a_source_is_hashed_even_if_it_looks_like_a_uuid():
    assert source_of(UUID) == blake3(UUID.encode()).digest()[:16]
    with pytest.raises(InvalidValue):
        source_of("")


# From Kafka's own tests of its Java client (UtilsTest.testMurmur2).
@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_that_of_kafkas_java_client(data, hashed):
    assert murmur2(data) == hashed % 2**32
    assert partition_of([data], 7) == (hashed % 2**31) % 7


def test_several_components_carry_their_lengths():
    joined = b"\x01\x00\x00\x00a\x02\x00\x00\x00bc"
    assert partition_of([b"a", b"bc"], 1000) == partition_of([joined], 1000)
    assert partition_of([b"ab", b"c"], 1000) != partition_of([b"a", b"bc"], 1000)
