"""One seed: several writers over one partition, an unkind network between them and the TLog, and two folds of it.

Every record of the TLog is fed to MMSB's fold and to the model's, which must say the same and be the same afterwards.
What a writer believes must be what the fold of the log says up to where the writer has read. Claims and blocks arrive
in time, late, doubled, reordered or never; writers go on after a newer claim; and records are forged.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from mmsb.kernels.digest import Digest
from mmsb.processors.bundle import Bundle
from mmsb.processors.machine import Outcome
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.batches import decode_batches
from mmsb.schemas.errors import CorruptState, InvalidValue, Superseded
from mmsb.schemas.records import Records, concat
from mmsb.schemas.tlog.claims import Durability
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.migrations import Migration, Step
from mmsb.state.fold import Fold
from tests.generator.bundles import random_bundle
from tests.generator.layouts import evolved_pages
from tests.generator.traffic import random_log, random_settings, to_batches
from tests.model import fold as model_fold
from tests.model import tlog
from tests.model import writer as model_writer
from tests.model.batch import Record as ModelRecord
from tests.model.blocks import decode_block
from tests.model.bundle import Bundle as Description
from tests.model.descriptors import widens
from tests.model.layout import PageLayout
from tests.model.machine import Machine as ModelMachine
from tests.model.state import State
from tests.proof.agreement import agree, fold_view, loaded, model_view
from tests.proof.ways import INTERPRETED, Way

STEPS = 80
DIGEST_DIFFERS = "the digest afterwards"
WRITERS_MAX = 4
GARBAGE = (None, b"", b"MMT", b"MMT\x01", b"MMT\x01\x03\0", b"MMD\x01" + bytes(200), b'{"@type":"X"}', bytes(160))
STOPPING = (b"MMT\x02", b"MMT\0" + bytes(200), b"MMT\x01\x06\0", b"MMT\x01\0\0" + bytes(99), b"MMT\xff\x03\0")
BELIEFS = ("settled", "head", "head_prev", "accepted_at", "reign", "generation", "bundle", "repeats", "next",
           "last_block", "layouts", "pending", "messages", "discarded", "durability")  # fmt: skip


@dataclass
class Actor:
    """A writer, the model's machine beside it, and what it has seen accepted."""

    nonce: bytes
    description: Description
    writer: Writer
    claim: Entry
    model: ModelMachine | None = None
    accepted: list[Outcome] = field(default_factory=list)
    dead: bool = False


class Simulation:
    """The TLog, whoever writes to it, and the two folds that judge it."""

    def __init__(
        self, seed: int, rng: Random, bundles: list[tuple[Description, Bundle]], way: Way = INTERPRETED
    ) -> None:
        self.seed, self.rng, self.bundles, self.way = seed, rng, bundles, way
        self.settings = random_settings(rng)
        self.app = bundles[0][0].app
        settings = self.settings
        self.genesis = Genesis(
            settings["log_id"], self.app, settings["partition"], settings["partitions"], settings["window"]
        )
        self.model_records, self.records = self.intents()
        self.log: list[tuple[bytes | None, bytes | None]] = []
        self.views: list[dict[str, Any]] = []  # the model's view after each record
        self.states: list[State] = []
        self.blocks: list[tuple[bytes, int, int]] = []  # accepted: the reign, first and last offset
        self.ours, self.model = self.way.fold(self.genesis.pack()), model_fold.Fold()
        agree("genesis", model_fold.ACCEPTED, self.model.feed(b"genesis", self.genesis.pack()), self.where)
        self.log.append((b"genesis", self.genesis.pack()))
        self.snapshot()
        self.actors: list[Actor] = []
        self.network: list[Entry] = []
        self.sent: list[Entry] = []
        self.seen: Counter[str] = Counter()

    @property
    def where(self) -> str:
        return f"seed {self.seed}, TLog offset {len(self.log)}"

    def intents(self) -> tuple[list[ModelRecord], Records]:
        """Stretches of traffic for one application and another, as if releases had taken turns."""
        out: list[ModelRecord] = []
        for _ in range(4):
            stretch, _, _ = random_log(self.rng, self.rng.choice(self.bundles)[0], 10, **self.settings)
            out += [replace(record, offset=len(out) + index) for index, record in enumerate(stretch)]
        return out, concat(decode_batches(b"".join(to_batches(self.rng, out))))

    # The log and the two folds

    def snapshot(self) -> None:
        self.views.append(self.model_view())
        self.states.append(self.model.state.copy())

    def model_view(self) -> dict[str, Any]:
        return model_view(self.model) | {"durability": self.model.durability}

    def our_view(self, fold: Fold) -> dict[str, Any]:
        return fold_view(fold) | {"durability": int(fold.durability or 0)}

    def verdict(self, key: bytes | None, value: bytes | None) -> str:
        try:
            verdict = self.ours.read(self.ours.next, key, value)
        except CorruptState as stop:
            self.stopped = str(stop)
            return model_fold.STOPPED
        return model_fold.ACCEPTED if verdict.accepted else model_fold.DISCARDED

    def feed(self, key: bytes | None, value: bytes | None) -> str:
        """One record for both folds, which must say the same and look the same."""
        where = f"{self.where}, {key!r} {value and value[:160].hex()} of {value and len(value)} bytes"
        self.stopped = ""  # why MMSB's fold did
        ours, models = self.verdict(key, value), self.model.feed(key, value)
        where += f"\n  mmsb stopped: {self.stopped}\n  model stopped: {self.model.stopped}"
        agree("verdict", ours, models, where)
        agree("view", self.our_view(self.ours), self.model_view(), where)
        pages = {page: (epoch, body) for page, epoch, body in self.ours.state.pages}
        agree("pages", pages, self.model.state.pages, where)
        agree("clock", self.ours.state.clock, self.model.state.clock, where)
        return models

    def append(self, key: bytes | None, value: bytes | None) -> str:
        """A record that is in the log from now on, unless both folds stop at it: then it never was."""
        verdict = self.feed(key, value)
        if verdict == model_fold.STOPPED:
            self.stays_stopped()
            self.rebuild()
            return verdict
        self.log.append((key, value))
        self.snapshot()
        if verdict == model_fold.ACCEPTED and key in (b"block", b"quarantine"):
            assert self.model.last_block
            self.blocks.append((self.model.reign, *self.model.last_block[:2]))
        return verdict

    def forge(self, key: bytes | None, value: bytes | None) -> str:
        """A record that no writer wrote: both folds must say the same. It stays only if it counts for nothing."""
        verdict = self.feed(key, value)
        self.seen[f"forged {verdict}"] += 1
        if verdict == model_fold.DISCARDED:
            self.log.append((key, value))
            self.snapshot()
            return verdict
        why = self.model.stopped
        if why:
            self.seen[f"stop: {why}"] += 1
            self.stays_stopped()
        if why and self.rng.random() < 0.9:  # nothing of it was applied, so that both can go on as if it never was
            self.ours._stopped, self.model.stopped = None, ""
        else:
            self.rebuild()
        if why == DIGEST_DIFFERS and value is not None:
            return self.forge(key, self.with_right_digest(value))
        return verdict

    def with_right_digest(self, value: bytes) -> bytes:
        """So that only what the digest does not show can still tell a forgery."""
        if value[4] == tlog.MIGRATE:
            after, _ = self.model._migrated(tlog.decode_migrate(value))
        else:
            after = self.model._applied(decode_block(value))
        low, high = after.digest()
        return value[:80] + low.to_bytes(8, "little") + high.to_bytes(8, "little") + value[96:]

    def stays_stopped(self) -> None:
        """Stopping is for ever, whatever comes next."""
        key, value = self.rng.choice(self.log)
        self.feed(key, value)
        self.feed(None, None)

    def rebuild(self) -> None:
        """Both folds again from the log."""
        self.ours, self.model = self.way.fold(self.genesis.pack()), model_fold.Fold()
        self.model.feed(*self.log[0])
        for key, value in self.log[1:]:
            self.verdict(key, value)
            self.model.feed(key, value)
        agree("rebuilt view", self.our_view(self.ours), self.views[-1], self.where)
        agree("rebuilt model", self.model_view(), self.views[-1], self.where)

    # Writers

    def begin(self) -> None:
        """A new writer, which has read the TLog to some place, mostly its end."""
        rng = self.rng
        description, bundle = rng.choice(self.bundles)
        bundle = replace(bundle, generation=rng.choice([1, 1, 1, 2, 2, 3, 4]))
        if rng.random() < 0.5 and self.views[-1]["bundle"] == bundle.hash:
            bundle = replace(bundle, generation=self.views[-1]["generation"])  # so that quarantines are allowed
        fold = self.way.fold(self.genesis.pack())
        for offset in range(1, len(self.log) if rng.random() < 0.8 else rng.randint(1, len(self.log))):
            fold.read(offset, *self.log[offset])
        nonce = rng.randbytes(15) + b"\1"
        writer = self.way.writer(bundle, fold, nonce, rng.choice(list(Durability)))
        actor = Actor(nonce, description, writer, writer.claim())
        self.actors.append(actor)
        self.send(actor.claim)
        self.believes(actor)

    def read(self, actor: Actor, count: int) -> None:
        """Read on, and believe what the fold says."""
        for _ in range(count):
            writer, offset = actor.writer, actor.writer.fold.next
            if offset == len(self.log) or actor.dead:
                return
            had, key_value = writer.pending, self.log[offset]
            verdict, outcome = writer.read(offset, *key_value)
            accepted = self.views[offset]["accepted_at"] == offset
            agree("writer's verdict", verdict.accepted, accepted, f"{self.where}, read at {offset}")
            if outcome:
                agree("released in order", had[0].value, key_value[1], f"{self.where}, read at {offset}")
                actor.accepted.append(outcome)
            if actor.model is None and actor.writer.reigns and not writer.fold.pending:
                actor.model = ModelMachine(actor.description, **self.settings, state=self.states[offset].copy())
            self.believes(actor)
            if writer.superseded:
                self.seen["superseded"] += 1
                self.is_over(actor, offset)

    def believes(self, actor: Actor) -> None:
        """The writer's fold is the fold of the log up to there; so are its reign and what it saw accepted."""
        fold, where = actor.writer.fold, f"{self.where}, writer {actor.nonce.hex()} at {actor.writer.fold.next}"
        says = self.views[fold.next - 1]
        believed = self.our_view(fold)
        for name in BELIEFS:
            agree(f"belief: {name}", believed[name], says[name], where)
        agree("belief: reigns", actor.writer.reigns, says["reign"] == actor.nonce, where)
        ours = [block for block in self.blocks if block[0] == actor.nonce and block[2] <= says["settled"]]
        agree("belief: accepted", [(actor.nonce, o.first, o.last) for o in actor.accepted], ours, where)
        if not actor.writer.pending:
            agree("belief: digest", believed["digest"], says["digest"], where)
        elif actor.accepted and says["last_block"] and actor.writer.reigns:
            accepted: Digest = actor.accepted[-1].digest
            agree("belief: digest accepted", (accepted.a, accepted.b), says["digest"], where)
        opened = any(view["reign"] == actor.nonce for view in self.views[: fold.next])
        if not actor.writer.reigns and actor.model is not None:
            agree("belief: superseded", actor.writer.superseded, opened, where)

    def is_over(self, actor: Actor, offset: int) -> None:
        """Nothing more goes in or comes out of a superseded writer."""
        actor.dead = True
        calls = (
            lambda: actor.writer.machine,
            lambda: actor.writer.step(self.records),
            lambda: actor.writer.migrate([]),
            lambda: actor.writer.read(offset + 1, None, None),
        )
        for call in calls:
            try:
                call()
            except Superseded:
                continue
            agree("a superseded writer refuses", "did not", "Superseded", self.where)

    def can_step(self, actor: Actor) -> bool:
        return actor.model is not None and not actor.dead and actor.writer.machine.settled < self.records.last

    def step(self, actor: Actor) -> None:
        if not self.can_step(actor):
            return
        rng, writer, model = self.rng, actor.writer, actor.model
        assert model
        at = writer.machine.settled + 1
        head = self.head_of(writer)
        clock = model.state.clock
        if rng.random() < 0.25:
            self.quarantine(actor, at, head)
            return
        size = rng.choice([1, 1, 2, 3, 7])
        batch = self.records.slice(at, min(at + size, len(self.records)))
        entry, outcome = writer.step(batch)
        records = self.model_records[at : outcome.last + 1]
        models = model.step(records)
        block = model_writer.make_block(actor.nonce, head, records, models, clock, model.state)
        agree("block bytes", entry.value, block, f"{self.where}, offsets {outcome.first} to {outcome.last}")
        self.seen["block"] += 1
        self.send(entry)

    def quarantine(self, actor: Actor, at: int, head: bytes) -> None:
        batch, model = self.records.slice(at, at + 1), actor.model
        assert model
        if not actor.writer.fold.repeats:
            try:
                actor.writer.quarantine(batch)
            except InvalidValue:
                self.forge(b"quarantine", self.quarantine_anyway(actor, at))
                return
            agree("a quarantine needs a repeating claim", "written", "refused", self.where)
        entry, _ = actor.writer.quarantine(batch)
        block = model_writer.make_quarantine(actor.nonce, head, self.model_records[at], model)
        agree("quarantine bytes", entry.value, block, f"{self.where}, offset {at}")
        self.seen["quarantine"] += 1
        self.send(entry)

    def quarantine_anyway(self, actor: Actor, at: int) -> bytes:
        """By a writer that does not ask whether it may."""
        assert actor.model
        state = actor.model.state.copy()
        other = ModelMachine(actor.description, **self.settings, state=state)
        return model_writer.make_quarantine(actor.nonce, self.head_of(actor.writer), self.model_records[at], other)

    def head_of(self, writer: Writer) -> bytes:
        """What the next block follows, from the log and the bytes alone."""
        head = writer.fold.head
        for entry in writer.pending:
            head = tlog.chain(head, entry.key, entry.value)
        return head

    def migrate(self, actor: Actor) -> None:
        writer = actor.writer
        if not writer.reigns or not writer.fold.pending or actor.dead:
            return
        rng, old, new = self.rng, self.model.layouts, self.model.pending
        if writer.fold.next != len(self.log) or not new:
            return
        migrations = [migration(rng, old[name], new[name]) for name in sorted(new)]
        if rng.random() < 0.4:
            self.forge(b"migrate", self.wrong_migrate(actor, migrations))
        before = writer.fold.digest
        try:
            entry = writer.migrate(migrations)
        except InvalidValue:
            keys = [old[name].page.key == new[name].page.key for name in new]
            agree("right steps are taken", all(keys), False, f"{self.where}, {migrations}")
            return
        agree("proposing changes nothing", writer.fold.digest, before, self.where)
        self.seen["migrate"] += 1
        self.send(entry)

    def wrong_migrate(self, actor: Actor, migrations: list[Migration]) -> bytes:
        """Steps that may lead elsewhere, or a digest that is another's."""
        rng, view = self.rng, self.views[-1]
        steps: list[dict[str, Any]] = [one.to_json() for one in migrations]
        entry = rng.choice(steps)
        wrong = rng.randrange(8)
        if wrong == 0 and entry["steps"]:
            entry["steps"].pop(rng.randrange(len(entry["steps"])))
        elif wrong == 1:
            entry["steps"].append(rng.choice([
                {"field": "f0", "op": "add"}, {"field": "f0", "op": "drop"}, {"op": "drop"}, {},
                {"field": "f0", "op": "rename", "to": "f0"}, {"field": "f0", "op": "rename", "to": "f1"},
                {"field": "f0", "op": "widen", "type": "i64"}, {"field": "f0", "op": "swap"},
                {"field": 1, "op": "drop"}, {"field": "f0", "op": "add", "to": "f1"}, {"field": "f0", "op": []},
                {"field": "f0", "op": "widen", "type": 8}, {"field": "f0", "op": "rename"},
            ]))  # fmt: skip
        elif wrong == 2:
            entry["from"], entry["to"] = entry["to"], entry["from"]
        elif wrong == 3:
            steps.append(dict(entry))
        elif wrong == 4:
            steps.remove(entry)
        elif wrong == 5:
            rng.shuffle(entry["steps"])
        elif wrong == 6:
            entry["more"] = 1
        digest, settled = view["digest"], view["settled"]
        if wrong == 5 or wrong == 7:
            digest = (digest[0] ^ 1, digest[1])
        return model_writer.make_migrate(actor.nonce, view["head"], settled, self.model.state.clock, digest, steps)

    # The network

    def send(self, entry: Entry) -> None:
        self.network.append(entry)
        self.sent.append(entry)

    def resend(self, actor: Actor) -> None:
        """Byte for byte: the claim while it may still count, blocks after it."""
        if actor.writer.pending:
            self.network += actor.writer.pending
        elif actor.model is None:
            self.network.append(actor.claim)

    def deliver(self) -> None:
        """An entry under way arrives, mostly the oldest; it may arrive again later, or be lost."""
        if not self.network:
            return
        rng = self.rng
        at = 0 if rng.random() < 0.7 else rng.randrange(len(self.network))
        entry = self.network[at]
        if rng.random() > 0.15:
            del self.network[at]
        if rng.random() < 0.12:
            self.seen["lost"] += 1
            return
        verdict = self.append(entry.key, entry.value)
        self.seen[f"{entry.key.decode()} {verdict}"] += 1
        agree("no writer's record stops", verdict != model_fold.STOPPED, True, self.where)

    # Forgeries

    def forgery(self) -> None:
        rng = self.rng
        chance = rng.random()
        if chance < 0.2:
            self.forge(rng.choice([None, b"", b"block"]), rng.choice(GARBAGE))
        elif chance < 0.3:
            self.forge(rng.choice([None, b"block"]), rng.choice(STOPPING))
        elif chance < 0.35:
            self.forge(
                b"genesis", rng.choice([self.genesis.pack(), self.genesis.pack()[:-8], self.genesis.pack()[:39]])
            )
        elif self.sent:
            value = rng.choice(self.sent[-3:]).value if rng.random() < 0.7 else rng.choice(self.sent).value
            self.forge(rng.choice([b"claim", b"block", None]), damaged(rng, value, self.views[-1]))


def damaged(rng: Random, value: bytes, view: dict[str, Any]) -> bytes:
    """A copy that is shorter or has other bits; often made to fit the fold, so that its body is looked at."""
    out = bytearray(value)
    if rng.random() < 0.5:
        kind = out[4]
        if kind == 2:
            out[8:24] = view["reign"]
            out[40:48] = (view["generation"] + rng.randint(0, 1)).to_bytes(8, "little")
            if rng.random() < 0.5:
                out[48:80] = view["bundle"]
        elif kind in (3, 4, 5):
            out[8:24], out[24:56] = view["reign"], view["head"]
            count = int.from_bytes(out[64:72], "little") - int.from_bytes(out[56:64], "little")
            out[56:64] = (view["settled"] + 1).to_bytes(8, "little")
            out[64:72] = ((view["settled"] + 1 + count) % 2**64).to_bytes(8, "little")
    chance = rng.random()
    if chance < 0.15:
        return bytes(out[: rng.randrange(len(out))])
    if chance < 0.2:
        return bytes(out) + rng.choice([bytes(8), b"\0", b"x"])
    for _ in range(rng.choice([0, 1, 1, 2])):
        at = rng.randrange(len(out)) if rng.random() < 0.5 else rng.randrange(min(len(out), 160))
        out[at] = rng.choice([out[at] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)])
    return bytes(out)


def migration(rng: Random, old: PageLayout, new: PageLayout) -> Migration:
    """Some steps that lead from one layout to the other."""
    before = {f.name: f.type for f in old.fields}
    wanted = {f.name: f.type for f in new.fields}
    kept = {name for name in before if name in wanted and fits(before[name], wanted[name]) and rng.random() < 0.9}
    gone, come = [name for name in before if name not in kept], [name for name in wanted if name not in kept]
    renamed: list[tuple[str, str]] = []
    for name in list(gone):
        to = next((to for to in come if fits(before[name], wanted[to]) and to not in before), None)
        if to is not None and rng.random() < 0.8:
            renamed.append((name, to))
            gone.remove(name)
            come.remove(to)
    steps = [Step("drop", name) for name in gone]
    steps += [Step("rename", name, to) for name, to in renamed]
    stays = [(name, name) for name in sorted(kept)] + renamed
    steps += [Step("widen", to, wanted[to]) for name, to in stays if before[name] != wanted[to]]
    steps += [Step("add", name) for name in come]
    return Migration(old.name, old.type_id, new.type_id, tuple(steps))


def fits(old: str, new: str) -> bool:
    return old == new or widens(old, new)


def check_interleaving(seed: int, steps: int = STEPS, way: Way = INTERPRETED) -> Counter[str]:
    """One seed's interleaving; gives what happened, by name."""
    rng = Random(seed)
    first = random_bundle(rng)
    second = random_bundle(rng, pages=evolved_pages(rng, first.pages))
    with loaded(first) as one, loaded(second) as other:
        simulation = Simulation(seed, rng, [(first, one), (second, other)], way)
        for _ in range(steps):
            act(simulation)
        settle(simulation)
        simulation.ours.state.check()
        return simulation.seen


def act(simulation: Simulation) -> None:
    rng = simulation.rng
    living = [actor for actor in simulation.actors if not actor.dead]
    if not living or (len(living) < WRITERS_MAX and rng.random() < 0.05):
        simulation.begin()
        return
    waiting = [actor for actor in living if actor.writer.reigns and actor.writer.fold.pending]
    actor, chance = rng.choice(waiting if waiting and rng.random() < 0.4 else living), rng.random()
    if actor in waiting and rng.random() < 0.4:
        simulation.read(actor, 100)
        simulation.migrate(actor)
        return
    if chance < 0.25:
        simulation.read(actor, rng.choice([1, 2, 100]))
    elif chance < 0.5:
        simulation.step(actor)
    elif chance < 0.57:
        simulation.read(actor, 100)
        simulation.migrate(actor)
    elif chance < 0.8:
        simulation.deliver()
    elif chance < 0.85:
        simulation.resend(actor)
    elif chance < 0.88:
        actor.dead = True  # it crashed; what it sent may still arrive
    else:
        simulation.forgery()


def settle(simulation: Simulation) -> None:
    """In the end whoever lives reads everything."""
    for entry in simulation.network:
        simulation.append(entry.key, entry.value)
    for actor in simulation.actors:
        simulation.read(actor, len(simulation.log))
