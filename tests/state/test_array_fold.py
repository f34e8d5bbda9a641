"""Blocks folded by compiled code: what the plain way accepts, refuses and leaves behind, compiled code does, too."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from mmsb.schemas.deltas import DeltaKind, change
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.limits import SOURCES_MAX
from mmsb.schemas.sources import OUTSIDE, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import Block, BlockHeader, DeltaRow, OutcomeRow
from mmsb.schemas.tlog.records import chain
from mmsb.state import block_folder
from mmsb.state import fold as folding
from mmsb.state.array_fold import ArrayFold
from mmsb.state.arrays import ArrayState
from tests.state import logs
from tests.state.blocks import PAGES
from tests.state.duels import Duel, contents, header_of
from tests.state.logs import ACCOUNT, ALICE, APPLIED, BUNDLE, KEY, NOOP, Author, body, put, snapshot

LONG = PAGES[1]

# What must have been refused at least once, whoever it is that forges.
REFUSALS = (
    "a canonical row",
    "a clock that does not rise",
    "a delta of an unknown page",
    "a delta on epoch",
    "a delta that no encoder writes",
    "a follow-up to be a packed intent",
    "a follow-up to carry its number",
    "a follow-up to partition",
    "a metadata block",
    "a payload for every delta",
    "a quarantine of one offset",
    "a section of",
    "an outcome of an unknown intent",
    "an outcome of this kind of record",
    "another digest",
    "as many rows as the outcomes need",
    "bad_bool",
    "bad_enum",
    "bad_float",
    "bad_padding",
    "bad_text",
    "base at",
    "bounds at",
    "clock rows that rise",
    "deltas in order",
    "does not carry its cause's metadata",
    "duplicate of a number",
    "empty at",
    "expected kind # or #",
    "expected the clock #",
    "follow-up # after",
    "follow-ups in order",
    "has another source, number or hops",
    "hops: expected",
    "kind at",
    "message #",
    "metadata for the outcomes",
    "metadata_version",
    "no bytes beyond the follow-ups'",
    "no payload beyond the deltas'",
    "nothing after the last section",
    "number: expected",
    "one delta for each",
    "order at",
    "payload at",
    "the bytes that an encoder writes",
    "the clock to end at",
    "zeros",
)


@pytest.mark.parametrize("window", [1, 2, 3, 50])
@pytest.mark.parametrize("seed", range(5))
def test_blocks_are_folded_as_the_plain_way_folds_them(window: int, seed: int) -> None:
    duel = Duel(Random(seed), window)
    for _ in range(12):
        duel.fold(duel.with_digest(duel.block(duel.rng.choice([1, 3, 20, 60]))))
    assert duel.seen == {"applied": 12}
    duel.state.check()


SOME = (0, 5, 6, 9, 13, 14, 20, 22, 38)
"""The fewest of forty seeds that reach every refusal between them."""


@pytest.mark.parametrize("seeds", [SOME, pytest.param(range(40), marks=pytest.mark.campaign)], ids=["some", "all"])
def test_wrong_blocks_are_refused_and_leave_nothing(seeds: Sequence[int]) -> None:
    seen: Counter[str] = Counter()
    for seed in seeds:
        duel = Duel(Random(seed), 20)
        for _ in range(8):
            duel.fold(duel.with_digest(duel.block(duel.rng.choice([1, 3, 20]))))
            for _ in range(8):
                duel.fold(duel.with_digest(duel.wrong(duel.block(3))))
            for _ in range(4):
                duel.fold(duel.damaged(duel.with_digest(duel.block(3))))
        duel.state.check()
        seen += duel.seen
    assert {why for why in REFUSALS if not any(why in found for found in seen)} == set()


# What is rare


def header(duel: Duel, count: int) -> BlockHeader:
    return BlockHeader(bytes(16), bytes(32), duel.first, duel.first + count - 1, duel.state.clock, bytes(16), 7)


def rows(duel: Duel, deltas: list[DeltaRow]) -> bytes:
    """A block of applied intents, one for each delta."""
    outcomes = [OutcomeRow(Status.APPLIED)] * len(deltas)
    return duel.with_digest(Block(header(duel, len(deltas)), outcomes, [], deltas, []))


def test_a_block_that_changes_more_than_it_says_needs_a_longer_journal() -> None:
    """One word that fills a page, again and again, and deletions say little and change much."""
    duel = Duel(Random(1), 5, (LONG,))
    duel.folder._journal = duel.folder._journal[:64].copy()
    deltas, before = [], bytes(LONG.size)
    for index in range(40):
        after = LONG.pack([(index,) * 200, 7])
        made = change(before, after)
        base = 0 if before == bytes(LONG.size) else index
        deltas.append(DeltaRow(index, LONG.type_id, bytes(8), base, *made))
        before = after
    deltas.append(DeltaRow(40, LONG.type_id, bytes(8), 40, DeltaKind.DELETE, b""))
    duel.fold(rows(duel, deltas))
    assert duel.seen == {"applied": 1}
    assert len(duel.folder._journal) >= 40 * 200


def test_a_source_more_than_there_may_be_is_refused_before_it_does_harm() -> None:
    duel = Duel(Random(1), 5)
    for number in range(SOURCES_MAX):
        duel.state.array_marks[OUTSIDE, number.to_bytes(16, "little")] = 1
    duel.state.digest = duel.state.recompute_digest()
    before = contents(duel.state)
    outcomes = [
        OutcomeRow(Status.APPLIED, source=Source(OUTSIDE, name, 2, 0)) for name in (bytes(16), b"one source more!")
    ]
    value = duel.with_digest(Block(header(duel, 2), outcomes, [], [], []))
    assert duel.folder.fold(duel.claim, header_of(value), value) == block_folder.LEFT
    assert contents(duel.state) == before
    error, _ = duel.plainly(value)
    assert "one source more" in str(error)
    assert contents(duel.state) == before
    duel.fold(duel.with_digest(Block(header(duel, 1), outcomes[:1], [], [], [])))


def test_the_table_of_ids_is_as_it_was_when_a_block_is_taken_back() -> None:
    """A block that begins a generation of the window empties a table, whose ids are remembered still."""
    duel = Duel(Random(1), 4)
    ids = [bytes([number]) * 16 for number in range(20)]
    for number in range(6):
        duel.fold(duel.with_digest(Block(header(duel, 1), [OutcomeRow(Status.APPLIED, id=ids[number])], [], [], [])))
    wrong = Block(header(duel, 12), [OutcomeRow(Status.APPLIED, id=id) for id in ids[6:18]], [], [], [])
    duel.fold(wrong.pack())
    assert [duel.state.first_offset(id) for id in ids[:8]] == [None, None, 2, 3, 4, 5, None, None]
    duel.fold(duel.with_digest(wrong))
    duel.state.check()


@pytest.mark.parametrize("places", [[0, 1], [1, 0]], ids=["first", "last"])
def test_pages_deleted_and_made_anew_come_back_to_their_places(places: list[int]) -> None:
    duel = Duel(Random(1), 4, (LONG,))
    bodies = [LONG.pack([(number,) * 200, 7]) for number in range(4)]
    keys = [bytes([number]) + bytes(7) for number in range(4)]
    made = [DeltaRow(at, LONG.type_id, keys[at], 0, *change(bytes(LONG.size), bodies[at])) for at in range(3)]
    duel.fold(rows(duel, made))
    gone = [
        DeltaRow(at, LONG.type_id, keys[place], place + 1, DeltaKind.DELETE, b"") for at, place in enumerate(places)
    ]
    again = [replace(made[place], index=at + 2) for at, place in enumerate(places)]
    more = DeltaRow(4, LONG.type_id, keys[3], 0, *change(bytes(LONG.size), bodies[3]))
    value = rows(duel, [*gone, *again, more])
    duel.fold(value[:80] + bytes(16) + value[96:])
    duel.fold(value)
    assert list(duel.seen.values()) == [2, 1]


# The class


def test_what_compiled_code_refuses_wrongly_is_no_one_elses_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Author()
    log.claim(ALICE, 1, BUNDLE)
    block = log.write(APPLIED, deltas=[put(0, 0, None, body("ann", 8))])
    fold = ArrayFold(log.records[0][1])
    fold.read(1, *log.records[1])
    before = snapshot(fold)
    monkeypatch.setattr(fold._folder, "fold", lambda *_: block_folder.REFUSED)
    with pytest.raises(AssertionError, match="refuses no block that counts"):
        fold.read(2, b"block", block)
    assert snapshot(fold) == before
    monkeypatch.setattr(fold._folder, "fold", lambda *_: block_folder.LEFT)
    assert fold.read(2, b"block", block).accepted
    assert fold.state.read_page(ACCOUNT.type_id, KEY) == (1, body("ann", 8))


def count_unpacking(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every value that is decoded from now on."""
    seen: list[bytes] = []

    def unpack(value: bytes) -> Any:
        seen.append(value)
        return unpack_block(value)

    monkeypatch.setattr(folding, "unpack_block", unpack)
    return seen


def test_rows_of_a_block_are_decoded_for_whoever_asks_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Author()
    log.claim(ALICE, 1, BUNDLE)
    block = log.write(APPLIED, NOOP)
    seen = count_unpacking(monkeypatch)
    fold = ArrayFold(log.records[0][1])
    verdicts = [fold.read(1, *log.records[1]), fold.read(2, b"block", block)]
    assert [verdict.settles for verdict in verdicts] == [False, True]
    assert seen == []
    assert verdicts[0].block is None
    assert verdicts[1].block == verdicts[1].block == unpack_block(block)
    assert seen == [block]


@pytest.mark.parametrize("kind", [folding.Fold, ArrayFold])
def test_a_block_of_ones_own_is_acknowledged_by_its_header(
    kind: type[folding.Fold], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs.Kind, "fold", kind)
    log = Author()
    log.claim(ALICE, 1, BUNDLE)
    block = log.write(NOOP)
    seen = count_unpacking(monkeypatch)
    assert log.fold.acknowledge(2, b"block", block, log.fold.digest, chain(log.fold.head, b"block", block)).settles
    assert seen == []
    with pytest.raises(CorruptState, match="the digest is"):
        log.fold.acknowledge(3, b"block", log.write(NOOP, digest=bytes(15) + b"\1"), log.fold.digest, bytes(32))


def test_the_state_of_an_array_fold_is_in_arrays() -> None:
    fold = ArrayFold(logs.GENESIS.pack())
    assert isinstance(fold.state, ArrayState)
    assert fold.state.genesis == logs.GENESIS
