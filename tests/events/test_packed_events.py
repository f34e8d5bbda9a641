"""Compiled projection against its definition, over random applications; and choosing among packed events."""

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from mmsb.processors import projector
from mmsb.processors.packed_events import PackedEvents, last_event_of, place_of
from mmsb.processors.projector import Projector
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.events import Event
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import unpack_block_header
from mmsb.state.page_fold import PageFold
from tests.events.logs import Tlog, random_tlog


def project(tlog: Tlog, followed: int = 0) -> Iterator[PackedEvents]:
    """What a projector says of all blocks but the first, which it only follows. The pages must be right at last."""
    fold = PageFold(tlog.entries[0][1], tlog.entries[0][0])
    follower = Projector(fold.pages)
    for offset, (key, value) in enumerate(tlog.entries[1:], 1):
        if fold.read(offset, key, value).settles:
            header = unpack_block_header(value)
            assert header is not None
            if offset <= followed:
                follower.follow(fold.claim, header, value)
            else:
                yield from follower.project(fold.claim, header, value)
    assert {page: (epoch, body) for page, epoch, body in fold.pages.pages} == tlog.pages


def unpacked(pieces: Iterator[PackedEvents]) -> list[Event]:
    return [event for piece in pieces for event in piece.events(range(len(piece)))]


def test_compiled_projection_is_the_definition() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(60):
        tlog = random_tlog(seed)
        assert unpacked(project(tlog)) == tlog.events, f"seed {seed}"
        kinds.update(event.kind.name for event in tlog.events)
        kinds["follow-up"] += sum(event.hops > 0 for event in tlog.events)
        kinds["second"] += sum(event.ordinal > 0 for event in tlog.events)
    assert min(kinds[name] for name in ("CREATED", "CHANGED", "DELETED", "follow-up", "second")) > 0, kinds


def test_blocks_that_are_only_followed_leave_the_pages_as_they_would_be() -> None:
    for seed in range(30):
        tlog = random_tlog(seed)
        half = len(tlog.entries) // 2
        last = unpack_block(tlog.entries[half][1]).header.last
        assert unpacked(project(tlog, half)) == [event for event in tlog.events if event.offset > last], f"seed {seed}"


def test_pieces_of_any_size_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(20):
        tlog = random_tlog(seed, cut=60)
        largest = max((len(event.pack()) for event in tlog.events), default=88)
        for size in (largest, largest + 8, 3 * largest):
            monkeypatch.setattr(projector, "PIECE_BYTES", size)
            pieces = list(project(tlog))
            assert all(piece.byte_count <= size for piece in pieces)
            assert unpacked(iter(pieces)) == tlog.events, f"seed {seed}, pieces of {size}"


def test_what_is_chosen_is_what_looking_at_each_event_chooses() -> None:
    found: Counter[str] = Counter()
    for seed in range(60):
        tlog, rng = random_tlog(seed), Random(seed)
        for piece in project(tlog):
            events = piece.events(range(len(piece)))
            for _ in range(6):
                like = rng.choice(events)
                after = place_of(like.offset, like.ordinal) if rng.random() < 0.3 else -1
                page_type = rng.choice([None, like.page_type])
                key = rng.choice([None, like.key, bytes(8), like.key + bytes(8)])
                fields = rng.choice([None, like.fields, (0,), (70, 1)])
                expected = [
                    index
                    for index, event in enumerate(events)
                    if place_of(event.offset, event.ordinal) > after
                    and page_type in (None, event.page_type)
                    and key in (None, event.key)
                    and (fields is None or set(fields) & set(event.fields))
                ]
                assert piece.find(after, page_type, key, fields).tolist() == expected
                found["none" if not expected else "all" if len(expected) == len(events) else "some"] += 1
    assert min(found["none"], found["some"], found["all"]) > 20, found


def test_the_last_event_of_a_block_is_read_without_its_pages() -> None:
    for seed in range(30):
        tlog = random_tlog(seed)
        for _, value in tlog.entries[2:]:
            header = unpack_block(value).header
            places = [place_of(e.offset, e.ordinal) for e in tlog.events if header.first <= e.offset <= header.last]
            assert last_event_of(value) == (places[-1] if places else None)


def test_a_block_about_other_pages_is_refused() -> None:
    tlog = next(tlog for tlog in map(random_tlog, range(99)) if any(event.before for event in tlog.events))
    changed = next(event for event in tlog.events if event.before)
    fold = PageFold(tlog.entries[0][1], tlog.entries[0][0])
    follower = Projector(fold.pages)
    for offset, (key, value) in enumerate(tlog.entries[1:], 1):
        settles, header = fold.read(offset, key, value).settles, unpack_block_header(value) if offset > 1 else None
        if settles and header is not None and header.last >= changed.offset:
            with pytest.raises(CorruptState, match="restore a good copy"):
                list(follower.project(fold.claim, header, value))
            return
    raise AssertionError("the block that changed the page was there")
