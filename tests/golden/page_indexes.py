"""Golden page indexes of sealed segments."""

from pathlib import Path

import numpy as np

from mmsb.kernels.memory import Words
from mmsb.streams.past.columns import hash_page
from mmsb.streams.past.growing import BlockPlace, GrowingIndex, Place, Standing
from mmsb.streams.past.index_file import StoredIndex, encode, encode_pages
from tests.simulation.disk import VirtualFiles

TYPE = 0x0123_4567_89AB_CDEF


def _hashes(block: int, pages: int) -> Words:
    """Those of some pages with keys of one word or two, some of which every block changes, and one of them twice."""
    numbers = [*range(block * pages // 2, block * pages // 2 + pages), block * pages // 2]
    keys = [page.to_bytes(8 + page % 2 * 8, "little") for page in numbers]
    return np.array([hash_page(TYPE, key) for key in keys], np.uint64)


def _notes(count: int) -> Words:
    """Of deltas with keys and payloads of five words in all."""
    return np.array([row << 17 | 100 + 5 * row | (0xABCD_0000 + row) << 32 for row in range(count)], np.uint64)


def _make(base: int, blocks: int, pages: int) -> bytes:
    """That of a segment of a claim and of blocks that settle 10 intents each."""
    before = Standing(99, bytes(range(32)), 1_700_000_000_000_000) if base else Standing()
    index = GrowingIndex(base, before)
    index.marks.append(Place(base + 1, 150, 700))
    for number in range(blocks):
        last = before.settled + 10 * (number + 1)
        place = BlockPlace(last, before.clock + number, base + 2 + number, 850 + 400 * number, 400, 70, 10, 256, 32)
        hashes = _hashes(number, pages)
        index.add(place, hashes, _notes(len(hashes)))
    index.end, index.size = base + 2 + blocks, 850 + 400 * blocks
    index.after = Standing(before.settled + 10 * blocks, bytes(range(100, 132)), before.clock + blocks)
    return b"".join(encode_pages(index))


FILES = {
    "claim_alone.bin": lambda: _make(0, 0, 0),
    "few.bin": lambda: _make(0, 3, 5),
    "several_sheets.bin": lambda: _make(2**40, 300, 4),
}


def again(data: bytes) -> bytes:
    files, path = VirtualFiles(), Path("/index")
    files.damage(path, data)
    index = StoredIndex(files.open(path))
    return b"".join(encode(index.summary, index.marks, *index.content()))
