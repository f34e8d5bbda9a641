"""The fold: from the TLog's records, in order, to state. It alone decides what counts (docs/formats.md, section 13).

A record that does not fit is discarded by everyone, the same way, for ever; one that must not be there stops the
reader. Of a record that stops the fold nothing is applied. Two ways lead through it: `read` applies what it accepts,
and `acknowledge` is for the one who stepped a block itself and whose state therefore has its effects already.
"""

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Self

from mmsb.kernels.digest import Digest
from mmsb.schemas.errors import CorruptState, InvalidValue, MmsbError
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.tlog.block_reader import unpack_block
from mmsb.schemas.tlog.blocks import Block, BlockHeader, unpack_block_header
from mmsb.schemas.tlog.claims import Claim, Durability, unpack_claim, unpack_claim_header
from mmsb.schemas.tlog.genesis import Genesis, unpack_genesis
from mmsb.schemas.tlog.migrations import Migration, pack_migrate, unpack_migrate
from mmsb.schemas.tlog.records import REIGN_BYTES, ZERO_HEAD, TlogKind, chain, peek
from mmsb.state.applying import apply_block
from mmsb.state.home.meta import Standing
from mmsb.state.migrations import migrate
from mmsb.state.partition import PartitionState

NO_REIGN: Final = bytes(REIGN_BYTES)

Apply = Callable[[BlockHeader, bytes], None]
"""What is done with a block, of which the header says that it is the next one."""


class Discarded(enum.Enum):
    """Why a record does not count."""

    NOT_OURS = "not ours"
    TOO_SHORT = "shorter than its header"
    LATER_GENESIS = "a genesis later than record 0"
    OTHER_REIGN = "of another reign"
    LOWER_GENERATION = "of a lower generation"
    OTHER_BUNDLE = "of the same generation with another bundle"
    OTHER_OFFSETS = "not the next offsets"
    OTHER_HEAD = "not on the last accepted record"
    MIGRATION_FIRST = "before the claim's migration"
    NOTHING_TO_MIGRATE = "a migration of nothing"
    NOT_REPEATED = "a quarantine under a claim that does not repeat the one before"


@dataclass(frozen=True)
class Verdict:
    """What became of one TLog record; `discarded` is None if it counts. `value` is that of a block that counts."""

    offset: int
    kind: TlogKind | None
    discarded: Discarded | None = None
    value: bytes | None = field(default=None, repr=False)

    @property
    def accepted(self) -> bool:
        return self.discarded is None

    @property
    def settles(self) -> bool:
        """Whether it is a block or quarantine that counts."""
        return self.value is not None

    @cached_property
    def block(self) -> Block | None:
        """What it settles, an object for each row: only whoever looks into it pays for that."""
        return None if self.value is None else unpack_block(self.value)


@dataclass(frozen=True, slots=True)
class Settled:
    """The last block's offsets and the checksum of the intents that it settled."""

    first: int
    last: int
    checksum: int


class Fold:
    """One partition's TLog, folded so far.

    flushed <= accepted <= appended <= min(stepped, intents durable): this class knows `settled` (accepted) alone; the
    runner that appends and flushes asserts the rest.
    """

    def __init__(
        self,
        record: bytes | None,
        key: bytes | None = TlogKind.GENESIS.key,
        make_state: Callable[[Genesis], PartitionState] = PartitionState,
    ) -> None:
        """Begin with record 0; its key is only hashed, and whoever wrote it chose it."""
        if peek(record) != TlogKind.GENESIS or record is None:
            raise CorruptState("TLog: expected a genesis as record 0, found something else; this is no TLog of MMSB")
        genesis = unpack_genesis(record)
        self._begin(make_state(genesis))
        self.head = chain(ZERO_HEAD, key, record)

    def _begin(self, state: PartitionState) -> None:
        """As a genesis leaves it, but for the head."""
        self.state = state
        self.settled = -1
        self.head = ZERO_HEAD
        self.head_prev = ZERO_HEAD
        self.accepted_at = 0
        self.next = 1
        self.reign = NO_REIGN
        self.generation = 0
        self.bundle = bytes(32)
        self.repeats = False
        self.claim: Claim | None = None
        self.pending: dict[str, PageLayout] = {}
        self.last_block: Settled | None = None
        self.discarded: Counter[Discarded] = Counter()
        self._stopped: CorruptState | None = None  # for ever

    @classmethod
    def resumed(cls, state: PartitionState, standing: Standing) -> Self:
        """The fold that stands there, over a state that is as it was then."""
        fold = cls.__new__(cls)
        fold._begin(state)
        fold.settled, fold.next = standing.settled, standing.next
        fold.head, fold.head_prev, fold.accepted_at = standing.head, standing.head_prev, standing.accepted_at
        fold.repeats = standing.repeats
        if standing.claim is not None:
            repeats, fold.generation = standing.repeats, standing.claim.generation - (not standing.repeats)
            fold._apply_claim(standing.claim)
            assert fold.repeats == repeats, "whether a claim repeats the one before is told by generations"
        if standing.last_block is not None:
            fold.last_block = Settled(*standing.last_block)
        return fold

    def standing(self, follow_up_blocks: Sequence[int]) -> Standing:
        """What somebody needs to know who goes on from here."""
        block = self.last_block
        last = None if block is None else (block.first, block.last, block.checksum)
        place = (self.settled, self.head, self.head_prev, self.accepted_at, self.next)
        return Standing(*place, self.repeats, self.claim, last, tuple(follow_up_blocks))

    def __repr__(self) -> str:
        reign = self.reign.hex() if self.reign != NO_REIGN else "none"
        digest = self.digest.pack().hex()
        return f"Fold(settled={self.settled}, next={self.next}, generation={self.generation}, {reign=!s}, {digest=!s})"

    @property
    def genesis(self) -> Genesis:
        return self.state.genesis

    @property
    def digest(self) -> Digest:
        return self.state.digest

    @property
    def messages(self) -> tuple[str, ...]:
        """What the ordinals of `refused` rejections under this reign mean."""
        return self.claim.descriptor.messages if self.claim else ()

    @property
    def durability(self) -> Durability | None:
        """What the reigning writer's log promises; None before the first claim."""
        return self.claim.durability if self.claim else None

    def read(self, offset: int, key: bytes | None, value: bytes | None) -> Verdict:
        """Fold the next record, applying it if it counts."""
        return self._next(offset, key, value, self._fold_block)

    def acknowledge(self, offset: int, key: bytes | None, value: bytes, digest: Digest, head: bytes) -> Verdict:
        """Fold a block whose effects the state has, by whoever stepped it.

        `digest` is that of the state when it had been stepped, `head` what chained it to the block's own `prev`: only a
        block whose `prev` is our head counts, so nobody need hash it again.
        """

        def same(header: BlockHeader, _: bytes) -> None:
            self._check_digest(header, digest)

        return self._next(offset, key, value, same, head)

    def _next(
        self, offset: int, key: bytes | None, value: bytes | None, apply: Apply, head: bytes | None = None
    ) -> Verdict:
        if offset != self.next:
            raise InvalidValue(f"expected TLog offset {self.next}, found {offset}: offsets are dense")
        if self._stopped:
            raise self._stopped
        try:
            verdict = self._verdict(offset, value, apply)
        except CorruptState as stop:
            self._stopped = stop
            raise
        if verdict.discarded is not None:
            self.discarded[verdict.discarded] += 1
        elif value is not None:
            self.head_prev, self.head = self.head, head or chain(self.head, key, value)
            self.accepted_at = offset
        self.next = offset + 1
        return verdict

    def _verdict(self, offset: int, value: bytes | None, apply: Apply) -> Verdict:
        kind = peek(value)
        if kind is None or value is None:
            return Verdict(offset, None, Discarded.NOT_OURS)
        try:
            return self._judge(offset, kind, value, apply)
        except MmsbError as error:
            raise CorruptState(f"TLog offset {offset}, a {kind.name.lower()}: {error}") from error

    def propose_migrate(self, migrations: Sequence[Migration]) -> bytes:
        """The migrate record for what is pending, with the digest that everyone will find after it."""
        self.state.begin()
        try:
            migrate(self.state, migrations, self.pending)
            digest = self.state.digest
        finally:
            self.state.rollback()
        settles = (self.settled + 1, self.settled, self.state.clock)
        header = BlockHeader(self.reign, self.head, *settles, digest.pack(), 0, TlogKind.MIGRATE)
        return pack_migrate(header, migrations)

    def _judge(self, offset: int, kind: TlogKind, value: bytes, apply: Apply) -> Verdict:
        if kind == TlogKind.GENESIS:
            return Verdict(offset, kind, Discarded.LATER_GENESIS)
        if kind == TlogKind.CLAIM:
            discarded = self._judge_claim(value)
            if discarded is None:
                claim = unpack_claim(value)
                if claim.descriptor.app != self.genesis.app:
                    raise InvalidValue(f"it is of {claim.descriptor.app!r}, this log is of {self.genesis.app!r}")
                self._apply_claim(claim)
            return Verdict(offset, kind, discarded)
        header = unpack_block_header(value)
        discarded = Discarded.TOO_SHORT if header is None else self._judge_header(header)
        if discarded is not None or header is None:
            return Verdict(offset, kind, discarded)
        if kind == TlogKind.MIGRATE:
            self._apply_migrate(value)
            return Verdict(offset, kind)
        apply(header, value)
        self.settled = header.last
        self.last_block = Settled(header.first, header.last, header.checksum)
        return Verdict(offset, kind, None, value)

    def _judge_claim(self, value: bytes) -> Discarded | None:
        claim = unpack_claim_header(value)
        if claim is None:
            return Discarded.TOO_SHORT
        if claim.after != self.reign:
            return Discarded.OTHER_REIGN
        if claim.generation < self.generation:
            return Discarded.LOWER_GENERATION
        if claim.generation == self.generation and claim.bundle != self.bundle:
            return Discarded.OTHER_BUNDLE
        return None

    def _judge_header(self, header: BlockHeader) -> Discarded | None:
        if header.reign != self.reign:
            return Discarded.OTHER_REIGN
        if header.first != self.settled + 1:
            return Discarded.OTHER_OFFSETS
        if header.prev != self.head:
            return Discarded.OTHER_HEAD
        if header.kind == TlogKind.MIGRATE:
            if header.last != self.settled:
                return Discarded.OTHER_OFFSETS
            return None if self.pending else Discarded.NOTHING_TO_MIGRATE
        if self.pending:
            return Discarded.MIGRATION_FIRST
        if header.kind == TlogKind.QUARANTINE and not self.repeats:
            return Discarded.NOT_REPEATED
        return None

    def _apply_claim(self, claim: Claim) -> None:
        self.repeats = claim.generation == self.generation
        self.reign, self.generation, self.bundle = claim.nonce, claim.generation, claim.bundle
        self.claim = claim
        known = self.state.layouts
        self.pending = {}
        for page in claim.descriptor.pages:
            if page.name in known and known[page.name].type_id != page.type_id:
                self.pending[page.name] = page
            else:
                self.state.add_layout(page)

    def _apply_migrate(self, value: bytes) -> None:
        header, migrations = unpack_migrate(value)
        if header.clock != self.state.clock:
            raise InvalidValue(f"expected the clock {self.state.clock}, found {header.clock}")

        def change() -> None:
            migrate(self.state, migrations, self.pending)
            self._check_digest(header, self.state.digest)

        self._all_or_nothing(change)
        self.pending = {}

    def _fold_block(self, header: BlockHeader, value: bytes) -> None:
        block = unpack_block(value)
        self._all_or_nothing(lambda: self._apply(block))

    def _apply(self, block: Block) -> None:
        apply_block(self.state, self.claim, block)
        self._check_digest(block.header, self.state.digest)

    def _all_or_nothing(self, change: Callable[[], None]) -> None:
        self.state.begin()
        try:
            change()
        except BaseException:
            self.state.rollback()
            raise
        self.state.commit()

    def _check_digest(self, header: BlockHeader, digest: Digest) -> None:
        if header.digest != digest.pack():
            raise CorruptState(
                f"after offset {header.last} the digest is {digest.pack().hex()} and the record says "
                f"{header.digest.hex()}: state and log disagree; recover from a checkpoint and report it"
            )
