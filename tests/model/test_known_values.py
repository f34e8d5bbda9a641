"""The model against values known from elsewhere: Kafka's murmur2, CRC-32C, layouts computed by hand."""

import pytest

from tests.model import deltas, digest, metadata
from tests.model.batch import BadBatch, Record, crc32c, decode_batches, encode_batch, varint
from tests.model.bundle import Field, Page
from tests.model.compiled import Compiled
from tests.model.examples import ACCOUNT, BANK
from tests.model.layout import PageLayout, id_of_text, murmur2


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(data, expected):
    assert murmur2(data) == expected % 2**32


def test_crc32c():
    assert crc32c(b"123456789") == 0xE3069283


def test_varints():
    assert [varint(n) for n in (0, -1, 1, 63, -64, 64)] == [b"\0", b"\1", b"\2", b"\x7e", b"\x7f", b"\x80\x01"]


def test_a_batch_reads_back():
    records = [
        Record(7, 1000, b"value", b"key", ((b"h", b"1"), (b"i", None))),
        Record(8, 990, None),
        Record(9, 2**40, b"", b""),
    ]
    assert decode_batches(encode_batch(records) + encode_batch(records)) == records * 2
    data = encode_batch(records)
    for at in (16, 17, 20, 23, 60, 61, len(data) - 1):
        broken = bytearray(data)
        broken[at] ^= 1
        with pytest.raises(BadBatch):
            decode_batches(bytes(broken))
    for end in (0, 1, 60, len(data) - 1):
        if end:
            with pytest.raises(BadBatch):
                decode_batches(data[:end])


def test_append_time_replaces_the_times():
    records = [Record(0, 5, b"a"), Record(1, 9, b"b")]
    assert [r.time for r in decode_batches(encode_batch(records, append_time=True))] == [9, 9]


def test_the_layout_of_an_account():
    layout = PageLayout(ACCOUNT)
    assert [(f.offset, f.size) for f in layout.fields] == [(0, 24), (24, 8), (32, 8)]
    assert (layout.size, layout.key_size, layout.gaps) == (40, 8, [])


def test_a_layout_with_gaps():
    layout = PageLayout(
        Page(
            "P",
            ("u8", "text(9)", "blob(3)"),
            (Field("a", "i8"), Field("b", "i16[3]"), Field("c", "bool"), Field("d", "f64")),
        )
    )
    assert [f.offset for f in layout.fields] == [0, 2, 8, 16]
    assert layout.gaps == [(1, 2), (9, 16)]
    assert layout.key_size == 8 + 16 + 8
    assert layout.encode_key((3, "xy", b"abc")) == b"\3" + bytes(7) + b"xy" + bytes(14) + b"abc" + bytes(5)


def test_the_partition_of_a_key():
    layout = PageLayout(Page("P", ("i64", "text(8)"), (Field("a", "i8"),), partition_by=(0,)))
    assert layout.partition(layout.encode_key((21, "x")), 1000) == (-973932308 & 0x7FFFFFFF) % 1000
    both = PageLayout(Page("P", ("i64", "text(8)"), (Field("a", "i8"),)))
    joined = b"\2\0\0\0" + b"21" + b"\1\0\0\0" + b"x"
    assert both.partition(both.encode_key((21, "x")), 1000) == (murmur2(joined) & 0x7FFFFFFF) % 1000


def test_ids_of_texts():
    uuid = "0123ABCD-4567-89ab-cdef-0123456789ab"
    assert id_of_text(uuid) == bytes.fromhex("0123abcd456789abcdef0123456789ab")
    assert id_of_text(uuid + "\n") != id_of_text(uuid)
    assert len(id_of_text("order-17")) == 16


def test_the_digest_of_nothing_is_zero():
    assert digest.add() == (0, 0)
    assert digest.clock_term(0) == (0, 0)


def test_mixing_by_hand():
    # seed(7) = fmix chain of no words: the tag itself.
    assert digest.seed(7) == 7
    x = (7 + digest.G) % 2**64
    a = digest.fmix(0 ^ x)
    b = (a ^ (((x << 29) | (x >> 35)) % 2**64)) * digest.L % 2**64
    assert digest.mix(0, 0, 7) == (a, b ^ (b >> 31))


def test_metadata_reads_back():
    entries = {metadata.ACTOR: b"alice", metadata.CORRELATION: bytes(range(16))}
    block = metadata.encode(entries)
    assert block[:8] == b"\1\0\2\0" + len(block).to_bytes(4, "little")
    assert metadata.decode(block) == entries


def words(*numbers):
    return b"".join(number.to_bytes(8, "little") for number in numbers)


def payload_of(before, after):
    payload = deltas.encode_payload(before, after)
    assert payload
    return payload


def delta_of(*arguments):
    delta = deltas.make_delta(*arguments)
    assert delta
    return delta.encode()


def test_the_smallest_delta_wins():
    # One word of five: spans 8 + 8, mask 8 + 8, runs 8 + 8: the lowest kind on a tie.
    kind, payload = payload_of(words(0, 0, 0, 0, 0), words(0, 0, 9, 0, 0))
    assert (kind, payload) == (0, b"\1\0\2\0\1\0\0\0" + words(9))
    # Three equal neighbours: a run.
    kind, payload = payload_of(words(0, 0, 0, 0, 0), words(0, 9, 9, 9, 0))
    assert (kind, payload) == (2, b"\1\0\1\0\3\0\0\0" + words(9))
    # Two places far apart, different: the mask.
    kind, payload = payload_of(words(0, 0, 0, 0, 0), words(1, 0, 2, 0, 3))
    assert (kind, payload) == (1, words(0b10101) + words(1, 2, 3))
    assert deltas.encode_payload(words(1), words(1)) is None
    assert deltas.encode_payload(None, words(0)) == (0, bytes(8))


def test_validation_says_where():
    layout = Compiled(BANK).pages["Account"]
    layouts = {layout.type_id: layout}
    body = layout.encode({"owner": "ann", "balance": 5, "moves": 0})
    good = delta_of(layout, words(1), 0, b"", body)

    def status(record, epoch=0):
        return deltas.validate_delta(record, layouts, epoch, body)

    def patched(at, byte):
        return good[:at] + bytes([byte]) + good[at + 1 :]

    assert status(good) == (0, 0)
    assert status(good[:-1]) == (1, len(good) - 1)
    assert status(patched(3, 2)) == (2, 0)
    assert status(patched(4, 9)) == (3, 4)
    assert status(patched(5, 1)) == (4, 5)
    assert status(patched(31, 1)) == (4, 28)
    assert status(patched(8, good[8] ^ 1)) == (5, 8)
    assert status(patched(23, 0x80)) == (7, 16)
    assert status(good, epoch=4) == (12, 16)
    broken = layout.encode({"owner": "ann", "balance": -5, "moves": 0})
    assert status(delta_of(layout, words(1), 0, b"", broken)) == (14, 24)
    nul = delta_of(layout, words(1), 0, b"", b"\0a" + broken[2:])
    assert status(nul) == (13, 0)
