"""Where a TLog stood at a record that counts: owners note it, so that clients need not read what came before.

docs/formats.md, "Noted standing". Pages are left out: it says what is needed to know which records count after it.
It was true once and cannot become false, so nobody has to trust it to be the newest.
"""

import struct
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from mmsb.schemas.errors import CorruptState, InvalidValue, MalformedBytes, NewerFormat
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.blocks import BlockHeader
from mmsb.schemas.tlog.claims import Claim
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.migrations import unpack_migrate
from mmsb.schemas.tlog.records import chain
from mmsb.state.fold import Fold
from mmsb.state.partition import PartitionState

MAGIC: Final = b"MMN\x01"
WORDS_MAX: Final = 4_096
"""What brokers take beside an offset, unless they are told otherwise (offset.metadata.max.bytes)."""

_FIXED: Final = struct.Struct("<4sI16sIIqqqQQ16s32s32s32s")
_TYPE: Final = struct.Struct("<QQ")


def group_of(app: str) -> str:
    """The group under whose name standings are noted, as offsets of the TLog topic."""
    return f"{app}.standing"


@dataclass(frozen=True)
class Noted:
    """All that a fold of headers needs to go on behind the record at `accepted_at`."""

    genesis: Genesis
    settled: int
    accepted_at: int
    next: int
    claimed_at: int
    """The TLog offset of the claim in force, which says what runs; -1 if there was none yet."""
    generation: int
    repeats: bool
    reign: bytes
    bundle: bytes
    head: bytes
    head_prev: bytes
    types: Mapping[int, int]
    """The type id of each page type that there is, by its name's hash."""

    def words(self) -> str | None:
        """As text beside the offset `next`; None if there are more page types than it has room for."""
        genesis = self.genesis
        fixed = _FIXED.pack(
            MAGIC, len(self.types), genesis.log_id, genesis.partition_count, genesis.window, self.settled,
            self.accepted_at, self.claimed_at, self.generation, self.repeats, self.reign, self.bundle, self.head,
            self.head_prev,
        )  # fmt: skip
        words = b64encode(fixed + b"".join(_TYPE.pack(*row) for row in sorted(self.types.items()))).decode()
        return words if len(words) <= WORDS_MAX else None


def read_words(app: str, partition: int, offset: int, words: str) -> Noted:
    """What somebody noted at an offset of a TLog."""
    try:
        data = b64decode(words, validate=True)
    except ValueError:
        raise MalformedBytes("standing", "base64", repr(words[:40]), 0) from None
    if data[:3] == MAGIC[:3] and data[3:4] != MAGIC[3:]:
        raise NewerFormat(f"a noted standing of version {data[3]}: this release knows {MAGIC[3]}; use its writer's")
    if len(data) < _FIXED.size or data[:4] != MAGIC:
        raise MalformedBytes("standing", f"{_FIXED.size} bytes that begin with {MAGIC!r}", data[:4], 0)
    _, count, log_id, partitions, window, settled, accepted_at, claimed_at, *rest = _FIXED.unpack_from(data)
    generation, repeats, reign, bundle, head, head_prev = rest
    if len(data) != _FIXED.size + _TYPE.size * count or repeats > 1 or not -1 <= claimed_at <= accepted_at < offset:
        raise MalformedBytes("standing", f"{count} types, a flag and an offset below {offset}", data[:72].hex(), 4)
    rows: dict[int, int] = dict(_TYPE.iter_unpack(data[_FIXED.size :]))
    try:
        genesis = Genesis(log_id, app, partition, partitions, window)
    except InvalidValue as error:
        raise MalformedBytes("standing", "a genesis", str(error), 8) from None
    place = (settled, accepted_at, offset, claimed_at)
    noted = Noted(genesis, *place, generation, bool(repeats), reign, bundle, head, head_prev, rows)
    if noted.words() != words:
        raise MalformedBytes("standing", "types that rise, each once", repr(words[-40:]), _FIXED.size)
    return noted


def standing_of(fold: Fold, claimed_at: int) -> Noted:
    """Where a fold stands, under the claim at a TLog offset, when nothing waits to be migrated."""
    assert not fold.pending, "a block was accepted"
    types = {name_hash(layout.name): layout.type_id for layout in fold.state.layouts.values()}
    place = (fold.settled, fold.accepted_at, fold.next, claimed_at)
    reign = (fold.generation, fold.repeats, fold.reign, fold.bundle)
    return Noted(fold.genesis, *place, *reign, fold.head, fold.head_prev, types)


def name_hash(name: str) -> int:
    return int.from_bytes(blake3(name.encode()).digest(8), "little")


class HeaderFold(Fold):
    """A fold that knows what counts, and keeps nothing of it: of page types their names' hashes and ids."""

    types: dict[int, int]
    claimed_at: int

    def __init__(self, record: bytes | None, key: bytes | None) -> None:
        super().__init__(record, key)
        self.types = {}
        self.claimed_at = -1

    @classmethod
    def at(cls, noted: Noted) -> "HeaderFold":
        """One that goes on from a standing."""
        fold = cls.__new__(cls)
        fold._begin(PartitionState(noted.genesis))
        fold.settled, fold.accepted_at, fold.next = noted.settled, noted.accepted_at, noted.next
        fold.generation, fold.repeats = noted.generation, noted.repeats
        fold.reign, fold.bundle, fold.head, fold.head_prev = noted.reign, noted.bundle, noted.head, noted.head_prev
        fold.types, fold.claimed_at = dict(noted.types), noted.claimed_at
        return fold

    def check_place(self, key: bytes | None, value: bytes | None) -> None:
        """That the record at `accepted_at` is the one that the standing was noted behind."""
        if value is None or chain(self.head_prev, key, value) != self.head:
            raise CorruptState(
                f"TLog offset {self.accepted_at}: expected the record behind which a standing was noted, found another:"
                " the topic was made anew, or the brokers have lost records; an operator has to decide"
            )

    def _fold_block(self, header: BlockHeader, value: bytes) -> None:
        """What it does is for others."""

    def _apply_claim(self, claim: Claim) -> None:
        self.repeats = claim.generation == self.generation
        self.reign, self.generation, self.bundle, self.claim = claim.nonce, claim.generation, claim.bundle, claim
        self.claimed_at = self.next
        self.pending = {}
        for page in claim.descriptor.pages:
            if self.types.setdefault(name_hash(page.name), page.type_id) != page.type_id:
                self.pending[page.name] = page

    def _apply_migrate(self, value: bytes) -> None:
        unpack_migrate(value)
        pending: Mapping[str, PageLayout] = self.pending
        self.types.update({name_hash(name): page.type_id for name, page in pending.items()})
        self.pending = {}
