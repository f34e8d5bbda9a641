"""Follow-ups as the block records them: what an emitted intent carries of its cause, to the byte."""

from dataclasses import replace

from mmsb.schemas.envelopes import Envelope, read_envelope
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.ids import position_id, source_of_follow_up
from mmsb.schemas.metadata import Metadata, unpack_metadata
from mmsb.schemas.sources import FOLLOW_UP, HOPS_BITS_MAX, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import FollowUpRow, OutcomeRow
from mmsb.schemas.tlog.genesis import Genesis


def follow_up_source(genesis: Genesis, cause: Source | None, number: int) -> Source:
    """Where a follow-up comes from, its number there, and its hops: one more than its cause's."""
    hops = min((cause.hops if cause else 0) + 1, HOPS_BITS_MAX)
    return Source(FOLLOW_UP, source_of_follow_up(genesis.log_id, genesis.partition), number, hops)


def follow_up_metadata(genesis: Genesis, offset: int, id: bytes | None, metadata: bytes) -> bytes:
    """The cause's metadata, with the cause as causation, and as correlation where there is none."""
    about = unpack_metadata(metadata) if metadata else Metadata()
    cause = position_id(genesis.log_id, genesis.partition, offset) if id is None else id
    return replace(about, causation=cause, correlation=about.correlation or cause).pack()


def check_follow_up(genesis: Genesis, cause: OutcomeRow, offset: int, follow_up: FollowUpRow) -> None:
    """Raise InvalidValue unless this is what the cause at that offset emits."""
    emitted: Envelope = read_envelope(follow_up.intent)
    if emitted.id is not None or emitted.source != follow_up_source(genesis, cause.source, follow_up.number):
        raise InvalidValue(f"follow-up {follow_up.number} of offset {offset} has another source, number or hops")
    if emitted.metadata != follow_up_metadata(genesis, offset, cause.id, cause.metadata):
        raise InvalidValue(f"follow-up {follow_up.number} of offset {offset} does not carry its cause's metadata")
    compensates = cause.source is not None and cause.source.kind == FOLLOW_UP
    if cause.status != Status.APPLIED and not compensates:
        raise InvalidValue(f"offset {offset} was rejected and is no follow-up, but emits one")
