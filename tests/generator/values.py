"""Random values of every field type, with a taste for the borders."""

import struct
from random import Random
from typing import Any

from tests.model.bundle import Field
from tests.model.constants import INTEGER_RANGES
from tests.model.layout import FieldLayout

LETTERS = ["a", "b", "xy", "é", "€", "𝄞", " ", "~", "0", '"', "\\", "\n"]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.1, 2.5, -3.75, 1e6, 2.0**53, 1e300, -1e300, 5e-324, 1.7976931348623157e308]


def integer(rng: Random, low: int, high: int) -> int:
    """Mostly small, sometimes at or beside a border."""
    kind = rng.random()
    if kind < 0.75:
        value = rng.randint(-3, 12)
    elif kind < 0.9:
        value = rng.randint(-1000, 1000)
    elif kind < 0.97:
        value = rng.choice([low, high]) + rng.randint(-1, 1)
    else:
        value = rng.randint(low, high)
    return min(max(value, low), high)


def text(rng: Random, width: int) -> str:
    out = ""
    for _ in range(rng.choice([0, 1, 1, 2, 3, width])):
        letter = rng.choice(LETTERS)
        if len((out + letter).encode()) <= width:
            out += letter
    return out


def float_value(rng: Random) -> float:
    if rng.random() < 0.5:
        return rng.choice([0.0, 0.5, 1.0, 1.5, 2.0, -1.0, 4.0])
    if rng.random() < 0.7:
        return rng.choice(FLOATS)
    if rng.random() < 0.8:
        return rng.uniform(-100, 100)
    value = struct.unpack("<d", rng.randbytes(8))[0]
    return value if value - value == 0 else 0.25  # finite, or another


def scalar(rng: Random, f: FieldLayout) -> Any:
    if f.base == "text":
        return text(rng, f.width)
    if f.base == "blob":
        return rng.choice([bytes(f.width), b"\1" + bytes(f.width - 1), rng.randbytes(f.width)])
    if f.base == "f64":
        return float_value(rng)
    if f.base == "bool":
        return rng.random() < 0.5
    if f.base == "enum":
        return rng.choice(list(f.members.values()))
    return integer(rng, *INTEGER_RANGES[f.base])


def clamped(value: Any, bounds: tuple[tuple[str, Any], ...]) -> Any:
    """The value moved to where it keeps its bounds, if a bound is broken."""
    for op, bound in bounds:
        if op == "ge" and value < bound:
            value = bound
        elif op == "gt" and value <= bound:
            value = bound + 1
        elif op == "le" and value > bound:
            value = bound
        elif op == "lt" and value >= bound:
            value = bound - 1
    return value


def value(rng: Random, field: Field, *, obey: bool = True) -> Any:
    """A value of the field's type; within its bounds if `obey`."""
    f = FieldLayout(field, 0, 0)
    bounds = field.bounds if obey else ()
    if f.length:
        return tuple(clamped(scalar(rng, f), bounds) for _ in range(f.length))
    return clamped(scalar(rng, f), bounds)
