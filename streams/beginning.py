"""Where the fold of a partition begins: where its store stands, or else at the log's first record.

A store is taken at its word only about what the logs still say: the record that it stands at must have its head, and
what it has settled must be there. It stands at nothing that was not durable, so what is missing was lost by the disk.
"""

from dataclasses import dataclass, field
from pathlib import Path

from mmsb.processors.intake import read_batches
from mmsb.schemas.errors import CorruptState, InvalidValue
from mmsb.schemas.limits import WINDOW_DEFAULT
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.records import chain
from mmsb.state.array_fold import ArrayFold
from mmsb.state.arrays import ArrayState
from mmsb.state.home.home import Home
from mmsb.state.home.meta import Meta, Standing
from mmsb.state.store import Store
from mmsb.streams.folder import TLOG
from mmsb.streams.homes import Housed
from mmsb.streams.log import Durable, Log


@dataclass(frozen=True)
class Wanted:
    """What a partition's genesis should say. None leaves it to the one that is there, or to the default."""

    app: str
    partition: int
    partition_count: int | None = None
    window: int | None = None
    log_id: bytes | None = None

    def genesis(self, nonce: bytes) -> Genesis:
        window = WINDOW_DEFAULT if self.window is None else self.window
        return Genesis(self.log_id or nonce, self.app, self.partition, self.partition_count or 1, window)

    def check(self, found: Genesis) -> None:
        if found.app != self.app:
            raise InvalidValue(
                f"this data folder is of {found.app!r}, and the application is {self.app!r}; name another"
            )
        for name, fixed, asked in (
            ("partitions", found.partition_count, self.partition_count),
            ("window", found.window, self.window),
        ):
            if asked not in (None, fixed):
                raise InvalidValue(
                    f"{name}: this data folder was made with {fixed}, which is fixed for ever; found {asked}: leave it "
                    "out, or name another folder"
                )
        if found.partition != self.partition or self.log_id not in (None, found.log_id):
            raise CorruptState(
                f"partition {self.partition}: expected the log {self.log_id and self.log_id.hex()}, found partition "
                f"{found.partition} of log {found.log_id.hex()}: folders were mixed up, or the topics made "
                "anew; restore a good copy"
            )


@dataclass(frozen=True)
class Begun:
    """A fold over a state, and where that has its home."""

    fold: ArrayFold
    home: Home
    store: Store
    follow_up_blocks: list[int] = field(default_factory=list[int])
    """TLog offsets of blocks that count and have follow-ups, which may still have to be relayed."""


@dataclass(frozen=True)
class Logs:
    """Both logs of a partition."""

    folder: Path
    intents: Log
    tlog: Log
    mirrored: bool = False
    """Of topics: what is folded may be ahead of the intents that have come."""


def durable_of(mark: Durable, meta: Meta | None) -> Durable:
    """What is known to be durable: a store stands at nothing that was not."""
    if meta is None:
        return mark
    standing = meta.standing
    return Durable(max(mark.intents, standing.settled + 1), max(mark.tlog, standing.next))


def begin(logs: Logs, wanted: Wanted, nonce: bytes, housed: Housed, memory: int) -> Begun:
    """Where the store stands; or else record 0 of the log, or, if there is none, the one that is to be written."""
    store, meta = housed.store, housed.meta
    if meta is not None and housed.restored is not None:
        wanted.check(meta.contents.genesis)
        _check_stands(logs, meta.standing)
        return Begun(*housed.restored, store, list(meta.standing.follow_up_blocks))
    fold = _begin_log(logs, wanted, nonce)
    assert isinstance(fold.state, ArrayState), "an array fold has one"
    return Begun(fold, Home(fold.state, store, memory), store)


def _begin_log(logs: Logs, wanted: Wanted, nonce: bytes) -> ArrayFold:
    tlog = logs.tlog
    if tlog.first:
        raise CorruptState(
            f"{logs.folder}: expected a store or a sound checkpoint, found neither, and the TLog begins only at offset "
            f"{tlog.first}; bring a checkpoint here: mmsb checkpoint import"
        )
    if tlog.end:
        records = read_batches(tlog.read(0, 1))
        fold = ArrayFold(records.value(0), records.key(0))
        wanted.check(fold.genesis)
        return fold
    if logs.intents.end:
        raise CorruptState(
            f"{logs.folder / TLOG}: expected a TLog beside an intents log of {logs.intents.end} records, found none: "
            "something removed it; restore a good copy"
        )
    return ArrayFold(wanted.genesis(nonce).pack())


def _check_stands(logs: Logs, standing: Standing) -> None:
    """That the logs have what the store was made from."""
    logs.tlog.require(standing.next)
    if not logs.mirrored:
        logs.intents.require(standing.settled + 1)
    if standing.accepted_at < logs.tlog.first:
        return  # a checkpoint of another machine, whose logs begin behind it
    records = read_batches(logs.tlog.read(standing.accepted_at, 1))
    index = standing.accepted_at - records.first
    value = records.value(index)
    if value is None or chain(standing.head_prev, records.key(index), value) != standing.head:
        raise CorruptState(
            f"{logs.folder}: expected TLog offset {standing.accepted_at} to be the record that the store was made from,"
            " found another: folders were mixed up; restore logs and store of one copy, or a checkpoint"
        )
