"""The fold: formats.md, section 13. Records in, state out, no user code."""

from dataclasses import dataclass, field
from typing import Any

from tests.model import deltas, metadata, tlog
from tests.model.blocks import Block, Entry, decode_block
from tests.model.constants import APPLIED
from tests.model.descriptors import migrate_page, page_layouts, read_descriptor, read_steps
from tests.model.intents import FOLLOW_UP, read_envelope
from tests.model.layout import MUTATE_ID, UPSERT_ID, PageLayout, follow_up_source, position_id
from tests.model.rows import Rejected, decode_row
from tests.model.state import State
from tests.model.tlog import BLOCK, CLAIM, FIXED, GENESIS, MIGRATE, QUARANTINE, Header, Invalid, require
from tests.model.writer import settle_envelope

ACCEPTED, DISCARDED, STOPPED = "accepted", "discarded", "stopped"


@dataclass
class Fold:
    genesis: tlog.Genesis | None = None
    settled: int = -1
    head: bytes = bytes(32)
    head_prev: bytes = bytes(32)
    accepted_at: int = -1
    reign: bytes = bytes(16)
    generation: int = 0
    bundle: bytes = bytes(32)
    durability: int = 0
    repeats: bool = False
    digest: tuple[int, int] = (0, 0)
    next: int = 0
    last_block: tuple[int, int, int] | None = None  # first, last, checksum
    layouts: dict[str, PageLayout] = field(default_factory=dict)
    pending: dict[str, PageLayout] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    intents: set[int] = field(default_factory=lambda: {MUTATE_ID, UPSERT_ID})  # type ids that the claim knows
    state: State = field(default_factory=State)
    discarded: int = 0
    stopped: str = ""  # why

    def feed(self, key: bytes | None, value: bytes | None) -> str:
        """ACCEPTED, DISCARDED or STOPPED, of the next record."""
        if self.stopped:
            return STOPPED
        try:
            accepted = self._feed(value)
        except Invalid as error:
            self.stopped = str(error) or "invalid"
            return STOPPED
        if accepted:
            assert value is not None
            self.head_prev, self.head = self.head, tlog.chain(self.head, key, value)
            self.accepted_at = self.next
        else:
            self.discarded += 1
        self.next += 1
        return ACCEPTED if accepted else DISCARDED

    def _feed(self, value: bytes | None) -> bool:
        if self.next == 0:
            require(value is not None, "record 0 is no genesis")
            assert value is not None
            self.genesis = tlog.decode_genesis(value)
            return True
        if value is None or value[:3] != b"MMT" or len(value) < 4:
            return False
        require(value[3] == 1, "an unknown version")
        if len(value) < 6:
            return False
        kind = tlog.kind_of(value)
        require(kind in FIXED, "an unknown kind")
        if len(value) < FIXED[kind] or kind == GENESIS:
            return False
        return self._claim(value) if kind == CLAIM else self._block_or_migrate(kind, value)

    # Claims

    def _claim(self, value: bytes) -> bool:
        head = tlog.claim_header(value)
        same = head.generation == self.generation and head.bundle == self.bundle
        if head.after != self.reign or not (head.generation > self.generation or same):
            return False
        claim = tlog.decode_claim(value)
        descriptor = read_descriptor(claim.descriptor)
        assert self.genesis
        require(descriptor["app"] == self.genesis.app, "another application's claim")
        self.repeats = claim.generation == self.generation
        self.reign, self.generation, self.bundle = claim.nonce, claim.generation, claim.bundle
        self.durability, self.messages = claim.durability, descriptor["messages"]
        self.intents = {MUTATE_ID, UPSERT_ID} | {int(intent["type"], 16) for intent in descriptor["intents"]}
        self.pending = {}
        for name, layout in page_layouts(descriptor).items():
            if name in self.layouts and self.layouts[name].type_id != layout.type_id:
                self.pending[name] = layout
            else:
                self.layouts[name] = layout
        return True

    # Blocks, quarantines, migrations

    def _block_or_migrate(self, kind: int, value: bytes) -> bool:
        header = tlog.decode_header(value)
        fits = header.reign == self.reign and header.first == self.settled + 1 and header.prev == self.head
        if kind == BLOCK:
            fits = fits and not self.pending
        if kind == QUARANTINE:
            fits = fits and not self.pending and self.repeats
        if kind == MIGRATE:
            fits = fits and bool(self.pending) and header.last == self.settled
        if not fits:
            return False
        if kind == MIGRATE:
            state, layouts = self._migrated(tlog.decode_migrate(value))
        else:
            state, layouts = self._applied(decode_block(value)), self.layouts
        require(state.clock == header.clock, "the clock afterwards")
        require(state.digest() == header.digest, "the digest afterwards")
        self.state, self.layouts, self.digest = state, layouts, header.digest
        if kind == MIGRATE:
            self.pending = {}
        else:
            self.settled, self.last_block = header.last, (header.first, header.last, header.checksum)
        return True

    def _applied(self, block: Block) -> State:
        state = self.state.copy()
        assert self.genesis
        for index, entry in enumerate(block.entries):
            offset = block.header.first + index
            if entry.clock is not None:
                require(entry.clock > state.clock, "a clock that does not rise")
                state.clock = entry.clock
            require(entry.type_id is None or entry.type_id in self.intents, "an intent type not known")
            row = decode_row(entry.row) if entry.row else None
            require(row is None or row.name != "refused" or row.ordinal < len(self.messages), "a message not known")
            settle_envelope(state, entry, offset, self.genesis.window)
            for delta in entry.deltas:
                self._apply_delta(state, delta, offset)
            for target, number, value in entry.follow_ups:
                self._check_follow_up(state, block.header, entry, offset, (target, number, value))
                state.sent[target] = number
        return state

    def _apply_delta(self, state: State, delta: deltas.Delta, offset: int) -> None:
        layouts = {layout.type_id: layout for layout in self.layouts.values()}
        status, _ = deltas.structure_status(delta.encode(), layouts)
        require(status == 0, "a delta's structure")
        layout = layouts[delta.type_id]
        place = (delta.type_id, delta.key)
        epoch, before = state.pages.get(place, (0, bytes(layout.size)))
        require(delta.base == epoch, "a base that is not the page's epoch")
        after = deltas.body_after(delta, layout, before)
        require(deltas.make_delta(layout, delta.key, epoch, before, after) == delta, "a delta that is not canonical")
        if after is None:
            del state.pages[place]
        else:
            require(deltas.body_status(layout, after, bounds=False)[0] == 0, "a value of a delta")
            state.pages[place] = (offset + 1, after)

    def _check_follow_up(
        self, state: State, header: Header, cause: Entry, offset: int, follow_up: tuple[int, int, bytes]
    ) -> None:
        assert self.genesis
        target, number, value = follow_up
        genesis = self.genesis
        require(target < genesis.partitions, "a target beyond the partitions")
        require(number == state.sent.get(target, 0) + 1, "a number out of turn")
        require(value[:1] == b"M", "a follow-up that is not packed")
        try:
            envelope = read_envelope(value)
        except Rejected as bad:
            raise Invalid(f"a follow-up that is {bad}") from None
        source = envelope.source
        require(envelope.type_id in self.intents, "a follow-up's type")
        require(envelope.id is None and source is not None and source.kind == FOLLOW_UP, "a follow-up's parts")
        assert source
        require(source.source == follow_up_source(genesis.partition, genesis.log_id), "a follow-up's source")
        hops = min((cause.source.hops if cause.source else 0) + 1, 2**32 - 1)
        require(source.number == number and source.hops == hops, "a follow-up's number or hops")
        of_follow_up = cause.source is not None and cause.source.kind == FOLLOW_UP
        require(cause.status == APPLIED or of_follow_up, "a follow-up of a rejected intent that was none itself")
        cause_id = cause.id or position_id(genesis.partition, genesis.log_id, offset)
        entries = metadata.decode(cause.metadata) if cause.metadata else {}
        expected = {metadata.CORRELATION: cause_id} | entries | {metadata.CAUSATION: cause_id}
        require(metadata.encode(expected) == envelope.metadata, "a follow-up's metadata")

    def _migrated(self, migrate: tlog.Migrate) -> tuple[State, dict[str, PageLayout]]:
        steps = read_steps(migrate.steps)
        require([step["page"] for step in steps] == sorted(self.pending), "not the pages whose layout differs")
        state, layouts = self.state.copy(), dict(self.layouts)
        for step in steps:
            old, new = self.layouts[step["page"]], self.pending[step["page"]]
            require(step["from"] == f"{old.type_id:016x}" and step["to"] == f"{new.type_id:016x}", "type ids")
            layouts[step["page"]] = new
            convert = migrate_page(old, new, step["steps"])
            for type_id, key in list(state.pages):
                if type_id == old.type_id:
                    epoch, body = state.pages.pop((type_id, key))
                    state.pages[new.type_id, key] = (epoch, convert(body))
        return state, layouts

    def view(self) -> dict[str, Any]:
        """Everything that two folds of the same records must agree on."""
        return {
            "settled": self.settled,
            "head": self.head,
            "head_prev": self.head_prev,
            "accepted_at": self.accepted_at,
            "reign": self.reign,
            "generation": self.generation,
            "bundle": self.bundle,
            "repeats": self.repeats,
            "digest": self.digest,
            "next": self.next,
            "last_block": self.last_block,
            "layouts": {name: layout.type_id for name, layout in self.layouts.items()},
            "pending": {name: layout.type_id for name, layout in self.pending.items()},
            "messages": self.messages,
            "discarded": self.discarded,
        }
