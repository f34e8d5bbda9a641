"""Whether a page can take a delta: `validate_delta`, pure, before anything is applied (docs/formats.md, section 7).

Whatever the bytes, the answer is a status and where; nothing raises, nothing is changed. The order of the checks is
part of the formats, since the first failure is what the intent's rejection says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mmsb.schemas.deltas import (
    BASE_AT,
    HEADER,
    KEY_WORDS_AT,
    TYPE_AT,
    DeltaKind,
    DeltaStatus,
    apply_change,
    check_change,
    check_header,
    position_in_record,
)
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.rejections import Code, Rejection

__all__ = ["DeltaStatus", "DeltaVerdict", "PageOf", "rejection_of", "validate_delta"]

PageOf = Callable[[int, bytes], "tuple[int, bytes] | None"]
"""Epoch and body of the page with that type id and key, or None if there is none."""


@dataclass(frozen=True, slots=True)
class DeltaVerdict:
    """`position` is an index in the record, for `value` and `invariant` in the page's body."""

    status: DeltaStatus
    position: int = 0


OK = DeltaVerdict(DeltaStatus.OK)


def validate_delta(record: bytes, layouts: Mapping[int, PageLayout], page: PageOf) -> DeltaVerdict:
    """Judge one stand-alone record against the page types and the page that it names."""
    status, position = check_header(record)
    if status:
        return DeltaVerdict(status, position)
    _, kind, _, key_words, type_id, base, _, _ = HEADER.unpack_from(record)
    layout = layouts.get(type_id)
    if layout is None:
        return DeltaVerdict(DeltaStatus.TYPE, TYPE_AT)
    if 8 * key_words != layout.key_size:
        return DeltaVerdict(DeltaStatus.KEY, KEY_WORDS_AT)
    payload_at = HEADER.size + layout.key_size
    key, payload = record[HEADER.size : payload_at], record[payload_at:]
    component_at = layout.key_problem(key)
    if component_at is not None:
        return DeltaVerdict(DeltaStatus.KEY, HEADER.size + component_at)
    status, position = check_change(layout.word_count, kind, payload, base)
    if status:
        return DeltaVerdict(status, position_in_record(status, position, payload_at))
    epoch, body = page(type_id, key) or (0, bytes(layout.size))
    if epoch != base:
        return DeltaVerdict(DeltaStatus.CONFLICT, BASE_AT)
    return OK if kind == DeltaKind.DELETE else _judge_body(layout, apply_change(body, kind, payload))


def _judge_body(layout: PageLayout, after: bytes) -> DeltaVerdict:
    problem = layout.problem(after, Code.INVARIANT)
    if problem is None:
        return OK
    if problem.code == Code.BAD_PADDING:
        gaps = (at for start, end in layout.gaps for at in range(start, end))
        return DeltaVerdict(DeltaStatus.VALUE, next(at for at in gaps if after[at]))
    status = DeltaStatus.INVARIANT if problem.code == Code.INVARIANT else DeltaStatus.VALUE
    return DeltaVerdict(status, layout.fields[problem.field - 1].offset)


def rejection_of(verdict: DeltaVerdict, record: bytes, layouts: Mapping[int, PageLayout], page: PageOf) -> Rejection:
    """Why an `mmsb.Mutate` with this record is rejected; the other arguments are those that gave the verdict."""
    assert verdict.status != DeltaStatus.OK, "only a delta that cannot be taken is rejected"
    if verdict.status <= DeltaStatus.TYPE:
        return Rejection(Code.BAD_DELTA, 0, value=verdict.position, ordinal=verdict.status)
    _, kind, _, _, type_id, base, _, _ = HEADER.unpack_from(record)
    if verdict.status < DeltaStatus.CONFLICT:
        return Rejection(Code.BAD_DELTA, type_id, value=verdict.position, ordinal=verdict.status)
    layout = layouts[type_id]
    payload_at = HEADER.size + layout.key_size
    epoch, body = page(type_id, record[HEADER.size : payload_at]) or (0, bytes(layout.size))
    if verdict.status == DeltaStatus.CONFLICT:
        return Rejection(Code.CONFLICT, type_id, value=epoch, bound=base)
    problem = layout.problem(apply_change(body, kind, record[payload_at:]), Code.INVARIANT)
    assert problem is not None, "the verdict found one in this body"
    return problem
