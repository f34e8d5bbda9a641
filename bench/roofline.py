"""What this machine could do at best, measured in the run that it is held against.

Copying and loading say what memory allows, the two hashes what checking and chaining cost at least. A load is
*dependent*: its address comes out of the load before, so nothing can be fetched ahead.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

import numpy as np
from blake3 import blake3
from crc32c import crc32c
from numpy.typing import NDArray

from bench.figures import Figure, figure
from mmsb.kernels.jit import kernel

REPEATS: Final = 5
COPIED: Final = 256 * 2**20
HASHED: Final = 2**20
HASHED_TIMES: Final = 32
LOADS: Final = 1_000_000  # goes round the pages ten times, so that most of them are in a cache if they fit
_LINE: Final = 64  # bytes of a cache line: one load each

MEMCPY: Final = "memcpy"
LATENCY: Final = "load from memory"
LATENCY_CACHE: Final = "load from cache"
LATENCY_PAGES: Final = "load from 100 k pages"
CRC: Final = "CRC-32C"
CHAIN: Final = "BLAKE3"

_SIZES: Final = {LATENCY_CACHE: 256 * 2**10, LATENCY_PAGES: 100_000 * _LINE, LATENCY: 256 * 2**20}


@dataclass(frozen=True)
class _Bound:
    """Each call of `run` does `amount`, in GB or in loads."""

    name: str
    condition: str
    amount: float
    run: Callable[[], object]

    def figure(self, seconds: Sequence[float]) -> Figure:
        if self.name in _SIZES:
            return figure(self.name, "ns", [1e9 * took / self.amount for took in seconds], condition=self.condition)
        return figure(self.name, "GB/s", [self.amount / took for took in seconds], condition=self.condition)


def measure_roofline(repeats: int = REPEATS, scale: float = 1) -> list[Figure]:
    """Every bound, in turns; a `scale` below 1 takes less memory and says less."""
    bounds = _bounds(scale)
    seconds: list[list[float]] = [[] for _ in bounds]
    for _ in range(1 + repeats):
        for bound, taken in zip(bounds, seconds, strict=True):
            started = time.perf_counter()
            bound.run()
            taken.append(time.perf_counter() - started)
    return [bound.figure(taken[1:]) for bound, taken in zip(bounds, seconds, strict=True)]


def _bounds(scale: float) -> list[_Bound]:
    source = np.ones(int(COPIED * scale), np.uint8)
    target = np.zeros_like(source)
    content = bytes(source[: int(HASHED * scale)])
    hashed, loads = HASHED_TIMES * len(content) / 1e9, int(LOADS * scale)
    copied, once = f"{len(source):,} bytes, each counted once", f"{len(content):,} bytes at a time"
    bounds = [
        _Bound(MEMCPY, copied, len(source) / 1e9, partial(np.copyto, target, source)),
        _Bound(CRC, once, hashed, partial(_hash, crc32c, content)),
        _Bound(CHAIN, once, hashed, partial(_hash, _blake3, content)),
    ]
    for name, size in _SIZES.items():
        ring = _ring(int(size * scale) // _LINE)
        about = f"dependent, random, within {ring.nbytes:,} bytes"
        bounds.append(_Bound(name, about, loads, partial(_walk, ring, loads)))
    return bounds


def _hash(function: Callable[[bytes], object], content: bytes) -> None:
    for _ in range(HASHED_TIMES):
        function(content)


def _blake3(content: bytes) -> bytes:
    return blake3(content).digest()


@cache
def _ring(lines: int) -> NDArray[np.int64]:
    """One ring through all cache lines in random order: the first word of each says which line is next."""
    order = np.random.default_rng(0).permutation(lines)
    steps = np.zeros(lines * _LINE // 8, np.int64)
    steps[order * 8] = np.roll(order, -1) * 8
    return steps


@kernel
def _walk(steps: Any, count: int) -> int:
    at = 0
    for _ in range(count):
        at = steps[at]
    return at
