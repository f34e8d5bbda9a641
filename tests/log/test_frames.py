"""Walking the chain of batches says the same as decoding them one by one, compiled or not."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.schemas.batches import read_frame
from mmsb.schemas.errors import MalformedBytes
from mmsb.streams.log.frames import walk
from tests.log.batches import make_batch

CHAIN = b"".join(make_batch(first, count) for first, count in ((0, 1), (1, 3), (4, 2)))


def slowly(data: bytes, first: int) -> tuple[int, int]:
    """How many bytes of valid batches there are, and the offset after them."""
    at = 0
    try:
        while at < len(data):
            frame = read_frame(data, at)
            if frame.first != first or data[at + 12 : at + 16] != bytes(4):
                break
            at, first = frame.end, frame.first + frame.count
    except MalformedBytes:
        pass
    return at, first


def quickly(data: bytes, first: int) -> tuple[int, int]:
    found = walk(data, first)
    return found.end, int(found.nexts[-1]) if found.count else first


def test_a_chain_is_walked_to_its_end_and_up_to_an_offset():
    assert quickly(CHAIN, 0) == (len(CHAIN), 6)
    assert [walk(CHAIN, 0, until).count for until in range(8)] == [0, 1, 2, 2, 2, 3, 3, 3]
    assert walk(b"", 5).count == 0


def test_every_flipped_bit_ends_the_walk_where_decoding_would():
    for bit in range(8 * len(CHAIN)):
        wrong = bytearray(CHAIN)
        wrong[bit // 8] ^= 1 << bit % 8
        assert quickly(bytes(wrong), 0) == slowly(bytes(wrong), 0)


def test_a_walk_that_lacks_bytes_says_how_many():
    second = len(make_batch(0))
    for size in range(len(CHAIN)):
        found = walk(CHAIN[:size], 0)
        assert (found.end, found.fault) == (slowly(CHAIN[:size], 0)[0], None)
        if found.end == second and size - second >= 61:
            assert found.needed == len(make_batch(1, 3))


@given(st.binary(max_size=300), st.integers(0, 2**63 - 1))
def test_no_bytes_confuse_a_walk(data, first):
    assert quickly(data, first) == slowly(data, first)


FAULTS = {
    0: "a batch with base offset 1",
    8: "a batch length from 49 to 16777204",
    12: "partition leader epoch 0",
    16: "magic 2",
    17: "checksum",
    23: "a last offset delta",
    57: "a record count from 1",
}


@pytest.mark.parametrize("place", FAULTS)
def test_a_fault_names_its_place(place):
    wrong = bytearray(CHAIN)
    start = len(make_batch(0))
    wrong[start + place] ^= 0x80
    fault = walk(bytes(wrong), 0).fault
    assert fault is not None
    assert fault.position == start + place
    assert fault.expected.startswith(FAULTS[place])


@pytest.mark.parametrize("flag", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_uncompiled_and_checked_code_say_the_same(flag):
    code = (
        "from tests.log.test_frames import CHAIN, quickly\n"
        "for size in range(len(CHAIN)): print(quickly(CHAIN[:size], 0), quickly(CHAIN[:size] + b'x' * 99, 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, flag: "1"}, capture_output=True, text=True, check=True
    )
    lines = [f"{quickly(CHAIN[:size], 0)} {quickly(CHAIN[:size] + b'x' * 99, 0)}" for size in range(len(CHAIN))]
    assert done.stdout.splitlines() == lines
