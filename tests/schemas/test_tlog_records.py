"""TLog records: their kinds, the chain through them, genesis, claims and migrate records."""

import contextlib
import struct
from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.errors import InvalidValue, MalformedBytes, NewerFormat
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.claims import Claim, ClaimHeader, Durability, unpack_claim, unpack_claim_header
from mmsb.schemas.tlog.genesis import Genesis, unpack_genesis
from mmsb.schemas.tlog.migrations import Migration, Step, pack_migrate, unpack_migrate
from mmsb.schemas.tlog.records import TlogKind, chain, peek
from tests.golden.tlog import CLAIM, FIRST, GENESIS, MIGRATIONS, header, migrate
from tests.schemas.mutations import mutated

NAMES = st.text("abzAZ09._-", min_size=1, max_size=200)
REIGNS = st.binary(min_size=16, max_size=16).filter(any)
WORDS = st.integers(0, 2**64 - 1)


# What is ours, and of which kind


@pytest.mark.parametrize("value", [None, b"", b"M", b"MMI\x01\x01\x00", b"mmt\x01\x01\x00", b"\x00MMT\x01\x01"])
def test_a_value_that_does_not_begin_with_our_letters_is_not_ours(value):
    assert peek(value) is None


@pytest.mark.parametrize("kind", TlogKind)
def test_each_kind_is_known_by_its_number(kind):
    assert peek(b"MMT\x01" + bytes([kind, 0])) == kind
    assert kind.key.decode() in ("genesis", "claim", "block", "migrate", "quarantine")


@pytest.mark.parametrize("value", [b"MMT", b"MMT\x01", b"MMT\x01\x09"])
def test_ours_that_ends_before_its_kind_says_nothing(value):
    assert peek(value) is None


@pytest.mark.parametrize(
    "value", [b"MMT\x02", b"MMT\x00\x01\x00", b"MMT\x01\x00\x00", b"MMT\x01\x06\x00", b"MMT\x01\x01\x01"]
)
def test_an_unknown_version_or_kind_needs_a_newer_release(value):
    with pytest.raises(NewerFormat, match="release"):
        peek(value)


def test_the_chain_covers_head_key_and_value():
    head = bytes(range(32))
    expected = blake3(head + struct.pack("<Q", 5) + b"block" + b"value").digest()
    assert chain(head, b"block", b"value") == expected
    assert chain(head, None, b"value") == blake3(head + b"\xff" * 8 + b"value").digest()
    assert len({chain(head, key, b"v") for key in (None, b"", b"v")}) == 3


# Genesis


@given(st.builds(Genesis, REIGNS, NAMES, st.integers(0, 9), st.integers(10, 65_536), st.integers(1, 16_777_216)))
def test_a_genesis_reads_back(genesis):
    assert unpack_genesis(genesis.pack()) == genesis


def test_a_genesis_is_as_the_table_says():
    fixed = struct.pack("<4sHH16sIIII", b"MMT\x01", 1, 0, GENESIS.log_id, 5, 2, 1000, 4)
    assert GENESIS.pack() == fixed + b"bank\x00\x00\x00\x00"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"log_id": bytes(16)}, "log id"),
        ({"log_id": b"x" * 15}, "log id"),
        ({"partition_count": 0}, "partition count"),
        ({"partition_count": 65_537}, "partition count"),
        ({"partition": 5}, "partition: expected 0 to 4"),
        ({"partition": -1}, "partition: expected 0 to 4"),
        ({"window": 0}, "window"),
        ({"window": 16_777_217}, "window"),
        ({"app": ""}, "app"),
        ({"app": "a" * 201}, "app"),
        ({"app": "a b"}, "app"),
        ({"app": "é"}, "app"),
        ({"app": "a\n"}, "app"),
        ({"app": "\ud800"}, "app"),
    ],
)
def test_a_genesis_beyond_its_limits_is_refused_by_name(wrong, message):
    with pytest.raises(InvalidValue, match=message):
        replace(GENESIS, **wrong)


def patched(data: bytes, at: int, new: bytes) -> bytes:
    assert data[at : at + len(new)] != new, "a patch changes something"
    return data[:at] + new + data[at + len(new) :]


@pytest.mark.parametrize(
    ("at", "new"),
    [
        (4, b"\x02"),  # kind
        (6, b"\x01"),  # zero
        (8, bytes(16)),  # log id
        (24, b"\x02"),  # partition not below the count
        (24, struct.pack("<I", 65_537)),
        (32, bytes(4)),  # W
        (32, struct.pack("<I", 16_777_217)),
        (36, b"\x00"),  # size of the name
        (36, b"\x03"),
        (36, b"\x05"),
        (36, b"\xff\xff\xff\xff"),
        (40, b"\x00"),
        (40, b"\xff"),
        (47, b"\x01"),  # padding
    ],
)
def test_a_genesis_that_pack_would_not_write_is_malformed(at, new):
    with pytest.raises(MalformedBytes):
        unpack_genesis(patched(GENESIS.pack(), at, new))


def test_a_genesis_reaches_its_limits():
    most = replace(GENESIS, partition_count=65_536, partition=65_535, window=16_777_216, app="a" * 200)
    assert unpack_genesis(most.pack()) == most


def test_a_name_does_not_end_before_it_says():
    data = replace(GENESIS, app="eightlet").pack()
    for size in (9, 16, 24):
        with pytest.raises(MalformedBytes, match=f"{size} bytes"):
            unpack_genesis(patched(data, 36, bytes([size])))


def test_a_record_of_another_kind_or_version_is_read_as_no_other():
    for read, data in ((unpack_genesis, GENESIS.pack()), (unpack_claim, CLAIM.pack())):
        for at in (0, 3, 4):
            with pytest.raises(MalformedBytes, match="magic"):
                read(patched(data, at, b"\x03"))


def test_a_genesis_is_as_long_as_it_says():
    data = GENESIS.pack()
    for wrong in (data[:-1], data + bytes(8), data[:39], b""):
        with pytest.raises(MalformedBytes):
            unpack_genesis(wrong)


@given(mutated(st.just(GENESIS.pack())))
def test_mutated_geneses_are_refused_or_canonical(data):
    with contextlib.suppress(MalformedBytes):
        assert unpack_genesis(data).pack() == data


# Claims

EMPTY = Descriptor("bank", 8, (), (), ())


@given(
    after=st.binary(min_size=16, max_size=16),
    nonce=REIGNS,
    generation=st.integers(1, 2**64 - 1),
    bundle=st.binary(min_size=32, max_size=32),
    durability=st.sampled_from(Durability),
    descriptor=st.sampled_from([EMPTY, CLAIM.descriptor]),
)
def test_a_claim_reads_back(after, nonce, generation, bundle, durability, descriptor):
    if after == nonce:
        return
    claim = Claim(after, nonce, generation, bundle, durability, descriptor)
    assert unpack_claim(claim.pack()) == claim
    assert unpack_claim_header(claim.pack()) == ClaimHeader(after, nonce, generation, bundle)


def test_a_claim_is_as_the_table_says():
    text = EMPTY.pack()
    claim = Claim(b"a" * 16, b"n" * 16, 7, b"b" * 32, Durability.FSYNC, EMPTY)
    fixed = struct.pack("<4sHH16s16sQ32sII", b"MMT\x01", 2, 1, b"a" * 16, b"n" * 16, 7, b"b" * 32, len(text), 0)
    assert claim.pack() == fixed + text + bytes(-len(text) % 8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": bytes(16)},
        {"nonce": CLAIM.after[:-1] + b"\x00"},
        {"nonce": b"n" * 15},
        {"after": b"a" * 17},
        {"after": CLAIM.nonce},
        {"bundle": b"b" * 31},
        {"generation": 0},
        {"generation": 2**64},
    ],
)
def test_a_claim_that_means_nothing_is_refused(wrong):
    with pytest.raises(InvalidValue, match="claim"):
        replace(CLAIM, **wrong)


@pytest.mark.parametrize(
    ("at", "new"),
    [
        (4, b"\x01"),  # kind
        (6, b"\x03"),  # durability
        (7, b"\x01"),
        (24, bytes(16)),  # nonce
        (8, CLAIM.nonce),  # after = nonce
        (40, bytes(8)),  # generation
        (80, b"\x00"),  # size
        (82, b"\x08"),  # size above DESCRIPTOR_BYTES_MAX
        (84, b"\x01"),  # zero
        (88, b"["),
        (88, b"\xff"),
    ],
)
def test_a_claim_that_pack_would_not_write_is_malformed(at, new):
    with pytest.raises(MalformedBytes):
        unpack_claim(patched(CLAIM.pack(), at, new))


def test_a_claim_reaches_its_limit():
    least = len(replace(CLAIM.descriptor, messages=("",)).pack())
    most = replace(CLAIM, descriptor=replace(CLAIM.descriptor, messages=("m" * (524_288 - least),)))
    assert len(most.pack()) == 88 + 524_288
    assert unpack_claim(most.pack()) == most


def test_a_claim_is_as_long_as_it_says():
    data = CLAIM.pack()
    for wrong in (data[:-1], data + bytes(8), data[:88], data[:87], b""):
        with pytest.raises(MalformedBytes):
            unpack_claim(wrong)
    assert unpack_claim_header(data[:87]) is None
    assert unpack_claim_header(data[:88]) is not None


@given(mutated(st.just(CLAIM.pack())))
def test_mutated_claims_are_refused_or_canonical(data):
    with contextlib.suppress(MalformedBytes, NewerFormat):
        assert unpack_claim(data).pack() == data


# Migrate records

STEPS = st.one_of(
    st.builds(Step, st.just("add"), st.text(max_size=3)),
    st.builds(Step, st.just("drop"), st.text(max_size=3)),
    st.builds(Step, st.just("rename"), st.text(max_size=3), st.text(max_size=3)),
    st.builds(Step, st.just("widen"), st.text(max_size=3), st.sampled_from(["i64", "text(9)"])),
)
PLANS = st.builds(Migration, st.text(min_size=1, max_size=3), WORDS, WORDS, st.lists(STEPS, max_size=3).map(tuple))


@given(st.lists(PLANS, max_size=3, unique_by=lambda one: one.page))
def test_a_migrate_record_reads_back(plans):
    ordered = tuple(sorted(plans, key=lambda one: one.page))
    head = header(FIRST, FIRST - 1, TlogKind.MIGRATE, checksum=0)
    assert unpack_migrate(pack_migrate(head, ordered)) == (head, ordered)


def test_a_migrate_record_is_as_the_table_says():
    head = header(FIRST, FIRST - 1, TlogKind.MIGRATE, checksum=0)
    text = (
        b'[{"from":"0000000000000001","page":"P","steps":[{"field":"a","op":"add"},{"field":"b","op":"drop"},'
        b'{"field":"c","op":"rename","to":"d"},{"field":"d","op":"widen","type":"i64"}],"to":"00000000000000ff"}]'
    )
    steps = (Step("add", "a"), Step("drop", "b"), Step("rename", "c", "d"), Step("widen", "d", "i64"))
    data = pack_migrate(head, [Migration("P", 1, 255, steps)])
    assert data == head.pack() + struct.pack("<II", len(text), 0) + text + bytes(-len(text) % 8)
    assert len(head.pack()) == 104


@pytest.mark.parametrize("wrong", [("add", "a", "b"), ("rename", "a", None), ("widen", "a", None), ("keep", "a", None)])
def test_a_step_has_the_arguments_of_its_kind(wrong):
    with pytest.raises(InvalidValue, match="step"):
        Step(*wrong)


def steps_record(text: bytes, size: int | None = None) -> bytes:
    head = header(FIRST, FIRST - 1, TlogKind.MIGRATE, checksum=0).pack()
    return head + struct.pack("<II", len(text) if size is None else size, 0) + text + bytes(-len(text) % 8)


ONE = b'{"from":"0000000000000001","page":"P","steps":[],"to":"0000000000000002"}'


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"0",
        b'"x"',
        b"[[]]",
        b"[ ]",
        b"[" + ONE + b"," + ONE + b"]",  # twice the same page
        b"[" + ONE.replace(b'"P"', b'"Q"') + b"," + ONE + b"]",  # not rising
        b"[" + ONE.replace(b'"P"', b"7") + b"]",
        b"[" + ONE.replace(b"0001", b"000A") + b"]",
        b"[" + ONE.replace(b"00000001", b"1") + b"]",
        b"[" + ONE.replace(b"0000000000000001", b"-000000000000001") + b"]",
        b"[" + ONE.replace(b'"0000000000000001"', b"1") + b"]",
        b"[" + ONE.replace(b"[]", b"{}") + b"]",
        b"[" + ONE.replace(b"[]", b'[{"field":"a","op":"keep"}]') + b"]",
        b"[" + ONE.replace(b"[]", b'[{"field":"a","op":"add","to":"b"}]') + b"]",
        b"[" + ONE.replace(b"[]", b'[{"field":"a","op":"rename"}]') + b"]",
        b"[" + ONE.replace(b"[]", b'[{"field":"a","op":"rename","to":1}]') + b"]",
        b"[" + ONE.replace(b"[]", b'[{"field":null,"op":"add"}]') + b"]",
        b"[" + ONE.replace(b"[]", b'[{"field":"a","op":[]}]') + b"]",
        b"[" + ONE.replace(b',"to"', b',"t":0,"to"') + b"]",
        b"[" * 100_000,
    ],
)
def test_steps_that_pack_would_not_write_are_malformed(text):
    assert len(unpack_migrate(steps_record(b"[" + ONE + b"]"))[1]) == 1
    with pytest.raises(MalformedBytes):
        unpack_migrate(steps_record(text))


@pytest.mark.parametrize(
    ("at", "new"),
    [
        (4, b"\x03"),  # a block
        (6, b"\x01"),  # zero
        (64, b"\x0a"),  # last = first
        (96, b"\x01"),  # checksum
        (104, b"\x00"),  # size
        (108, b"\x01"),  # zero
    ],
)
def test_a_migrate_record_that_pack_would_not_write_is_malformed(at, new):
    with pytest.raises(MalformedBytes):
        unpack_migrate(patched(migrate(), at, new))


def test_a_migrate_record_is_as_long_as_it_says_and_no_block():
    data = migrate()
    for wrong in (data[:-1], data + bytes(8), data[:112], data[:111], b""):
        with pytest.raises(MalformedBytes):
            unpack_migrate(wrong)
    with pytest.raises(MalformedBytes, match="a migrate"):
        unpack_block(data)
    with pytest.raises(MalformedBytes, match="migrate, found claim"):
        unpack_migrate(CLAIM.pack())


def test_a_migrate_record_above_the_limit_is_malformed():
    with pytest.raises(MalformedBytes, match="917504"):
        unpack_migrate(migrate() + bytes(917_504))


def test_a_migrate_record_above_the_limit_is_not_written():
    steps = (Step("add", "a" * 917_504),)
    with pytest.raises(InvalidValue, match="917504"):
        pack_migrate(header(1, 0, TlogKind.MIGRATE, 0), [Migration("P", 1, 2, steps)])


@given(mutated(st.just(migrate())))
def test_mutated_migrate_records_are_refused_or_canonical(data):
    with contextlib.suppress(MalformedBytes, NewerFormat):
        assert pack_migrate(*unpack_migrate(data)) == data


def test_the_golden_steps_are_read_as_they_were_meant():
    assert unpack_migrate(migrate())[1] == MIGRATIONS
