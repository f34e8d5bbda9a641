"""Decimal numbers become the f64 that Python's `float` gives, or are said to be undecided."""

import struct
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsb.kernels.flat_json.decimals import UNDECIDED, nearest_f64
from mmsb.kernels.jit import kernel


@kernel
def all_nearest(values, scales, bits):
    for index in range(values.shape[0]):
        bits[index] = nearest_f64(values[index], scales[index])


def check(pairs: list[tuple[int, int]]) -> int:
    """How many are undecided; all others are right."""
    values = np.array([value for value, _ in pairs], np.uint64)
    scales = np.array([scale for _, scale in pairs], np.int64)
    bits = np.empty(len(pairs), np.uint64)
    all_nearest(values, scales, bits)
    for (value, scale), found in zip(pairs, bits.tolist(), strict=True):
        if found != int(UNDECIDED):
            assert struct.unpack("<d", found.to_bytes(8, "little"))[0] == float(f"{value}e{scale}"), (value, scale)
    return int((bits == UNDECIDED).sum())


def is_normal(value: int, scale: int) -> bool:
    return value == 0 or sys.float_info.min <= float(f"{value}e{scale}") < float("inf")


def test_random_numbers_are_decided_and_right():
    rng = Random(1)
    pairs = [(rng.getrandbits(rng.randrange(1, 65)), rng.randrange(-345, 312)) for _ in range(100_000)]
    assert check(pairs) == sum(not is_normal(*pair) for pair in pairs)


def test_what_python_writes_is_read_back():
    rng = Random(2)
    pairs: list[tuple[int, int]] = []
    for _ in range(50_000):
        number = struct.unpack("<d", rng.randbytes(8))[0]
        if 1e-307 < abs(number) < 1e308:
            digits, scale = f"{abs(number):.16e}".split("e")
            pairs.append((int(digits.replace(".", "")), int(scale) - 16))
    assert check(pairs) == 0


@pytest.mark.parametrize("bits", [53, 54, 55, 60, 63])
def test_numbers_at_and_beside_the_middle_between_two_go_to_the_even_one(bits):
    rng = Random(bits)
    pairs: list[tuple[int, int]] = []
    for _ in range(2000):
        middle = (2 * rng.getrandbits(53) + 1) << max(bits - 54, 0)
        around = [value for value in (middle - 1, middle, middle + 1) if value < 2**64]
        pairs += [(value, scale) for value in around for scale in (0, 1, 3, -3)]
        pairs += [(middle // 5**4, 4), *((5**scale * (middle >> 50), -scale) for scale in range(5))]
    assert check(pairs) == 0


def test_the_borders_of_what_is_decided_are_kept():
    assert check([(0, 400), (0, -400), (1, -307), (17976931348623157, 292), (22250738585072014, -324)]) == 0
    assert check([(1, 309), (17976931348623159, 292), (2, 308), (1, -343), (5, -324), (22250738585072011, -324)]) == 6
    assert check([(value, scale) for value in (1, 2**53, 2**53 + 1, 2**64 - 1) for scale in range(-290, 289)]) == 0


@given(st.floats(min_value=1e-300, max_value=1e300), st.integers(1, 19))
def test_any_number_of_digits_is_read_right(number, digits):
    mantissa, scale = f"{number:.{digits - 1}e}".split("e")
    assert check([(int(mantissa.replace(".", "")), int(scale) - digits + 1)]) == 0
