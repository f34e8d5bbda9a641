"""Blocks and quarantines: outcomes, deltas and follow-ups, column by column."""

import contextlib
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.deltas import DeltaKind
from mmsb.schemas.errors import MalformedBytes, NewerFormat
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.limits import BLOCK_BYTES_MAX
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.rejections import Code, Rejection
from mmsb.schemas.sources import FOLLOW_UP, OUTSIDE, Kind, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import (
    Block,
    BlockTally,
    DeltaRow,
    FollowUpRow,
    OutcomeRow,
    unpack_block_header,
)
from mmsb.schemas.tlog.records import TlogKind
from tests.golden.tlog import (
    ACCOUNT,
    BLOCK,
    BY_ALICE,
    FIRST,
    KEY,
    ORDER,
    PREV,
    QUARANTINE,
    REFUND,
    REIGN,
    SHOP,
    TRANSFER,
    follow_up,
    header,
    migrate,
)
from tests.schemas.mutations import mutated

CLOCK = 1_700_000_000_000_000
SECTIONS = (
    ("types", 104, 8),
    ("outcomes", None, 1),
    ("intent types", None, 2),
    ("clock rows", 108, 16),
    ("ids", 112, 16),
    ("sources", 116, 32),
    ("duplicates", 120, 8),
    ("rejections", 124, 32),
    ("delta index", 128, 24),
    ("follow-up index", 132, 24),
    ("metadata", 136, 1),
    ("payload", 140, 1),
    ("follow-ups", 144, 1),
)


def section(data: bytes, wanted: str) -> tuple[int, int]:
    """Where a section of a block begins and ends, from the documents alone."""
    first, last = struct.unpack_from("<qq", data, 56)
    at = 152
    for name, count_at, row in SECTIONS:
        count = last - first + 1 if count_at is None else struct.unpack_from("<I", data, count_at)[0]
        if name == wanted:
            return at, at + count * row
        at += -(-count * row // 8) * 8
    raise KeyError(wanted)


def in_section(name: str, at: int, new: bytes, data: bytes | None = None) -> bytes:
    """A block with other bytes at a place of a section."""
    data = BLOCK.pack() if data is None else data
    start = section(data, name)[0] + at
    assert data[start : start + len(new)] != new, "a patch changes something"
    return data[:start] + new + data[start + len(new) :]


def refuse(data: bytes, match: str | None = None) -> None:
    with pytest.raises(MalformedBytes, match=match):
        unpack_block(data)


# Reading back


def test_a_block_reads_back_with_everything_in_it():
    again = unpack_block(BLOCK.pack())
    assert again.header == BLOCK.header
    assert again.outcomes == list(BLOCK.outcomes)
    assert again.rises == list(BLOCK.rises)
    assert again.deltas == list(BLOCK.deltas)
    assert again.follow_ups == list(BLOCK.follow_ups)


def test_the_header_is_as_the_table_says():
    fixed = struct.pack("<4sHH16s32sqqq", b"MMT\x01", 3, 0, REIGN, PREV, FIRST, FIRST + 6, CLOCK)
    data = BLOCK.pack()
    assert data[:80] == fixed
    assert data[80:104] == BLOCK.header.digest + struct.pack("<Q", BLOCK.header.checksum)
    metadata, payload = 2 * len(BY_ALICE), sum(len(d.key) + len(d.payload) for d in BLOCK.deltas)
    sent = sum(len(one.intent) for one in BLOCK.follow_ups)
    assert struct.unpack_from("<12I", data, 104) == (3, 2, 3, 3, 2, 2, 3, 3, metadata, payload, sent, 0)
    assert section(data, "follow-ups")[1] == len(data)


def test_sections_are_as_the_table_says():
    data = BLOCK.pack()

    def content(name):
        return data[slice(*section(data, name))]

    types = sorted((ACCOUNT.type_id, REFUND.type_id, TRANSFER.type_id))
    transfer, refund = types.index(TRANSFER.type_id), types.index(REFUND.type_id)
    assert content("types") == struct.pack("<3Q", *types)
    assert content("outcomes") == bytes([1 + 8 + 16 + 32, 2 + 16, 3 + 8, 3 + 8 + 16 + 32, 4, 1, 2])
    assert content("intent types") == struct.pack("<7H", transfer, transfer, transfer, 65535, 65535, refund, 65535)
    assert content("clock rows") == struct.pack("<IIqIIq", 0, 0, 1_600_000_000_000_000, 3, 0, CLOCK)
    assert content("sources")[:32] == SHOP.source + struct.pack("<qIB3x", 41, 0, 2)
    assert content("duplicates") == struct.pack("<qq", FIRST, -1)
    assert content("delta index")[48:] == struct.pack("<IHBBqII", 5, types.index(ACCOUNT.type_id), 3, 0, 11, 8, 0)
    assert content("follow-up index")[24:48] == struct.pack("<IIQII", 0, 4, 1, len(BLOCK.follow_ups[1].intent), 0)
    assert content("metadata") == BY_ALICE * 2


def test_a_quarantine_reads_back():
    assert unpack_block(QUARANTINE.pack()).outcomes == QUARANTINE.outcomes
    assert unpack_block_header(QUARANTINE.pack()) == QUARANTINE.header


def test_the_header_is_read_without_the_rest():
    data = BLOCK.pack()
    assert unpack_block_header(data[:152]) == BLOCK.header
    assert unpack_block_header(data[:151]) is None
    assert unpack_block_header(migrate()[:112]) is not None
    assert unpack_block_header(migrate()[:111]) is None
    assert unpack_block_header(b"MMT\x01") is None


# What pack would not write


@pytest.mark.parametrize("kind", [1, 2])
def test_another_kind_of_record_is_no_block(kind):
    refuse(BLOCK.pack()[:4] + bytes([kind]) + BLOCK.pack()[5:], "expected a block, quarantine or migrate")


def test_an_unknown_kind_needs_a_newer_release():
    with pytest.raises(NewerFormat):
        unpack_block(BLOCK.pack()[:4] + b"\x06" + BLOCK.pack()[5:])


@pytest.mark.parametrize(
    ("at", "new"),
    [
        (6, b"\x01"),  # zero
        (56, struct.pack("<qq", -7, -1)),  # offsets below 0
        (64, struct.pack("<q", FIRST - 1)),  # none
        (64, struct.pack("<q", FIRST + 5)),  # fewer than there are
        (64, struct.pack("<q", FIRST + 65_536)),
        (64, struct.pack("<q", 2**63 - 1)),
        (64, struct.pack("<q", -(2**63))),
        (72, struct.pack("<q", CLOCK + 1)),  # another clock than the last row's
        (148, b"\x01"),  # zero
        *((at, struct.pack("<I", count)) for at in range(104, 148, 4) for count in (0, 1, 9, 2**32 - 1)),
    ],
)
def test_a_header_that_pack_would_not_write_is_malformed(at, new):
    data = BLOCK.pack()
    patched = data[:at] + new + data[at + len(new) :]
    assert patched != data
    refuse(patched)


@pytest.mark.parametrize("size", [0, 4, 104, 151, 152, 160, 500, -8, -1])
def test_a_block_is_as_long_as_it_says(size):
    refuse(BLOCK.pack()[:size])


def test_nothing_follows_the_last_section():
    refuse(BLOCK.pack() + bytes(8))
    refuse(BLOCK.pack() + bytes(917_504), "917504")


TYPES = sorted((ACCOUNT.type_id, REFUND.type_id, TRANSFER.type_id))


@pytest.mark.parametrize(
    "types",
    [
        (TYPES[1], TYPES[0], TYPES[2]),  # not rising
        (TYPES[0], TYPES[0], TYPES[2]),  # twice
    ],
)
def test_types_rise(types):
    refuse(in_section("types", 0, struct.pack("<3Q", *types)))


def test_the_types_are_exactly_those_referred_to():
    data = BLOCK.pack()
    more = data[:104] + struct.pack("<I", 4) + data[108:176] + struct.pack("<Q", 2**64 - 1) + data[176:]
    assert section(more, "follow-ups")[1] == len(more)
    refuse(more, "encoder")
    refuse(in_section("intent types", 0, struct.pack("<H", 3)))
    refuse(in_section("delta index", 4, struct.pack("<H", 3)))


@pytest.mark.parametrize(
    ("at", "new"),
    [
        (4, b"\x00"),  # no status
        (4, b"\x05"),  # quarantined
        (4, b"\x06"),
        (4, b"\x07"),
        (4, b"\x44"),  # a bit that means nothing
        (4, b"\x84"),
        (4, b"\x0c"),  # an id too few
        (4, b"\x14"),  # a source too few
        (4, b"\x24"),  # metadata too few
        (4, b"\x03"),  # a duplicate without a first offset
        (4, b"\x02"),  # a rejection too few
        (2, b"\x03"),  # an id too many
        (1, b"\x02"),  # a source too many
        (3, b"\x1b"),  # metadata too many
        (2, b"\x0c"),  # a first offset too many
        (6, b"\x04"),  # a rejection too many
        (5, b"\x04"),  # deltas of no applied intent
        (1, b"\x14"),  # follow-ups of neither an applied nor a rejected intent
        (7, b"\x01"),  # padding
    ],
)
def test_an_outcome_that_does_not_fit_its_columns_is_malformed(at, new):
    refuse(in_section("outcomes", at, new))


@pytest.mark.parametrize(
    ("name", "at", "new"),
    [
        ("intent types", 14, b"\x01"),  # padding
        ("clock rows", 4, b"\x01"),  # zero
        ("clock rows", 0, b"\x03"),  # index not rising
        ("clock rows", 16, b"\x07"),  # index beyond the block
        ("clock rows", 8, struct.pack("<q", CLOCK)),  # clock not rising
        ("clock rows", 8, struct.pack("<q", 0)),
        ("clock rows", 8, struct.pack("<q", -1)),
        ("clock rows", 24, struct.pack("<q", CLOCK + 1)),  # not the clock after
        ("sources", 16, bytes(8)),  # number 0
        ("sources", 16, b"\xff" * 8),  # number -1
        ("sources", 24, b"\x01"),  # hops of an outside source
        ("sources", 28, b"\x00"),  # no kind
        ("sources", 28, b"\x03"),
        ("sources", 29, b"\x01"),  # zero
        ("sources", 31, b"\x01"),
        ("sources", 56, bytes(4)),  # hops of a follow-up
        ("duplicates", 0, struct.pack("<q", FIRST + 2)),  # of itself
        ("duplicates", 0, struct.pack("<q", -2)),
        ("duplicates", 0, struct.pack("<q", -1)),  # by its number, but without a source
        ("rejections", 0, bytes(2)),  # no code
        ("rejections", 0, struct.pack("<H", 999)),
        ("rejections", 2, b"\x07"),  # op
        ("rejections", 3, b"\x05"),  # kind
        ("rejections", 16, b"\x01"),  # a value without a kind
        ("delta index", 0, b"\x01"),  # not of an applied one
        ("delta index", 0, b"\x06"),
        ("delta index", 0, b"\x07"),  # beyond the block
        ("delta index", 24, b"\x05"),  # index falls afterwards
        ("delta index", 7, b"\x01"),  # zero
        ("delta index", 16, b"\x07"),  # key size
        ("delta index", 16, b"\x10"),
        ("delta index", 16, b"\xff" * 4),
        ("delta index", 20, b"\x07"),  # payload size
        ("delta index", 16, struct.pack("<II", 4, len(BLOCK.deltas[0].payload) + 4)),  # the right sum
        ("delta index", 64, struct.pack("<II", 8, 8)),  # beyond the payload
        ("follow-up index", 0, b"\x02"),  # of a duplicate
        ("follow-up index", 0, b"\x07"),
        ("follow-up index", 0, b"\x05"),  # index falls afterwards
        ("follow-up index", 8, b"\x02"),  # not the number inside
        ("follow-up index", 16, b"\x07"),  # size
        ("follow-up index", 16, bytes(4)),
        ("follow-up index", 20, b"\x01"),  # zero
        ("metadata", 0, b"\x02"),  # version
        ("metadata", 4, b"\x00"),  # size
        ("metadata", 4, b"\xff\xff\xff\xff"),
        ("metadata", 8, b"\x07"),  # tag
        ("follow-ups", 0, b"{"),
        ("follow-ups", 3, b"\x02"),  # version
        ("follow-ups", 5, b"\x02"),  # an outside source
    ],
)
def test_a_row_that_pack_would_not_write_is_malformed(name, at, new):
    refuse(in_section(name, at, new))


def test_offsets_begin_at_zero():
    noop = [OutcomeRow(Status.NOOP)]
    assert unpack_block(Block(header(0, 0, TlogKind.BLOCK), noop, (), (), ()).pack()).header.first == 0
    refuse(Block(header(-1, -1, TlogKind.BLOCK), noop, (), (), ()).pack(), "offsets")


def test_a_migrate_that_looks_like_a_block_is_none():
    data = Block(header(0, 0, TlogKind.BLOCK), [OutcomeRow(Status.NOOP)], (), (), ()).pack()
    refuse(data[:4] + b"\x04" + data[5:], "a migrate")


def test_a_block_above_the_limit_is_malformed():
    refuse(BLOCK.pack() + bytes(BLOCK_BYTES_MAX), "152 to 917504 bytes")


def two_deltas(*pages):
    deltas = [DeltaRow(0, type_id, key, 0, 0, bytes(8)) for type_id, key in pages]
    return Block(header(0, 0, TlogKind.BLOCK), [OutcomeRow(Status.APPLIED)], (), deltas, ())


def test_an_intent_has_one_delta_for_each_of_at_most_eight_pages():
    keys = [struct.pack("<Q", number) for number in range(9)]
    block = replace(two_deltas(*((7, key) for key in keys[:8])), rises=((0, CLOCK),))
    assert len(unpack_block(block.pack()).deltas) == 8
    refuse(two_deltas(*((7, key) for key in keys)).pack(), "at most 8 pages")
    refuse(two_deltas((7, KEY), (8, KEY), (7, KEY)).pack(), "one delta for each")
    assert len(unpack_block(two_deltas((7, KEY), (8, KEY)).pack()).deltas) == 2


def test_different_intents_may_change_the_same_page():
    deltas = [DeltaRow(index, 7, KEY, index, 0, bytes(8)) for index in range(3)]
    block = Block(header(0, 2, TlogKind.BLOCK), [OutcomeRow(Status.APPLIED)] * 3, (), deltas, ())
    assert unpack_block(block.pack()).deltas == deltas


def emitted(*intents):
    rows = [FollowUpRow(0, 0, number, intent) for number, intent in enumerate(intents, 1)]
    return Block(header(0, 0, TlogKind.BLOCK), [OutcomeRow(Status.APPLIED)], (), (), rows).pack()


def sent(number=1, kind: Kind = FOLLOW_UP, **parts):
    source = Source(kind, bytes(16), number, 1 if kind == FOLLOW_UP else 0)
    given: dict[str, Any] = {"source": source, "metadata": BY_ALICE, **parts}
    return pack_intent(9, bytes(8), **given)


def test_a_follow_up_has_a_source_and_metadata_and_nothing_more():
    assert unpack_block(emitted(sent())).follow_ups
    refuse(emitted(sent(id=ORDER)))
    refuse(emitted(sent(metadata=b"")))
    refuse(emitted(sent(source=None)))
    refuse(emitted(sent(kind=OUTSIDE)))
    refuse(emitted(sent(number=2)))
    refuse(emitted(b'{"@type":"A"    }'[:16]))
    refuse(emitted(b""))


@pytest.mark.parametrize("status", [Status.NOOP, Status.DUPLICATE])
def test_only_applied_and_rejected_intents_emit(status):
    emits = unpack_block(emitted(sent()))
    first = -1 if status == Status.DUPLICATE else None
    cause = OutcomeRow(status, source=Source(FOLLOW_UP, bytes(16), 1, 1), first_offset=first)
    refuse(replace(emits, header=header(9, 9, TlogKind.BLOCK), outcomes=[cause]).pack(), "applied or rejected")


def test_an_intent_has_at_most_sixteen_follow_ups():
    assert len(unpack_block(emitted(*(sent(n) for n in range(1, 17)))).follow_ups) == 16
    refuse(emitted(*(sent(n) for n in range(1, 18))))


def test_a_quarantine_settles_one_offset_and_does_nothing():
    data = QUARANTINE.pack()
    refuse(data[:4] + b"\x03" + data[5:])
    refuse(in_section("outcomes", 0, b"\x39", data))
    block = BLOCK.pack()
    refuse(block[:4] + b"\x05" + block[5:])
    rows = [OutcomeRow(Status.QUARANTINED)] * 2
    two = Block(header(0, 1, TlogKind.QUARANTINE), rows, (), (), ())
    refuse(two.pack(), "one offset")
    delta = replace(two_deltas((7, KEY)), outcomes=rows[:1], header=header(0, 0, TlogKind.QUARANTINE))
    refuse(delta.pack())


# What is not written


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcomes": BLOCK.outcomes[:-1]},
        {"header": header(FIRST, FIRST + 6, TlogKind.QUARANTINE)},
        {"outcomes": (*BLOCK.outcomes[:-1], OutcomeRow(Status.QUARANTINED))},
        {"outcomes": (*BLOCK.outcomes[:-1], OutcomeRow(Status.REJECTED))},
        {"outcomes": (*BLOCK.outcomes[:-1], OutcomeRow(Status.DUPLICATE))},
        {"outcomes": (*BLOCK.outcomes[:-1], OutcomeRow(Status.NOOP, first_offset=3))},
        {"rises": BLOCK.rises[::-1]},
        {"deltas": BLOCK.deltas[::-1]},
        {"follow_ups": BLOCK.follow_ups[::-1]},
        {"deltas": (DeltaRow(0, 7, KEY, 0, 0, bytes(917_504)),)},
    ],
)
def test_a_block_that_contradicts_itself_is_not_written(wrong):
    with pytest.raises(AssertionError):
        replace(BLOCK, **wrong).pack()


# How large it becomes

IDS = st.none() | st.binary(min_size=16, max_size=16)
SOURCES = st.none() | st.sampled_from([SHOP, Source(FOLLOW_UP, bytes(16), 1, 1)])
TYPE_IDS = st.none() | st.integers(0, 5)
ABOUT = st.sampled_from([b"", BY_ALICE, Metadata(trace="t" * 100).pack()])
ROWS = st.one_of(
    st.builds(OutcomeRow, st.just(Status.APPLIED), TYPE_IDS, IDS, SOURCES, ABOUT),
    st.builds(OutcomeRow, st.just(Status.NOOP), TYPE_IDS, IDS, SOURCES, ABOUT),
    st.builds(
        OutcomeRow,
        st.just(Status.REJECTED),
        TYPE_IDS,
        IDS,
        SOURCES,
        ABOUT,
        rejection=st.builds(Rejection, st.just(Code.OVERFLOW), st.integers(0, 2**64 - 1)),
    ),
    st.builds(OutcomeRow, st.just(Status.DUPLICATE), TYPE_IDS, IDS, st.just(SHOP), ABOUT, first_offset=st.just(-1)),
)
CHANGES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 4)), max_size=3, unique_by=lambda c: c[:2]
)
STEPPED = st.lists(st.tuples(ROWS, st.booleans(), CHANGES, st.integers(0, 2)), min_size=1, max_size=12)


def grown(steps):
    """A block of these steps, and what the tally said of it."""
    tally = BlockTally(set())
    rises: list[tuple[int, int]] = []
    deltas: list[DeltaRow] = []
    follow_ups: list[FollowUpRow] = []
    for index, (row, rose, changes, sends) in enumerate(steps):
        applied = row.status == Status.APPLIED
        new = [DeltaRow(index, t, bytes(8 * k), 5, 0, bytes(8 * p)) for t, k, p in changes if applied]
        first = len(follow_ups) + 1
        more = [FollowUpRow(index, 0, first + n, sent(first + n)) for n in range(sends if applied else 0)]
        tally = tally.grown(row, rose, new, more)
        rises += [(index, 1 + index)] * rose
        deltas += new
        follow_ups += more
    head = replace(header(0, len(steps) - 1, TlogKind.BLOCK), clock=rises[-1][1] if rises else 0)
    return Block(head, [step[0] for step in steps], rises, deltas, follow_ups), tally


@given(STEPPED)
def test_the_tally_says_how_long_a_block_becomes_and_it_reads_back(steps):
    block, tally = grown(steps)
    data = block.pack()
    assert tally.size == len(data)
    assert tally.intents == len(steps)
    again = unpack_block(data)
    assert again == replace(block, rises=list(block.rises))


def test_a_tally_fits_up_to_the_limits_exactly():
    row = OutcomeRow(Status.NOOP)
    tally = BlockTally(set(), 65_535, 0)
    assert tally.grown(row, False, (), ()).fits
    assert not tally.grown(row, False, (), ()).grown(row, False, (), ()).fits
    room = 917_504 - BlockTally(set()).grown(row, False, (), ()).size - 24 - 8  # row of the delta, and its type
    fitting = BlockTally(set()).grown(row, False, [DeltaRow(0, 7, b"", 0, 0, bytes(room))], ())
    assert (fitting.size, fitting.fits) == (917_504, True)
    assert not BlockTally(set()).grown(row, False, [DeltaRow(0, 7, b"", 0, 0, bytes(room + 8))], ()).fits


def test_the_largest_block_is_read_and_written_in_time():
    row = OutcomeRow(Status.DUPLICATE, first_offset=0, id=ORDER)
    count = 30_000
    block = Block(header(1, count, TlogKind.BLOCK), [row] * count, (), (), ())
    data = block.pack()
    assert len(data) <= 917_504
    assert unpack_block(data).outcomes == [row] * count
    noops = Block(header(0, 65_535, TlogKind.BLOCK), [OutcomeRow(Status.NOOP)] * 65_536, (), (), ())
    assert len(unpack_block(noops.pack()).outcomes) == 65_536


@given(mutated(st.sampled_from([BLOCK.pack(), QUARANTINE.pack()])))
def test_mutated_blocks_are_refused_or_canonical(data):
    with contextlib.suppress(MalformedBytes, NewerFormat):
        assert unpack_block(data).pack() == data


@given(st.sampled_from([BLOCK.pack(), QUARANTINE.pack()]), st.data())
def test_a_changed_byte_anywhere_is_refused_or_canonical(valid, data):
    at = data.draw(st.integers(0, len(valid) - 1))
    new = valid[:at] + bytes([data.draw(st.integers(0, 255))]) + valid[at + 1 :]
    with contextlib.suppress(MalformedBytes, NewerFormat):
        assert unpack_block(new).pack() == new


def test_the_golden_follow_ups_are_whole():
    assert follow_up(0, BLOCK.outcomes[0], 0, 1) in BLOCK.follow_ups
    assert DeltaKind.DELETE in {delta.kind for delta in BLOCK.deltas}
