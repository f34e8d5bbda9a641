"""Metadata: who, why and because of what."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.metadata import Metadata, unpack_metadata
from mmsb.schemas.rejections import Code, Refused
from tests.schemas.mutations import mutated

texts = st.none() | st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=60
)
ids = st.none() | st.binary(min_size=16, max_size=16)
metadata = st.builds(Metadata, texts, texts, ids, ids, texts)


def reason(data: bytes) -> Code:
    with pytest.raises(Refused) as caught:
        unpack_metadata(data)
    return caught.value.rejection.code


@given(metadata)
def test_metadata_reads_back(value):
    data = value.pack()
    assert len(data) % 8 == 0
    if value == Metadata():
        assert data == b""
    else:
        assert unpack_metadata(data) == value


def test_a_block_is_as_the_table_says():
    entries = struct.pack("<HH8s", 1, 5, b"alice") + b"\x00" * 4 + struct.pack("<HH16s4x", 4, 16, bytes(16))
    assert Metadata(actor="alice", causation=bytes(16)).pack() == struct.pack("<HHI", 1, 2, 48) + entries


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("actor", "", "actor: expected text of 1 to 256"),
        ("actor", "x" * 257, "actor: expected at most 256"),
        ("reason", "é" * 513, "reason: expected at most 1024"),
        ("trace", "x" * 513, "trace: expected at most 512"),
        ("trace", "a\x00b", "trace: expected text without NUL"),
        ("actor", "\ud800", "actor: .* lone surrogate"),
        ("actor", b"alice", "actor: expected text"),
        ("correlation", bytes(15), "correlation: expected an id of 16"),
        ("causation", "order-17", "causation: expected an id of 16"),
    ],
)
def test_a_value_beyond_its_limit_is_refused_by_name(name, value, message):
    with pytest.raises(InvalidValue, match=message):
        Metadata(**{name: value})


def test_another_version_is_refused_by_number():
    with pytest.raises(Refused) as caught:
        unpack_metadata(b"\x02\x00")
    assert (caught.value.rejection.code, caught.value.rejection.value) == (Code.METADATA_VERSION, 2)


def block(*entries: bytes, count: int | None = None, size: int | None = None) -> bytes:
    body = b"".join(entries)
    counted = len(entries) if count is None else count
    return struct.pack("<HHI", 1, counted, 8 + len(body) if size is None else size) + body


ACTOR = struct.pack("<HH4s", 1, 4, b"anna")
REASON = struct.pack("<HH4s", 2, 4, b"rent")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x01\x00",
        block(),
        block(ACTOR, count=2),
        block(ACTOR, size=8),
        block(ACTOR, size=24),
        block(REASON, ACTOR),
        block(ACTOR, ACTOR),
        block(ACTOR)[:-1],
        block(ACTOR) + bytes(8),
        block(ACTOR, b"\x02"),
        block(struct.pack("<HH4s", 1, 3, b"anna")),
        block(struct.pack("<HH4s", 1, 5, b"anna")),
        block(struct.pack("<HH4s", 1, 0, b"")),
        block(struct.pack("<HH4s", 0, 4, b"anna")),
        block(struct.pack("<HH4s", 6, 4, b"anna")),
        block(struct.pack("<HH4s", 1, 4, b"an\x00a")),
        block(struct.pack("<HH4s", 1, 4, b"an\xffa")),
        block(struct.pack("<HH260s", 1, 257, b"a" * 257)),
        block(struct.pack("<HH12s", 3, 12, bytes(12))),
    ],
)
def test_a_block_that_pack_would_not_write_is_malformed(data):
    assert unpack_metadata(block(ACTOR, REASON)) == Metadata("anna", "rent")
    assert reason(data) == Code.MALFORMED_METADATA


@given(mutated(metadata.map(Metadata.pack)) | st.binary(max_size=40))
def test_mutated_blocks_are_refused_or_are_canonical(data):
    found = None
    try:
        assert unpack_metadata(data).pack() == data
    except Refused as refused:
        found = refused.rejection.code
    assert found in (None, Code.METADATA_VERSION, Code.MALFORMED_METADATA)
