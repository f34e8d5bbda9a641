"""Which follow-ups arrive in a rehearsal, and where: those that its own intents emit, in the places of the recorded.

A place is where a recorded follow-up was logged. The next one that the rehearsal emitted to that partition arrives in
it, unless it was emitted behind what the recorded one came from: nothing may arrive before its cause. A place for which
there is none stays empty; what finds no place has not arrived when the record ends.
"""

from collections import deque
from dataclasses import dataclass, field

from mmsb.schemas.sources import FOLLOW_UP, Source
from mmsb.schemas.tlog.blocks import FollowUpRow


@dataclass(slots=True)
class Lane:
    """From one partition to another."""

    recorded: "deque[int]" = field(default_factory=deque[int])
    """Of those that were recorded as emitted and have not arrived: the offsets of their causes."""
    emitted: "deque[tuple[int, bytes]]" = field(default_factory=deque[tuple[int, bytes]])
    """Of those that the rehearsal has emitted and that have not arrived: the same, and the packed intents."""
    count: int = 0  # how many were recorded as emitted so far
    arrived: int = 0  # the highest number that has arrived, as recorded
    same: bool = True  # whether all that has arrived is what was recorded
    last: bytes | None = None  # what arrived last


class Arrivals:
    """Of all partitions."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[int, int], Lane] = {}

    def emit(self, source: int, first: int, recorded: list[FollowUpRow], emitted: list[FollowUpRow]) -> None:
        """What a block emitted, as recorded and in the rehearsal; `first` is its first offset."""
        for row in recorded:
            lane = self._lane(source, row.target)
            lane.recorded.append(first + row.index)
            lane.count = row.number
        for row in emitted:
            self._lane(source, row.target).emitted.append((first + row.index, row.intent))

    def ready(self, source: Source, target: int) -> bool:
        """Whether its cause was rehearsed."""
        return source.number <= self._lane(sender(source), target).count

    def arrive(self, source: Source, target: int, recorded: bytes | None) -> bytes | None:
        """What arrives in the place of a recorded follow-up; None if nothing does."""
        lane = self._lane(sender(source), target)
        if source.number != lane.arrived + 1:  # sent again, or behind a gap: it did not count
            return recorded if lane.same else lane.last
        lane.arrived = source.number
        cause, found = lane.recorded.popleft(), None
        if lane.emitted and lane.emitted[0][0] <= cause:
            found = lane.last = lane.emitted.popleft()[1]
        lane.same &= found == recorded
        return found

    @property
    def left(self) -> int:
        """How many were emitted in the rehearsal beyond those that were on their way when the record ended."""
        return sum(
            len(lane.emitted) for lane in self._lanes.values() if not lane.same or lane.recorded != _causes(lane)
        )

    def _lane(self, source: int, target: int) -> Lane:
        return self._lanes.setdefault((source, target), Lane())


def _causes(lane: Lane) -> "deque[int]":
    return deque(cause for cause, _ in lane.emitted)


def sender(source: Source) -> int:
    """The partition that a follow-up comes from."""
    assert source.kind == FOLLOW_UP, "others come from outside"
    return int.from_bytes(source.source[:4], "little")
