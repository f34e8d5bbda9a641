"""Writers that race, lag and go on too long: every reader agrees, and each writer believes what the log says.

No model here: the same log is folded by readers without code, and each writer is asked what it believes. `tests/proof/`
compares both with the model.
"""

from random import Random

import pytest

from mmsb.processors.bundle import Bundle
from mmsb.processors.writer import Entry
from mmsb.schemas.errors import Superseded
from mmsb.schemas.tlog.blocks import unpack_block_header
from mmsb.schemas.tlog.claims import unpack_claim
from mmsb.schemas.tlog.records import ZERO_HEAD, TlogKind, chain
from mmsb.state.fold import Fold, Verdict
from tests.processors.tlogs import FIRST, SECOND, THIRD, TO_WIDE, Node, Tlog, intents, pay
from tests.state.logs import snapshot

SEEDS = 60
STEPS = 120
NODES = 3
ENDS = 3  # steps once the network is kind


class Network:
    """What was sent to the TLog and may arrive now, later, twice or never."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.tlog = Tlog()
        self.flying: list[Entry] = []

    def send(self, entry: Entry) -> None:
        fate = self.rng.random()
        if fate < 0.6:
            self.tlog.append(entry)
        elif fate < 0.9:
            self.flying.append(entry)
        if self.rng.random() < 0.3:
            self.flying.append(entry)  # a double, or the only one

    def deliver(self) -> None:
        if self.flying:
            self.tlog.append(self.flying.pop(self.rng.randrange(len(self.flying))))


class Race:
    """A few nodes over one TLog. A node that lost its reign is replaced by a new one."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.network = Network(self.rng)
        self.nonces = 0
        self.intents = [self.intent() for _ in range(400)]
        self.nodes = [self.node() for _ in range(NODES)]
        self.released: dict[int, bytes] = {}  # for each offset that a writer answered for, its digest

    def intent(self) -> bytes | None:
        """Ids come again, within the window of 6 offsets and beyond it."""
        id = self.rng.choice([None, *"abcdefgh"])
        return self.rng.choice([pay(self.rng.randrange(3), self.rng.randrange(-2, 9), id), None, b"garbage"])

    def node(self) -> Node:
        self.nonces += 1
        newest = self.network.tlog.folded().generation
        bundles: list[Bundle] = [bundle for bundle in (FIRST, SECOND, THIRD) if bundle.generation >= newest]
        chosen = self.rng.choices(bundles, [8, 2, 1][-len(bundles) :])[0]
        return Node(self.network.tlog, self.nonces.to_bytes(16, "little"), chosen)

    def go_on(self) -> None:
        """One thing happens, to somebody."""
        place = self.rng.randrange(NODES)
        node = self.nodes[place]
        if self.rng.random() < 0.2:
            self.network.deliver()
        elif self.rng.random() < 0.02:
            self.nodes[place] = self.node()  # it crashed: what it stepped is forgotten
        elif self.rng.random() < 0.4:
            self.read(node)
        else:
            self.act(node)
        if node.writer.superseded and self.rng.random() < 0.5:
            self.nodes[place] = self.node()

    def act(self, node: Node) -> None:
        writer = node.writer
        if not writer.reigns:
            if not writer.superseded and self.rng.random() < 0.3:
                self.network.send(writer.claim())
        elif writer.fold.pending:
            self.network.send(writer.migrate([TO_WIDE]))
        elif writer.pending and self.rng.random() < 0.5:
            self.network.send(self.rng.choice(writer.pending))  # again, or out of turn
        else:
            self.step(node)

    def step(self, node: Node) -> None:
        first = node.writer.machine.settled + 1
        count = self.rng.randrange(1, 4)
        values = [self.intents[offset % len(self.intents)] for offset in range(first, first + count)]
        if node.writer.fold.repeats and self.rng.random() < 0.3:
            entry, _ = node.writer.quarantine(intents(first, values[0]))
        else:
            entry, _ = node.writer.step(intents(first, *values))
        self.network.send(entry)

    def read(self, node: Node, end: int | None = None) -> None:
        writer, accepted = node.writer, len(node.accepted)
        if writer.superseded:
            with pytest.raises(Superseded):
                writer.read(writer.fold.next, None, None)
            return
        records = len(self.network.tlog.records)
        node.read(self.rng.randint(writer.fold.next, records) if end is None else end)
        for outcome in node.accepted[accepted:]:
            for offset in range(outcome.first, outcome.last + 1):
                assert offset not in self.released, f"offset {offset} is answered for once"
                self.released[offset] = outcome.digest.pack()
        self.believes(node)

    def believes(self, node: Node) -> None:
        """What a writer says is what a reader of the same records finds."""
        fold = node.writer.fold
        truth = snapshot(self.network.tlog.folded(fold.next))
        stepped_ahead = bool(node.writer.pending)
        beyond = {"digest", "clock", "pages", "ids", "marks", "sent"} if stepped_ahead else set[str]()
        for name, found in snapshot(fold).items():
            assert name in beyond or found == truth[name], f"{name}: a writer believes {found}, the log says {truth}"
        if node.accepted and not stepped_ahead and node.writer.reigns and not fold.pending:
            node.writer.machine.state.check()

    def end(self) -> None:
        """The network becomes kind: everything arrives, and one more writer settles the rest."""
        while self.network.flying:
            self.network.deliver()
        last = self.node()
        while not last.writer.reigns:
            self.network.tlog.append(last.writer.claim())
            self.read(last, len(self.network.tlog.records))
        if last.writer.fold.pending:
            self.network.tlog.append(last.writer.migrate([TO_WIDE]))
            self.read(last, len(self.network.tlog.records))
        for _ in range(ENDS):
            settled = last.writer.fold.settled
            entries = [last.step(value)[0] for value in (self.intents[settled % len(self.intents)], None)]
            for entry in entries:
                self.network.tlog.append(entry)
            self.read(last, len(self.network.tlog.records))
            assert last.writer.fold.settled == settled + 2, "a writer that is left alone settles what it steps"


def folded_by_two(tlog: Tlog) -> tuple[Fold, list[Verdict]]:
    """Two readers, record by record."""
    one, other = Fold(tlog.genesis.pack()), Fold(tlog.genesis.pack())
    verdicts: list[Verdict] = []
    for offset, record in enumerate(tlog.records[1:], 1):
        verdict = one.read(offset, *record)
        assert verdict == other.read(offset, *record)
        assert snapshot(one) == snapshot(other), f"readers differ after TLog offset {offset}"
        one.state.check()
        verdicts.append(verdict)
    return one, verdicts


def lawful(tlog: Tlog) -> list[bool]:
    """Which records count, by `protocol.md` alone: from headers, without looking into blocks."""
    head = chain(ZERO_HEAD, b"genesis", tlog.genesis.pack())
    reign, generation, bundle, settled, repeats = bytes(16), 0, bytes(32), -1, False
    layout, wanted = None, None  # of the tills: by which bundle's kind
    counts: list[bool] = []
    for key, value in tlog.records[1:]:
        assert value is not None
        if key == b"claim":
            claim = unpack_claim(value)
            same = (claim.generation, claim.bundle) == (generation, bundle)
            fits = claim.after == reign and (claim.generation > generation or same)
            if fits:
                reign, generation, bundle, repeats = claim.nonce, claim.generation, claim.bundle, same
                wanted = claim.bundle == THIRD.hash
                layout = wanted if layout is None else layout
        else:
            header = unpack_block_header(value)
            assert header is not None
            fits = (header.reign, header.prev, header.first) == (reign, head, settled + 1)
            fits = fits and (layout != wanted) == (header.kind == TlogKind.MIGRATE)
            fits = fits and (repeats or header.kind != TlogKind.QUARANTINE)
            if fits:
                settled, layout = header.last, wanted
        if fits:
            head = chain(head, key, value)
        counts.append(fits)
    return counts


SEEN = {"block", "claim", "migrate", "quarantine", "discarded", "released"}


def race(seed: int) -> set[str]:
    """Run one seed; gives what happened in it."""
    this = Race(seed)
    for _ in range(STEPS):
        this.go_on()
    this.end()
    fold, verdicts = folded_by_two(this.network.tlog)
    assert [verdict.accepted for verdict in verdicts] == lawful(this.network.tlog), "what counts is what the rules say"
    accepted = [verdict for verdict in verdicts if verdict.accepted]
    settled = [
        offset
        for verdict in accepted
        if verdict.block is not None
        for offset in range(verdict.block.header.first, verdict.block.header.last + 1)
    ]
    assert settled == list(range(fold.settled + 1)), "each offset is settled once, in order"
    digests = {v.block.header.last: v.block.header.digest for v in accepted if v.block is not None}
    for offset, digest in this.released.items():
        assert digests.get(offset, digest) == digest, f"what was answered for offset {offset} is what counts"
    seen = {verdict.kind.name.lower() for verdict in accepted if verdict.kind is not None}
    if len(accepted) < len(verdicts):
        seen.add("discarded")
    return seen | ({"released"} if this.released else set[str]())


@pytest.mark.parametrize("start", range(0, SEEDS, 20))
def test_writers_believe_what_every_reader_finds(start):
    seen: set[str] = set()
    for seed in range(start, start + 20):
        seen |= race(seed)
    assert seen >= SEEN, "a race has everything in it"
