"""The manifest: what it says is read back, and nothing else is believed."""

from dataclasses import replace

import pytest

from mmsb.schemas.canonical import canonical, parse_canonical
from mmsb.schemas.errors import CorruptState, InvalidValue, MalformedBytes, NewerFormat
from mmsb.streams.checkpoints.manifest import (
    HEADER_BYTES,
    Cause,
    Manifest,
    StoredFile,
    decode_manifest,
    encode_manifest,
    manifest_size,
)
from tests.checkpoints.rows import FACTS

MANIFEST = Manifest(
    replace(FACTS, pages={"Account": 5}),
    Cause("intent", 7),
    1_800_000_000_000,
    (StoredFile("000008.sst", 123, bytes(32)), StoredFile("CURRENT", 16, bytes(range(32)))),
)


@pytest.mark.parametrize("cause", [Cause("command"), Cause("schedule"), Cause("intent", 0)])
def test_a_manifest_reads_back(cause):
    manifest = replace(MANIFEST, cause=cause)
    data = encode_manifest(manifest)
    assert decode_manifest(data) == manifest
    assert len(data) % 8 == 0
    assert manifest_size(data[:HEADER_BYTES]) == len(data)


def test_every_flipped_bit_and_every_cut_is_noticed():
    data = encode_manifest(MANIFEST)
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            with pytest.raises(CorruptState):
                decode_manifest(bytes(flipped))
        with pytest.raises(CorruptState):
            decode_manifest(data[:position])
    with pytest.raises(CorruptState):
        decode_manifest(data + bytes(8))


def test_another_version_is_refused_by_number():
    data = bytearray(encode_manifest(MANIFEST))
    data[3] = 9
    with pytest.raises(NewerFormat, match="expected version 1, found 9"):
        decode_manifest(bytes(data))


@pytest.mark.parametrize(
    "change",
    [
        {"settled": -2}, {"settled": True}, {"settled": 1.0}, {"app": 3}, {"head": "00"}, {"log_id": "zz"},
        {"cause": {"kind": "boredom", "offset": None}}, {"cause": {"kind": "intent", "offset": None}},
        {"cause": {"kind": "command", "offset": 3}}, {"layouts": {}}, {"pages": []}, {"pages": {"a": -1}},
        {"more": 1}, {"files": [{"blake3": "00" * 32, "name": "../out", "size": 1}]},
        {"files": [{"blake3": "00" * 32, "name": "", "size": 1}]},
        {"files": [{"blake3": "00" * 32, "name": name, "size": 1} for name in "ba"]}, {"time_ms": 2**63},
    ],
    ids=str,
)  # fmt: skip
def test_what_no_encoder_wrote_is_refused_even_if_its_hash_fits(change, monkeypatch):
    data = encode_manifest(MANIFEST)
    size = int.from_bytes(data[4:8], "little")
    values = parse_canonical(data[HEADER_BYTES : HEADER_BYTES + size])
    monkeypatch.setattr("mmsb.streams.checkpoints.manifest._values", lambda _: values | change)
    forged = encode_manifest(MANIFEST)
    monkeypatch.undo()
    assert canonical(values | change) in forged
    with pytest.raises(MalformedBytes, match="manifest: expected"):
        decode_manifest(forged)


def test_a_cause_is_one_of_three():
    with pytest.raises(InvalidValue, match="expected command, schedule, or intent and its offset"):
        Cause("intent")
