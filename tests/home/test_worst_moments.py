"""A home while something is on its way, or goes wrong: pages that were deleted stay so, and none comes twice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmsb.kernels.pages.buckets import DIRTY, PINNED, USED
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.array_pages import ArrayPageType
from mmsb.state.arrays import ArrayState
from mmsb.state.converting import convert_type
from mmsb.state.fields import Column
from mmsb.state.home.digesting import digest_store
from mmsb.state.home.home import Home
from mmsb.state.home.meta import Standing
from mmsb.state.home.restoring import read_meta, restore
from mmsb.state.store import PAGES
from tests.home.test_home import LAYOUT, Rows, small

MUCH = 1 << 30


def key(number: int) -> bytes:
    return number.to_bytes(8, "little")


def standing(settled: int) -> Standing:
    return Standing(settled, b"h" * 32, b"p" * 32, 1, 2, False, None, None, ())


def pages_of(home: Home) -> ArrayPageType:
    return home.state.array_pages.of(LAYOUT)


def write(home: Home, number: int, body: bytes | None) -> None:
    home.bring_pages([(LAYOUT.type_id, key(number))])
    home.state.write_page(LAYOUT.type_id, key(number), 0 if body is None else number + 1, body)
    buckets: Any = pages_of(home).buckets.numbers_of(home.state.array_pages.hash_of((LAYOUT.type_id, key(number))))
    pages_of(home).buckets.touch(buckets, DIRTY | USED)


def flush(home: Home, rows: Rows, settled: int) -> None:
    rows.put(home.cut(settled).rows(standing(settled)))
    home.written()


def made(rows: Rows, count: int) -> Home:
    state = ArrayState(Genesis(b"x" * 16, "bank"))
    state.add_layout(LAYOUT)
    home = Home(state, rows, MUCH)
    for number in range(count):
        write(home, number, bytes(LAYOUT.size))
    flush(home, rows, count)
    return home


def test_what_was_deleted_is_not_read_from_its_old_row_while_that_is_taken_away() -> None:
    rows = Rows()
    home = made(rows, 1)
    write(home, 0, None)
    cut = home.cut(1)
    home.budget = 0
    for _ in range(2):
        home._make_room(1)  # pyright: ignore[reportPrivateUsage]  # as another page type's need does
    home.bring_pages([(LAYOUT.type_id, key(0))])
    assert home.state.read_page(LAYOUT.type_id, key(0)) is None
    rows.put(cut.rows(standing(1)))
    home.written()
    home.bring_pages([(LAYOUT.type_id, key(0))])
    assert home.state.read_page(LAYOUT.type_id, key(0)) is None


def test_a_wrong_row_ends_all_reading_so_that_no_sound_row_beside_it_comes_twice() -> None:
    with small():
        rows = Rows()
        made(rows, 64)
        meta = read_meta(rows)
        assert meta is not None
        _, home = restore(rows, meta, MUCH)
        wrong = max(name for name in rows.all if name.startswith(PAGES))
        rows.all[wrong] = rows.all[wrong][:-1] + b"\1"
        with pytest.raises(CorruptState, match="its checksum fits"):
            home.bring_pages([(LAYOUT.type_id, key(number)) for number in range(64)])
        with pytest.raises(CorruptState, match="its checksum fits"):
            home.bring_pages([(LAYOUT.type_id, key(0))])
        assert pages_of(home).resident <= 64
        assert not np.any(pages_of(home).buckets.flags & PINNED), "what did not come holds nothing in memory"


def test_no_row_stays_of_a_page_type_that_became_another_and_came_back_before_a_flush() -> None:
    with small():
        rows = Rows()
        made(rows, 64)
        meta = read_meta(rows)
        assert meta is not None
        fold, home = restore(rows, meta, MUCH)
        assert isinstance(fold.state, ArrayState)
        other = replace(LAYOUT, name="Other")
        columns = {f.name: Column(f.type, f.type, slice(f.offset, f.end)) for f in LAYOUT.fields}
        home.bring_type(LAYOUT.type_id)
        convert_type(fold.state, LAYOUT, other, columns)
        home.converted(other.type_id)
        convert_type(fold.state, other, LAYOUT, columns)
        home.converted(LAYOUT.type_id)
        for number in range(1, 64):
            write(home, number, None)
        flush(home, rows, 128)
        digest_store(rows)
        assert rows.count(PAGES) == 1


def test_the_index_has_room_for_all_that_comes_before_the_first_of_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filled in the order of hashes while it grows, it took 9 s instead of half a second for a million pages."""
    monkeypatch.setattr("mmsb.state.home.home.ROWS_AT_ONCE", 8)
    with small():
        rows = Rows()
        made(rows, 4_000)
        meta = read_meta(rows)
        assert meta is not None
        _, home = restore(rows, meta, MUCH)
        places = list[int]()
        read = rows.read

        def noted(keys: Sequence[bytes]) -> list[bytes | None]:
            places.append(len(pages_of(home).index))
            return read(keys)

        monkeypatch.setattr(rows, "read", noted)
        home.bring_pages([(LAYOUT.type_id, key(number)) for number in range(4_000)])
        assert len(places) > 100
        assert len(set(places)) == 1
