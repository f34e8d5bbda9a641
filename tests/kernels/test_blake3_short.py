"""Short hashes: the first 16 bytes that BLAKE3 itself gives, at every length, wherever the input lies."""

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.flat_json.blake3_short import SIZE_MAX, WORK, blake3_short
from mmsb.processors.intake import bytes_of

GUARD = 0x7777


def digest(buffer: bytes, at: int, size: int) -> bytes:
    work = np.full(WORK + 4, GUARD, np.uint64)
    first, second = blake3_short(bytes_of(buffer), at, size, work, 2)
    assert (work[[0, 1, -2, -1]] == GUARD).all()
    return int(first).to_bytes(8, "little") + int(second).to_bytes(8, "little")


def check(content: bytes, before: bytes = b"", after: bytes = b"") -> None:
    found = digest(before + content + after, len(before), len(content))
    assert found == blake3(content).digest(16), content


@pytest.mark.parametrize("start", range(0, SIZE_MAX + 1, 64))
def test_every_length_is_hashed_right(start):
    for size in range(start, min(start + 64, SIZE_MAX + 1)):
        check(bytes(index % 251 for index in range(size)) or b"", b"{", b"}" * (size % 9))


def test_nothing_at_the_end_of_a_buffer_is_hashed_right():
    check(b"", b"before")


@given(st.binary(max_size=200), st.binary(max_size=9), st.binary(max_size=9))
def test_what_lies_around_does_not_matter(content, before, after):
    check(content, before, after or b"x")


@given(st.binary(min_size=1, max_size=80), st.data())
def test_one_bit_changes_the_digest(content, data):
    at = data.draw(st.integers(0, 8 * len(content) - 1))
    other = bytearray(content)
    other[at // 8] ^= 1 << at % 8
    assert digest(content, 0, len(content)) != digest(bytes(other), 0, len(other))
