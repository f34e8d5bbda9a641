"""Applies an accepted block to the state, refusing whatever this reign's writer could not have found.

Everything raises InvalidValue in the middle of its work; the fold takes back what was applied before that.
"""

from mmsb.schemas.deltas import DeltaKind, DeltaStatus, apply_change, check_change, is_canonical_change
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.layouts import IntentLayout, PageLayout
from mmsb.schemas.rejections import Code
from mmsb.schemas.tlog.blocks import Block, DeltaRow, FollowUpRow, OutcomeRow
from mmsb.schemas.tlog.claims import Claim
from mmsb.schemas.upserts import BUILT_IN_TYPES
from mmsb.state.follow_ups import check_follow_up
from mmsb.state.partition import PartitionState


def apply_block(state: PartitionState, claim: Claim | None, block: Block) -> None:
    """Clock, envelopes, deltas and follow-ups, column by column; `claim` is the one in force."""
    first = block.header.first
    for _, clock in block.rises:
        if clock <= state.clock:
            raise InvalidValue(f"a clock that does not rise: {clock} after {state.clock}")
        state.advance_clock(clock)
    for index, outcome in enumerate(block.outcomes):
        _check_outcome(claim, outcome)
        state.settle(first + index, outcome.status, outcome.id, outcome.source)
    for delta in block.deltas:
        _apply_delta(state, delta, first + delta.index + 1)
    for follow_up in block.follow_ups:
        _count_follow_up(state, block.outcomes[follow_up.index], first + follow_up.index, follow_up)
    if state.clock != block.header.clock:
        raise InvalidValue(f"expected the clock {state.clock}, found {block.header.clock}")


def _check_outcome(claim: Claim | None, outcome: OutcomeRow) -> None:
    """Names in an outcome are those of the claim in force."""
    known = claim.descriptor.layouts_by_type if claim else {}
    intent = outcome.type_id
    if intent not in BUILT_IN_TYPES and intent is not None and not isinstance(known.get(intent), IntentLayout):
        raise InvalidValue(f"an outcome of an unknown intent: type {intent:016x}")
    messages = claim.descriptor.messages if claim else ()
    why = outcome.rejection
    if why is not None and why.code == Code.REFUSED and why.ordinal >= len(messages):
        raise InvalidValue(f"message {why.ordinal}, which the claim does not have")


def _apply_delta(state: PartitionState, delta: DeltaRow, epoch: int) -> None:
    layout = state.layout_of(delta.type_id)
    if layout is None or len(delta.key) != layout.key_size or layout.key_problem(delta.key) is not None:
        raise InvalidValue(f"a delta of an unknown page: type {delta.type_id:016x}, key {delta.key.hex()}")
    base, before = state.read_page(delta.type_id, delta.key) or (0, bytes(layout.size))
    if base != delta.base:
        raise InvalidValue(f"{layout.name} {delta.key.hex()}: a delta on epoch {delta.base}, the page is at {base}")
    status, at = check_change(layout.word_count, delta.kind, delta.payload, delta.base)
    if status != DeltaStatus.OK:
        raise InvalidValue(f"{layout.name} {delta.key.hex()}: {status.name.lower()} at byte {at} of the payload")
    after = None if delta.kind == DeltaKind.DELETE else _changed(layout, before, delta)
    state.write_page(delta.type_id, delta.key, epoch, after)


def _changed(layout: PageLayout, before: bytes, delta: DeltaRow) -> bytes:
    after = apply_change(before, delta.kind, delta.payload)
    if not is_canonical_change(before, after, delta.kind, delta.payload):
        raise InvalidValue(f"{layout.name} {delta.key.hex()}: a delta that no encoder writes")
    problem = layout.stored_problem(after)
    if problem:
        raise InvalidValue(f"{layout.name} {delta.key.hex()}: {problem.code.name.lower()}")
    return after


def _count_follow_up(state: PartitionState, cause: OutcomeRow, offset: int, follow_up: FollowUpRow) -> None:
    if follow_up.target >= state.genesis.partition_count:
        raise InvalidValue(f"a follow-up to partition {follow_up.target}")
    if follow_up.number != state.sent(follow_up.target) + 1:
        raise InvalidValue(f"follow-up {follow_up.number} after {state.sent(follow_up.target)}")
    check_follow_up(state.genesis, cause, offset, follow_up)
    state.count_follow_up(follow_up.target)
