"""What `mmsb diff` compares: states, wherever they come from, each with the past that says who made it so."""

from typing import TYPE_CHECKING, Protocol

from mmsb.cli.owner import Owner
from mmsb.schemas.errors import InvalidValue, Overloaded

if TYPE_CHECKING:
    from mmsb.cli.stored import Stored
    from mmsb.state.pages import PageId
    from mmsb.streams.folder import Progress
    from mmsb.streams.past.differing import State
    from mmsb.streams.past.past import Past
    from mmsb.streams.stats import PartitionStats

LOOKS = 5  # at a process that goes on meanwhile


class Side(Protocol):
    """All partitions of one application, at one moment each."""

    name: str

    def state(self, partition: int, tell: "Progress") -> "State": ...

    def past(self, partition: int) -> "Past": ...

    def settled(self, partition: int) -> int | None:
        """The intent offset behind which its state was; None is the last one."""
        ...


class FolderSide:
    """A data folder as its log tells it: all of it, or up to an intent offset."""

    def __init__(self, stored: "Stored", at: int | None = None) -> None:
        self.name = str(stored.folder) if at is None else f"offset {at}"
        self._stored = stored
        self._at = at

    def state(self, partition: int, tell: "Progress") -> "State":
        from mmsb.streams.past.differing import state_of
        from mmsb.streams.past.folding import fold_partition

        stored, short = self._stored, self._at is not None
        fold = fold_partition(
            stored.files, stored.folder_of(partition), tell, self._at, stored.bases(partition), short=short
        )
        return state_of(fold)

    def past(self, partition: int) -> "Past":
        return self._stored.past(partition)

    def settled(self, partition: int) -> int | None:
        return self._at


class CheckpointSide:
    """A checkpoint as its rows tell it."""

    def __init__(self, stored: "Stored", partition: int, name: str) -> None:
        self.name = f"checkpoint {name}"
        self._stored = stored
        self._base = stored.bases(partition).named(name)

    def state(self, partition: int, tell: "Progress") -> "State":
        from mmsb.streams.past.differing import state_of

        return state_of(self._base.fold())

    def past(self, partition: int) -> "Past":
        return self._stored.past(partition)

    def settled(self, partition: int) -> int | None:
        return self._base.settled


class LiveSide:
    """What a running process has in memory. It must be quiet while it is asked: pages of one moment are compared."""

    name = "running process"

    def __init__(self, stored: "Stored", owner: Owner, partition: int) -> None:
        self._stored = stored
        self._settled, self._state = _look(owner, partition)

    def state(self, partition: int, tell: "Progress") -> "State":
        return self._state

    def past(self, partition: int) -> "Past":
        return self._stored.past(partition)

    def settled(self, partition: int) -> int | None:
        return self._settled


def _look(owner: Owner, partition: int) -> "tuple[int, State]":
    """A state, and the offset behind which it is."""
    from mmsb.streams.past.differing import rows_of

    for _ in range(LOOKS):
        before = _stats(owner, partition)
        state = {page.name: rows_of(page, owner.scan(partition, page.type_id)) for page in owner.descriptor.pages}
        after = _stats(owner, partition)
        if (before.settled, before.digest) == (after.settled, after.digest):
            return before.settled, state
    raise Overloaded(
        f"partition {partition}: the running process settled intents each time its pages were read; compare again when "
        "it has less to do, or its digest alone with `mmsb replay`"
    )


def _stats(owner: Owner, partition: int) -> "PartitionStats":
    found = owner.stats_of(partition)
    if found is None:
        raise InvalidValue(f"--partition {partition}: the running process has it not; `mmsb stats` shows which it has")
    return found


def last_change(side: Side, partition: int, page: "PageId", epoch: int) -> int:
    """The offset of the intent that last changed a page, or deleted it; -1 if none ever did."""
    if epoch:
        return epoch - 1
    settled = side.settled(partition)
    found = side.past(partition).history(page, 1, None if settled is None else settled + 1)
    return found[0].offset if found else -1


def check_comparable(a: "Stored", b: "Stored") -> None:
    one, other = a.outline.genesis, b.outline.genesis
    if (one.app, one.partition_count) != (other.app, other.partition_count):
        raise InvalidValue(
            f"expected two folders of one application and as many partitions, found {one.app} with "
            f"{one.partition_count} and {other.app} with {other.partition_count}; name others"
        )
