"""A state in flat arrays is the plain one: the same answers after the same operations, whatever is taken back."""

from dataclasses import dataclass, field
from random import Random

import pytest

from mmsb.schemas.sources import OUTSIDE, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.arrays import ArrayState
from mmsb.state.partition import PartitionState

WINDOWS = (1, 2, 3, 50)
NO_ID = bytes(16)
STATUSES = (Status.APPLIED, Status.REJECTED, Status.NOOP, Status.DUPLICATE)


@dataclass
class Pair:
    """Both states, given the same to do. Keys, ids and sources are few, so that they meet again."""

    rng: Random
    window: int
    offset: int = 0
    states: tuple[PartitionState, PartitionState] = field(init=False)

    def __post_init__(self) -> None:
        genesis = Genesis(self.rng.randbytes(16), "pair", 0, 4, self.window)
        self.states = PartitionState(genesis), ArrayState(genesis)

    def step(self) -> None:
        """One offset with whatever an intent may do."""
        rng, offset = self.rng, self.offset
        id = rng.choice([None, rng.randrange(12).to_bytes(16, "little")])
        source = rng.choice([None, Source(OUTSIDE, rng.randrange(4).to_bytes(16, "little"), rng.randrange(1, 50), 0)])
        status = rng.choice(STATUSES)
        type_id, key = rng.randrange(5, 7), rng.randrange(20).to_bytes(8, "little")
        body = rng.choice([None, rng.randbytes(24)])
        target = rng.randrange(8)
        for state in self.states:
            state.advance_clock(max(state.clock, offset * 7))
            state.settle(offset, status, id, source)
            if body is not None or state.read_page(type_id, key) is not None:
                state.write_page(type_id, key, offset + 1, body)
            if target < 4:
                state.count_follow_up(target)
        self.offset += 1
        self.compare(id or NO_ID, source or Source(OUTSIDE, NO_ID, 1, 0), type_id, key)

    def compare(self, id: bytes, source: Source, type_id: int, key: bytes) -> None:
        plain, arrays = self.states
        assert arrays.first_offset(id) == plain.first_offset(id)
        assert arrays.mark(source.kind, source.source) == plain.mark(source.kind, source.source)
        assert arrays.read_page(type_id, key) == plain.read_page(type_id, key)
        assert arrays.digest == plain.digest

    def stretch(self) -> None:
        """Some offsets that are kept or taken back together."""
        before = self.offset
        for state in self.states:
            state.begin()
        for _ in range(self.rng.randrange(20)):
            self.step()
        if self.rng.random() < 0.5:
            for state in self.states:
                state.rollback()
            self.offset = before
        else:
            for state in self.states:
                state.commit()

    def compare_all(self) -> None:
        plain, arrays = self.states
        assert contents(arrays) == contents(plain)
        assert arrays.digest == plain.digest == arrays.recompute_digest()


def contents(state: PartitionState) -> tuple[object, ...]:
    """All that a state keeps, in an order of its own where it has one."""
    counts = (state.page_count, state.source_count, len(state._ids), len(state._marks), len(state._sent))
    return sorted(state.pages), list(state._ids), dict(state._marks), dict(state._sent), state.clock, counts


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("seed", range(10))
def test_arrays_do_what_plain_python_does(window: int, seed: int) -> None:
    pair = Pair(Random(seed), window)
    for _ in range(4):
        for _ in range(pair.rng.randrange(30)):
            pair.step()
        pair.compare_all()
        pair.stretch()
        pair.compare_all()


def test_pages_are_found_again_when_their_arrays_have_grown() -> None:
    state = ArrayState(Genesis(b"g" * 16, "pair"))
    for number in range(5000):
        state.write_page(7, number.to_bytes(8, "little"), number + 1, number.to_bytes(16, "little"))
    for number in range(0, 5000, 3):
        state.write_page(7, number.to_bytes(8, "little"), 9_999, None)
    for number in range(5000):
        kept = (number + 1, number.to_bytes(16, "little")) if number % 3 else None
        assert state.read_page(7, number.to_bytes(8, "little")) == kept
    assert state.page_count == 3333
    assert state.digest == state.recompute_digest()
