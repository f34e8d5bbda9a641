"""Pages of one type between their arena and rows, a bucket at a time (docs/formats.md, section 8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mmsb.kernels.digest import Digest
from mmsb.kernels.memory import Words
from mmsb.kernels.pages import buckets as kernels
from mmsb.kernels.tables import page_index
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.layouts import PageLayout
from mmsb.state.array_pages import ArrayPageType

WORD: Final = 8

_WHY: Final = {
    kernels.BAD_HEAD: "the head of a row of this page type",
    kernels.BAD_CHECKSUM: "content that its checksum fits",
    kernels.BAD_PAGE: "pages whose keys belong there",
}


@dataclass(frozen=True)
class Rows:
    """Rows one after another; row i lies between two of `starts`, counted in words."""

    words: Words
    starts: Any

    @property
    def sizes(self) -> Any:
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, number: int) -> bytes:
        start, stop = self.starts[number : number + 2].tolist()
        row: bytes = self.words[start:stop].tobytes()
        return row


def rows_of(values: Sequence[bytes]) -> Rows:
    """Rows as they were read. One that has no whole words becomes an empty one, which nobody takes."""
    whole = [value if len(value) % WORD == 0 else b"" for value in values]
    starts = np.zeros(len(whole) + 1, np.int64)
    np.cumsum([len(value) // WORD for value in whole], out=starts[1:])
    return Rows(np.frombuffer(b"".join(whole), np.uint64), starts)


def buckets_of(pages: ArrayPageType, words: Words, places: Any) -> Any:
    """Those of the keys that begin at `places`."""
    found = np.empty(len(places), np.int64)
    salt, depth = pages.index[page_index.SALT], pages.buckets.depth
    kernels.find_buckets(words, places, pages.key_words, salt, depth, found)
    return found


def copy_rows(pages: ArrayPageType, type_id: int, buckets: Any) -> Rows:
    """The rows of buckets in memory; that of a bucket without pages is empty."""
    slots, bounds = _slots_of(pages, buckets)
    count = int(bounds[-1])
    words: Words = np.empty(count * pages.stride + kernels.HEAD * min(len(buckets), count), np.uint64)
    starts = np.zeros(len(buckets) + 1, np.int64)
    kernels.write_rows(
        pages.arena, pages.stride, pages.key_words, np.uint64(type_id), slots, bounds, words, starts
    )  # fmt: skip
    return Rows(words, starts)


def drop_pages(pages: ArrayPageType, buckets: Any) -> int:
    """Take the pages of buckets out of memory; gives how many there were."""
    slots, bounds = _slots_of(pages, buckets)
    count = int(bounds[-1])
    kernels.forget(pages.index, pages.arena, pages.stride, pages.key_words, slots, count)
    return count


def _slots_of(pages: ArrayPageType, buckets: Any) -> tuple[Any, Any]:
    slots = np.empty(pages.resident + 1, np.int64)
    tags: Words = np.empty(pages.resident + 1, np.uint64)
    bounds = np.zeros(len(buckets) + 1, np.int64)
    kernels.collect(
        pages.index, pages.arena, pages.stride, pages.key_words, pages.buckets.depth, buckets, slots, tags, bounds
    )  # fmt: skip
    return slots, bounds


def take_rows(pages: ArrayPageType, type_id: int, rows: Rows, places: Sequence[tuple[int, int]]) -> list[int]:
    """Have the pages of rows in memory; `places` are depth and number of each. Gives how many pages each had."""
    counts: list[int] = ((rows.sizes - kernels.HEAD) // pages.stride).tolist()
    pages.reserve(sum(counts))
    depths, numbers = _columns(places)
    read, why = kernels.read_rows(
        rows.words, rows.starts, numbers, depths, pages.index, pages.arena, pages.stride, pages.key_words,
        np.uint64(type_id),
    )  # fmt: skip
    _check(type_id, places, read, why)
    return counts


def digest_of(layout: PageLayout, salt: Any, rows: Rows, places: Sequence[tuple[int, int]]) -> tuple[Digest, int]:
    """The digest's terms of all pages in rows, which are checked; and how many pages there are."""
    key_words, stride = layout.key_size // 8, 1 + layout.key_size // 8 + layout.word_count
    digest: Words = np.zeros(2, np.uint64)
    depths, numbers = _columns(places)
    read, why = kernels.digest_rows(
        rows.words, rows.starts, numbers, depths, salt, stride, key_words, np.uint64(layout.type_id), digest
    )  # fmt: skip
    _check(layout.type_id, places, read, why)
    return Digest(*digest.tolist()), int((rows.sizes - kernels.HEAD).sum()) // stride


def _columns(places: Sequence[tuple[int, int]]) -> tuple[Any, Any]:
    both = np.array(places, np.int64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


def _check(type_id: int, places: Sequence[tuple[int, int]], read: int, why: int) -> None:
    if why:
        depth, number = places[read]
        raise CorruptState(
            f"store: expected {_WHY[why]} for page type {type_id:016x}, depth {depth}, bucket {number}, found something"
            " else; restore a checkpoint"
        )
