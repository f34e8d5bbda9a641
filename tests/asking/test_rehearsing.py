"""Rehearsals of random histories: the same code does the same again, and what is left out never was.

The model is the interpreter, which steps one record at a time and is given a control record for what is left out.
"""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from mmsb.processors.bundle import Bundle
from mmsb.processors.machine import Machine
from mmsb.schemas.batches import encode_batch
from mmsb.schemas.envelopes import Envelope, read_envelope
from mmsb.schemas.ids import source_of_follow_up
from mmsb.schemas.records import CONTROL, TRANSACTIONAL
from mmsb.schemas.sources import FOLLOW_UP
from mmsb.schemas.tlog.blocks import OutcomeRow
from mmsb.state.fold import Fold
from mmsb.streams.asking.comparing import What
from mmsb.streams.asking.filters import Filter
from mmsb.streams.asking.rehearsing import Rehearsal, Rehearsed
from mmsb.streams.folder import INTENTS, MARK
from mmsb.streams.log import Durable, Mark
from mmsb.streams.past.columns import BlockColumns
from mmsb.streams.past.outcomes import OutcomeColumns, read_metadata
from tests.past.folders import PARTITION, open_log, write_partition
from tests.proof.agreement import Case, loaded, make_case
from tests.proof.test_folding import entries_of
from tests.simulation.disk import VirtualFiles


def honest(seed: int) -> Case:
    """A history without follow-ups to the partition that they come from: the generator makes those up."""
    case = make_case(seed, 60)
    with loaded(case.description) as bundle:
        rows, machine = model(case, bundle, set())
    own = source_of_follow_up(case.genesis.log_id, machine.state.genesis.partition)
    made_up = [row.source is not None and row.source.source == own for row in rows]
    flags = bytes(CONTROL if made else flag for made, flag in zip(made_up, case.records.flags, strict=True))
    return replace(case, records=replace(case.records, flags=flags))


def recorded(case: Case, bundle: Bundle, cut: int) -> VirtualFiles:
    files = VirtualFiles()
    entries = list(entries_of(case, bundle, cut))
    write_partition(files, entries, case.genesis.pack(), rng=Random(cut))
    intents = open_log(files, PARTITION / INTENTS)
    for record, flags in zip(case.records, case.records.flags, strict=True):
        about = {"control": bool(flags & CONTROL), "transactional": bool(flags & TRANSACTIONAL)}
        intents.append(encode_batch(intents.end, [record], **about), intents.end, 1)
    intents.sync()
    mark = Mark.open(files, PARTITION / MARK)
    mark.write(Durable(intents.durable, mark.durable.tlog))
    intents.close()
    mark.close()
    return files


def rehearse(files: VirtualFiles, bundle: Bundle, **filters: Any) -> tuple[Rehearsal, list[Rehearsed]]:
    """What became of it; follow-ups of other partitions arrive as they were recorded."""
    rehearsal = Rehearsal(files, [PARTITION], bundle, **filters)
    return rehearsal, list(rehearsal.run())


def rows_of(found: list[Rehearsed]) -> list[OutcomeRow]:
    return [outcomes.outcome(row) for each in found for block, outcomes in each.blocks for row in range(block.count)]


def model(case: Case, bundle: Bundle, left_out: set[int]) -> tuple[list[OutcomeRow], Machine]:
    machine = Machine(bundle, Fold(case.genesis.pack()).state)
    rows: list[OutcomeRow] = []
    for index in range(len(case.records)):
        record = case.records.slice(index, index + 1)
        if index in left_out:
            record = replace(record, flags=bytes([CONTROL]))
        rows += machine.step(record).outcomes
    return rows, machine


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_the_same_code_does_the_same_again(start: int) -> None:
    for seed in range(start, start + 10):
        case = honest(seed)
        with loaded(case.description) as bundle:
            rehearsal, found = rehearse(recorded(case, bundle, 7), bundle)
        for each in found:
            assert not each.differs.any()
            assert each.kept.all()
        assert rehearsal.ends_before(0) is None
        assert rehearsal.hypothetical(0).digest == rehearsal.recorded(0).digest
        assert rehearsal.without_place == 0


@pytest.mark.parametrize("seed", range(16))
def test_what_is_left_out_never_was(seed: int) -> None:
    case = honest(seed)
    with loaded(case.description) as bundle:
        files = recorded(case, bundle, 7)
        rows, _ = model(case, bundle, set())
        actors = {read_metadata(row.metadata).actor for row in rows if row.metadata}
        for actor in sorted(actor for actor in actors if actor is not None):
            rehearsal, found = rehearse(files, bundle, without=Filter(actor=actor))
            left_out = {each.first + row for each in found for row in range(len(each.kept)) if not each.kept[row]}
            assert left_out == {
                offset
                for offset, row in enumerate(rows)
                if read_metadata(row.metadata).actor == actor and (row.source is None or row.source.kind != FOLLOW_UP)
            }
            expected, machine = model(case, bundle, left_out)
            assert rows_of(found) == expected
            assert rehearsal.hypothetical(0).digest == machine.state.digest


@pytest.mark.parametrize("seed", range(16))
def test_every_difference_is_found_and_nothing_else(seed: int) -> None:
    """Without the intents of one type: what differs is what two lists of rows differ in, page by page."""
    case = honest(seed)
    with loaded(case.description) as bundle:
        files = recorded(case, bundle, 13)
        rows, _ = model(case, bundle, set())
        for type_id in {row.type_id for row in rows if row.type_id is not None}:
            _, found = rehearse(files, bundle, without=Filter(types=frozenset({type_id})))
            for each in found:
                for row in range(len(each.kept)):
                    [(block, outcomes)] = each.blocks
                    was, now = told(each.recorded.block, each.recorded.outcomes, row), told(block, outcomes, row)
                    bits = sum(what for what in What if each.kept[row] and was[what] != now[what])
                    assert each.differs[row] == bits


def unnumbered(intent: bytes) -> Envelope:
    envelope = read_envelope(intent)
    assert envelope.source is not None
    return replace(envelope, source=replace(envelope.source, number=1))


def told(block: BlockColumns, outcomes: OutcomeColumns, row: int) -> dict[What, object]:
    """What is compared of one offset, from its rows."""
    outcome = outcomes.outcome(row)
    return {
        What.STATUS: outcome.status,
        What.REASON: (outcome.rejection, outcome.first_offset),
        What.CHANGES: sorted(
            (*block.page(at), int(block.deltas["kind"][at]), bool(block.deltas["base"][at]), block.payload(at))
            for at in block.rows_at(row)
        ),
        What.FOLLOW_UPS: [(sent.target, unnumbered(sent.intent)) for sent in outcomes.follow_ups(row)],
    }
