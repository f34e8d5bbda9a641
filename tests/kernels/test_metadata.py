"""Metadata blocks, compiled: what mmsb.schemas.metadata reads, and no more."""

import struct
from collections import Counter
from random import Random

import pytest

from mmsb.kernels.intake.metadata import metadata_problem
from mmsb.processors.intake import bytes_of
from mmsb.schemas.rejections import Code
from tests.generator import wire
from tests.proof.decoders import mutated, our_metadata


def problem(block: bytes) -> int:
    return int(metadata_problem(bytes_of(b"\xff" + block + b"\xff"), 1, len(block)))


def exact_problem(block: bytes) -> int:
    found = our_metadata(block)
    return 0 if found[0] == "accepted" else int(Code[found[1].upper()])


def entry(tag: int, content: bytes, size: int | None = None) -> bytes:
    data = struct.pack("<HH", tag, len(content) if size is None else size) + content
    return data + bytes(-len(data) % 8)


def block_of(*entries: bytes, count: int | None = None, version: int = 1) -> bytes:
    content = b"".join(entries)
    return struct.pack("<HHI", version, len(entries) if count is None else count, 8 + len(content)) + content


ID = bytes(range(16))


@pytest.mark.parametrize(
    ("block", "good"),
    [
        (block_of(entry(1, b"a")), True),
        (block_of(entry(1, b"a"), entry(2, b"b"), entry(3, ID), entry(4, ID), entry(5, b"c")), True),
        (block_of(entry(1, b"x" * 256)), True),
        (block_of(entry(1, b"x" * 257)), False),
        (block_of(entry(2, b"x" * 1024)), True),
        (block_of(entry(2, b"x" * 1025)), False),
        (block_of(entry(5, b"x" * 512)), True),
        (block_of(entry(5, b"x" * 513)), False),
        (block_of(entry(1, "é".encode())), True),
        (block_of(entry(1, b"\xc3")), False),
        (block_of(entry(1, b"a\0b")), False),
        (block_of(entry(1, b"")), False),
        (block_of(entry(3, ID[:15])), False),
        (block_of(entry(3, ID + b"x")), False),
        (block_of(entry(4, b"")), False),
        (block_of(entry(0, b"a")), False),
        (block_of(entry(6, b"a")), False),
        (block_of(entry(6, ID)), False),
        (block_of(entry(2, b"b"), entry(1, b"a")), False),
        (block_of(entry(1, b"a"), entry(1, b"a")), False),
        (block_of(), False),
        (block_of(entry(1, b"a"), count=2), False),
        (block_of(entry(1, b"a"), count=0), False),
        (block_of(entry(1, b"a")) + bytes(8), False),
        (block_of(entry(1, b"a"))[:-1], False),
        (block_of(entry(1, b"a"), bytes(8)), False),
        (block_of(entry(1, b"abcd", size=5)), False),
        (block_of(entry(1, b"abcd", size=3)), False),
        (block_of(entry(1, b"a", size=2)), False),
        (block_of(entry(1, b"abcd", size=4)[:-4] + b"abcd"), True),
        (block_of(b"\x01\0\0"), False),
        (b"", False),
        (b"\x01", False),
        (b"\x01\0", False),
        (b"\x01\0\x01\0\x08\0\0", False),
    ],
    ids=range(35),
)
def test_a_metadata_block_is_one_or_not(block, good):
    assert problem(block) == exact_problem(block) == (0 if good else Code.MALFORMED_METADATA)


@pytest.mark.parametrize("block", [b"\x02\0", b"\0\0", b"\x01\x01", block_of(entry(1, b""), version=2)])
def test_a_version_is_looked_at_before_all_else(block):
    assert problem(block) == exact_problem(block) == Code.METADATA_VERSION


def test_mutated_metadata_is_read_or_refused_alike():
    rng, seen = Random(4), Counter[int]()
    for _ in range(4_000):
        block = mutated(rng, wire.random_content(rng, []).metadata() or block_of(entry(1, b"a"), entry(5, b"t")))
        assert problem(block) == exact_problem(block), block
        seen[problem(block)] += 1
    assert set(seen) == {0, Code.METADATA_VERSION, Code.MALFORMED_METADATA}
    assert min(seen.values()) > 50, seen
