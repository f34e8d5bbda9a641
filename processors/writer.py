"""One writer's side of the write protocol, without IO: claim the partition, step, and read back what counts.

The runner around it appends the entries that it gives and hands it every TLog record in order. Only the fold decides:
an entry counts once it has been read back and accepted, whatever an acknowledgement said. The machine may step ahead of
that; what it stepped is released when its block is accepted, and thrown away with the machine if it never is.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsb.processors.bundle import Bundle
from mmsb.processors.machine import Machine, Outcome
from mmsb.schemas.errors import CorruptState, InvalidValue, Superseded
from mmsb.schemas.records import Records
from mmsb.schemas.tlog.claims import Claim, Durability
from mmsb.schemas.tlog.migrations import Migration
from mmsb.schemas.tlog.records import TlogKind, chain
from mmsb.state.fold import Fold, Verdict

if TYPE_CHECKING:
    from mmsb.processors.compiled import Compiled


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """A record to be appended to the TLog; resent, if at all, byte for byte."""

    key: bytes
    value: bytes

    def __repr__(self) -> str:
        return f"Entry({self.key.decode()}, {len(self.value)} bytes)"


class Writer:
    """One reign over one partition, from its claim to the claim of another."""

    def __init__(
        self,
        bundle: Bundle,
        fold: Fold,
        nonce: bytes,
        durability: Durability = Durability.PROCESS,
        compiled: "Compiled | None" = None,
    ) -> None:
        """Read the TLog to its end with `fold` first; the writer takes the fold over.

        Without `compiled` code it steps interpreted; with it the fold must be over an `ArrayState`.
        """
        if bundle.app != fold.genesis.app:  # such a claim would stop every reader for ever
            raise InvalidValue(f"expected a bundle of {fold.genesis.app!r}, whose log this is, found {bundle.app!r}")
        self.fold = fold
        self.bundle = bundle
        self._nonce = nonce
        self._durability = durability
        self._compiled = compiled
        self.reigned = False  # whether its claim was accepted, whatever followed
        self._machine: Machine | None = None
        # As the last stepped block left them, from the start of the reign on. Stepping looks at nothing that reading
        # back writes, so one thread may step while another reads back.
        self._head = fold.head
        self._last = fold.settled
        self._stepped: deque[tuple[Entry, Outcome, bytes]] = deque()  # each with the head after it

    @property
    def reigns(self) -> bool:
        """Whether this writer's claim is the last accepted one."""
        return self.fold.reign == self._nonce

    @property
    def superseded(self) -> bool:
        """Whether another's claim followed ours: answer for what was accepted, and stop."""
        return self.reigned and not self.reigns

    @property
    def machine(self) -> Machine:
        """The machine of this reign; raises Superseded while, or once, this writer does not reign."""
        if self._machine is None or not self.reigns:
            raise Superseded(
                f"expected the reign of {self._nonce.hex()}, found that of {self.fold.reign.hex()}: another writer has "
                "claimed this partition, or this one's claim was not accepted yet. What was accepted counts, and "
                "nothing else; start it again if it is to go on"
            )
        return self._machine

    @property
    def stepped(self) -> int:
        """The last intent whose effects the state has; raises Superseded once some of these will never count."""
        return self.fold.settled if self._machine is None else self.machine.settled

    @property
    def pending(self) -> list[Entry]:
        """Entries that were stepped and not read back yet, in order."""
        return [entry for entry, _, _ in self._stepped]

    def claim(self) -> Entry:
        """The claim that opens this reign; to claim again after losing one takes a new writer with a new nonce."""
        self._check_not_superseded()
        descriptor, generation = self.bundle.descriptor, self.bundle.generation
        claim = Claim(self.fold.reign, self._nonce, generation, self.bundle.hash, self._durability, descriptor)
        return Entry(TlogKind.CLAIM.key, claim.pack())

    def step(self, records: Records) -> tuple[Entry, Outcome]:
        """Step a batch, or as much of it as fits into a block; the outcome counts once its entry is accepted."""
        return self._propose(self.machine.step(records))

    def quarantine(self, records: Records) -> tuple[Entry, Outcome]:
        """Settle the one next record without executing it."""
        if not self.fold.repeats:
            raise InvalidValue("a quarantine needs a claim with the generation and bundle of the claim before it")
        return self._propose(self.machine.quarantine(records))

    def _propose(self, outcome: Outcome) -> tuple[Entry, Outcome]:
        assert outcome.first == self._last + 1, "blocks follow each other: no step was lost on the way to its entry"
        entry = Entry(outcome.kind.key, outcome.block(self._nonce, self._head))
        self._last, self._head = outcome.last, chain(self._head, entry.key, entry.value)
        self._stepped.append((entry, outcome, self._head))
        return entry, outcome

    def migrate(self, migrations: Sequence[Migration]) -> Entry:
        """The record that brings the state to the claim's layouts; nothing else counts before it."""
        if not self.reigns:
            raise Superseded("migrate: this writer does not reign")
        if not self.fold.pending:
            raise InvalidValue("migrate: there is nothing to migrate; the state has the layouts of the claim")
        return Entry(TlogKind.MIGRATE.key, self.fold.propose_migrate(migrations))

    def read(self, offset: int, key: bytes | None, value: bytes | None) -> tuple[Verdict, Outcome | None]:
        """Read the next TLog record; gives the outcome if it is an accepted block of this writer."""
        self._check_not_superseded()
        if self._stepped and self._stepped[0][0] == Entry(key or b"", value or b""):
            entry, outcome, head = self._stepped[0]
            verdict = self.fold.acknowledge(offset, entry.key, entry.value, outcome.digest, head)
            return verdict, self._stepped.popleft()[1] if verdict.accepted else None
        verdict = self.fold.read(offset, key, value)
        self.reigned |= self.reigns
        if verdict.settles and self.reigns:
            raise CorruptState(f"TLog offset {offset}: a block of this reign that this writer did not write; stop both")
        if verdict.accepted and self.reigns and not self.fold.pending and self._machine is None:
            self._machine = Machine(self.bundle, self.fold.state, self.fold.settled, self._compiled)
            self._head, self._last = self.fold.head, self.fold.settled
        return verdict, None

    def _check_not_superseded(self) -> None:
        if self.superseded:
            raise Superseded("another writer reigns; fold on with a new Fold")
