"""Golden rows of a partition's home: buckets of pages, ids, marks, and what they belong to."""

from typing import Final

import numpy as np

from mmsb.kernels.digest import Digest
from mmsb.kernels.tables import id_window, source_marks
from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.tlog.claims import Claim, Durability
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.array_pages import ArrayPageType
from mmsb.state.home.bucket_rows import copy_rows, rows_of, take_rows
from mmsb.state.home.meta import Contents, Meta, Standing, StoredType, unpack_meta
from mmsb.state.home.table_rows import _pack, unpack_table
from mmsb.state.store import IDS, MARKS
from tests.home.buckets import ALL, SALT, TYPE_ID, bucket, page
from tests.schemas.pages import ACCOUNT, EVERY

GENESIS: Final = Genesis(bytes(range(1, 17)), "bank", 1, 3, 100)
CLAIM: Final = Claim(
    bytes(16), bytes(range(16, 32)), 2, bytes(range(32)), Durability.FSYNC, Descriptor("bank", 1, (), (), ())
)


def _standing(*follow_up_blocks: int) -> Standing:
    return Standing(41, bytes(range(32)), bytes(range(32, 64)), 9, 11, True, CLAIM, (40, 41, 2**63), follow_up_blocks)


def _empty() -> Meta:
    standing = Standing(-1, bytes(32), bytes(range(32)), 0, 1, False, None, None, ())
    return Meta(standing, Contents(Genesis(bytes(range(16)), "a"), (), 0, Digest(0, 0), (0, 0), (0, 0), 0, {}, ()))


def _full() -> Meta:
    types = (StoredType(EVERY.type_id, 9, 2, {0: 1, 2: 3}), StoredType(ACCOUNT.type_id, 0, 0, {}))
    contents = Contents(
        GENESIS, (ACCOUNT, EVERY), 2**50, Digest(1, 2**64 - 1), (3, 42), (0, 42), 2, {0: 5, 2: 7},
        tuple(sorted(types, key=lambda stored: stored.type_id)),
    )  # fmt: skip
    return Meta(_standing(4, 8), contents)


def _table(kind: bytes, chunk: int, rows: int, width: int) -> bytes:
    return _pack(kind, chunk, np.arange(1, 1 + rows * width, dtype=np.uint64).reshape(rows, width))


FILES = {
    "bucket_of_one.bin": lambda: bucket(1, 1, 1, [(bytes(8), 1, bytes(8))]),
    "bucket_of_many.bin": lambda: bucket(TYPE_ID, 2, 3, [page(number, 2, 3) for number in range(7)]),
    "bucket_of_the_largest_epoch.bin": lambda: bucket(2**64 - 1, 32, 8, [(b"\xff" * 256, 2**63 - 1, b"\xff" * 64)]),
    "ids.bin": lambda: _table(IDS, 7, 3, id_window.ROW),
    "marks.bin": lambda: _table(MARKS, 0, 2, source_marks.ROW),
    "meta_of_nothing.bin": lambda: _empty().pack(),
    "meta.bin": lambda: _full().pack(),
}


def again(data: bytes) -> bytes:
    magic = data[:3]
    if magic == b"MMH":
        return unpack_meta(data).pack()
    words = np.frombuffer(data, np.uint64)
    if magic in (b"MMR", b"MMM"):
        kind, width = (IDS, id_window.ROW) if magic == b"MMR" else (MARKS, source_marks.ROW)
        return _pack(kind, int(words[1]), unpack_table(kind, int(words[1]), data, width))
    type_id, key_words, body_words = int(words[1]), int(words[0]) >> 32, int(words[2]) >> 32
    pages = ArrayPageType(key_words, body_words, SALT)
    take_rows(pages, type_id, rows_of([data]), [(0, 0)])
    return copy_rows(pages, type_id, ALL).row(0)
