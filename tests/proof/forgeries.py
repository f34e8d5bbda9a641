"""TLog records that no writer wrote, from those that one did: both folds accept, discard or stop at them alike.

A forgery has the header that the fold expects, so that its body is what counts; descriptors and steps are changed as
JSON and written canonically again, with the type ids that follow; and a body that only the digest gives away gets the
digest that it leads to.
"""

import json
import struct
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

from tests.generator.bundles import random_bundle
from tests.generator.layouts import evolved_pages
from tests.model import fold as model_fold
from tests.model import metadata as model_metadata
from tests.model import tlog
from tests.model import writer as model_writer
from tests.model.blocks import Block, decode_block, encode_block
from tests.model.compiled import Compiled
from tests.model.deltas import MASK, Delta, read_payload
from tests.model.intents import Source
from tests.model.jsontext import canonical
from tests.model.layout import MUTATE_ID, UPSERT_ID, blake3_8
from tests.model.machine import Machine as ModelMachine
from tests.proof.agreement import loaded
from tests.proof.decoders import mutated
from tests.proof.interleavings import Simulation, damaged, migration
from tests.proof.ways import INTERPRETED, Way

NODES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 256, 65536, 2**63, 0.0, 1.5, "", "x", "f0", "f1", "é", "\ud800", "\0", "i64",
    "u8", "f64", "enum", "text(3)", "text(0)", "text(03)", "text(70000)", "i64[2]", "i64[1]", "bool[2]", "time",
    "blob(8)", "ge", "lt", [], {}, [0], [1, 0], ["ge", 0], {"a": 0}, {"a": 70000}, "Page0", "Intent0", "add", "drop",
    {"field": "f0", "op": "add"}, {"field": "f0", "op": "drop"}, {"field": "f0", "op": "widen", "type": "i64"},
)  # fmt: skip


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value: its container, and the name or index."""
    found: list[tuple[Any, Any]] = []
    places = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, inner in list(places):
        found += [(value, place), *nodes(inner)]
    return found


def changed(rng: Random, value: Any) -> Any:
    """The JSON value with a node or two replaced, gone, doubled, moved or renamed."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice([1, 1, 2])):
        places = nodes(value)
        if not places:
            return rng.choice(NODES)
        container, at = rng.choice(places)
        kind = rng.randrange(6)
        if kind < 2:
            container[at] = rng.choice(NODES)
        elif kind == 2:
            same = [c[a] for c, a in places if type(c[a]) is type(container[at])]
            container[at] = json.loads(json.dumps(rng.choice(same)))
        elif kind == 3:
            del container[at]
        elif isinstance(container, list):
            if kind == 4:
                container.insert(at, json.loads(json.dumps(container[at])))
            else:
                container.append(container.pop(at))
        else:
            container[rng.choice(["more", "members", "F0", "", "name"])] = container.pop(at)
    return value


def with_type_ids(descriptor: Any) -> Any:
    """So that a change of a layout is not given away by the id of what it was."""
    for group, word in (("pages", "page"), ("intents", "intent")):
        entries = descriptor.get(group) if isinstance(descriptor, dict) else None
        for entry in entries if isinstance(entries, list) else ():
            try:
                fields = ",".join(f"{field['name']}:{field['type']}" for field in entry["fields"])
                key = "(" + ",".join(entry["key"]) + ")" if word == "page" else ""
                signature = f"{word} {entry['name']}{key}{{{fields}}}"
                entry["type"] = f"{blake3_8(signature.encode()):016x}"
            except (KeyError, TypeError, ValueError):
                continue
    return descriptor


class Forger:
    """A partition with some history, and what could come next."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation, self.rng = simulation, simulation.rng
        self.compiled = [Compiled(description) for description, _ in simulation.bundles]
        self.description = simulation.bundles[0][0]

    def claim(self, which: int, *, repeat: bool = False) -> None:
        """Another reign, honestly begun."""
        view = self.simulation.views[-1]
        self.description, bundle = self.simulation.bundles[which]
        generation = max(1, view["generation"] + (not repeat))
        nonce = self.rng.randbytes(15) + b"\1"
        value = model_writer.make_claim(self.compiled[which], view["reign"], nonce, generation, bundle.hash)
        assert self.simulation.append(b"claim", value) == model_fold.ACCEPTED

    def migrate(self) -> bytes:
        """What is pending, honestly migrated."""
        fold = self.simulation.model
        steps = [migration(self.rng, fold.layouts[name], fold.pending[name]).to_json() for name in sorted(fold.pending)]
        return self.migrate_record(steps)

    def migrate_record(self, steps: Any) -> bytes:
        """With the digest that the steps lead to, if they lead anywhere."""
        fold = self.simulation.model
        settles = (fold.reign, fold.head, fold.settled, fold.state.clock)
        value = model_writer.make_migrate(*settles, fold.digest, steps)
        try:
            return self.simulation.with_right_digest(value)
        except tlog.Invalid:
            return value

    def next_block(self, *, quarantine: bool = False) -> bytes:
        """The next offsets, honestly settled."""
        fold = self.simulation.model
        machine = ModelMachine(self.description, **self.simulation.settings, state=fold.state.copy())
        first = fold.settled + 1
        if quarantine:
            return model_writer.make_quarantine(fold.reign, fold.head, self.simulation.model_records[first], machine)
        records = self.simulation.model_records[first : first + self.rng.choice([1, 3, 8])]
        clock = machine.state.clock
        outcomes = machine.step(records)
        return model_writer.make_block(fold.reign, fold.head, records, outcomes, clock, machine.state)

    # Forgeries

    def bad_claim(self) -> bytes:
        rng, view = self.rng, self.simulation.views[-1]
        descriptor = changed(rng, rng.choice(self.compiled).descriptor())
        if rng.random() < 0.8:
            descriptor = with_type_ids(descriptor)
        if rng.random() < 0.5 and isinstance(descriptor, dict):
            for group in ("pages", "intents"):
                try:
                    descriptor[group].sort(key=lambda entry: entry["name"])
                except (KeyError, TypeError, AttributeError):
                    continue
        claim = tlog.Claim(view["reign"], b"n" * 16, view["generation"] + 1, bytes(32), canonical(descriptor).encode())
        return claim.encode()

    def bad_migrate(self) -> bytes:
        steps = json.loads(tlog.decode_migrate(self.migrate()).steps)
        return self.migrate_record(changed(self.rng, steps))

    def bad_block(self, value: bytes) -> bytes:
        """Changed as bytes, or as what they say."""
        rng = self.rng
        if rng.random() < 0.3:
            return damaged(rng, value, self.simulation.views[-1])
        block = decode_block(value)
        for _ in range(rng.choice([1, 1, 2])):
            self.change_entry(block)
        try:
            return encode_block(block)
        except (struct.error, OverflowError):
            return damaged(rng, value, self.simulation.views[-1])

    def change_entry(self, block: Block) -> None:
        rng = self.rng
        entry, other = rng.choice(block.entries), rng.choice(block.entries)
        kind = rng.randrange(12)
        if kind == 0:
            entry.status = rng.randint(1, 5)
            entry.first = rng.choice([-1, 0, block.header.first]) if entry.status == 3 else None
            entry.row = (entry.row or other.row or rng.choice(ROWS)) if entry.status == 2 else None
        elif kind == 1:
            entry.id = rng.choice([None, other.id, rng.randbytes(16), *self.simulation.model.state.ids][:20])
        elif kind == 2:
            entry.source = self.bad_source(entry.source or other.source)
        elif kind == 3:
            entry.metadata = rng.choice([b"", other.metadata, *METADATA])
        elif kind == 4 and entry.first is not None:
            entry.first = rng.choice([-1, -2, 0, entry.first + 1, block.header.first, block.header.last, 2**62])
        elif kind == 5:
            entry.row = self.bad_row(entry.row) if entry.row else None
        elif kind == 6:
            entry.clock = rng.choice([None, 0, -1, 1, block.header.clock, block.header.clock + 1, 2**63 - 1])
        elif kind == 7:
            known = [layout.type_id for one in self.compiled for layout in (*one.intents.values(), *one.pages.values())]
            entry.type_id = rng.choice([None, other.type_id, 0, MUTATE_ID, UPSERT_ID, *known])
        elif kind in (8, 9) and entry.deltas:
            at = rng.randrange(len(entry.deltas))
            entry.deltas[at] = self.bad_delta(entry.deltas[at], entry.deltas)
        elif kind == 10 and entry.deltas:
            rng.choice([entry.deltas.clear, entry.deltas.reverse, lambda: entry.deltas.append(entry.deltas[0])])()
        elif kind == 11 and entry.follow_ups:
            at = rng.randrange(len(entry.follow_ups))
            entry.follow_ups[at] = self.bad_follow_up(*entry.follow_ups[at])
        elif entry.follow_ups:
            rng.choice([entry.follow_ups.clear, entry.follow_ups.reverse, lambda: entry.follow_ups.append(
                entry.follow_ups[0])])()  # fmt: skip

    def bad_source(self, source: Source | None) -> Source | None:
        rng = self.rng
        known = [(kind, name) for kind, name in self.simulation.model.state.marks]
        kind, name = rng.choice([(1, bytes(16)), (2, rng.randbytes(16)), *known])
        made = Source(kind, name, rng.choice([1, 2, 2**63 - 1, 0]), rng.choice([int(kind == 1), 0, 1, 2**32 - 1]))
        return rng.choice([None, made, replace(source, number=source.number + 1) if source else made])

    def bad_row(self, row: bytes) -> bytes:
        out = bytearray(rng_row if (rng_row := self.rng.choice([row, row, *ROWS])) else row)
        if self.rng.random() < 0.8:
            at = self.rng.choice([0, 0, 2, 3, 3, 4, 6, *range(8, 32)])
            out[at] = self.rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 20, 41, 128, 240, 248, 255])
        return bytes(out)

    def bad_delta(self, delta: Delta, deltas: list[Delta]) -> Delta:
        rng, kind = self.rng, self.rng.randrange(7)
        if kind == 0:
            return replace(delta, base=rng.choice([0, delta.base + 1, 1, -1]))
        if kind == 1:
            return replace(delta, kind=rng.choice([0, 1, 2, 3, 4, 255]))
        if kind == 2:
            key = rng.choice(
                [rng.choice(deltas).key, delta.key[8:], delta.key + bytes(8), rng.randbytes(len(delta.key))]
            )
            return replace(delta, key=key)
        if kind == 3:
            return replace(delta, type_id=rng.choice([rng.choice(deltas).type_id, 0, MUTATE_ID]))
        if kind == 4 and delta.kind != 3:
            return self.other_form(delta)
        payload = bytearray(delta.payload)
        if payload:
            payload[rng.randrange(len(payload))] = rng.choice([0, 1, 2, 127, 128, 255])
        return replace(delta, payload=bytes(payload))

    def other_form(self, delta: Delta) -> Delta:
        """The same change as a mask, or as spans of one word more: right, but not what an encoder writes."""
        layouts = {layout.type_id: layout for layout in self.simulation.model.layouts.values()}
        if delta.type_id not in layouts:
            return delta
        layout = layouts[delta.type_id]
        _, words = read_payload(delta.kind, delta.payload, layout.words)
        if self.rng.random() < 0.5:
            epoch, body = self.simulation.model.state.pages.get((delta.type_id, delta.key), (0, bytes(layout.size)))
            at = self.rng.randrange(layout.words)
            words = {at: body[8 * at : 8 * at + 8], **words} if epoch else words
        order = sorted(words)
        mask = sum(1 << at for at in order).to_bytes(8 * -(-layout.words // 64), "little")
        return replace(delta, kind=MASK, payload=mask + b"".join(words[at] for at in order))

    def bad_follow_up(self, target: int, number: int, value: bytes) -> tuple[int, int, bytes]:
        rng, kind = self.rng, self.rng.randrange(4)
        if kind == 0:
            return target + rng.choice([1, 7, 2**31]), number, value
        if kind == 1:
            return target, number + 1, value
        if kind == 2:
            return target, number, mutated(rng, value, (1,))
        return target, number, b'{"@type":"Intent0"}' + bytes(5)


BLOCKS = ("block", "quarantine")
ROWS = (bytes([7]) + bytes(31), bytes([41]) + bytes(31), bytes([1, 0, 0, 1]) + bytes(12) + b"\xff" * 8 + bytes(8),
        bytes([20, 0, 0, 2]) + bytes(12) + b"\7" * 8 + bytes(8), bytes([17, 0, 0, 4]) + bytes(12) + b"@id" + bytes(13),
        bytes([26, 0, 1, 3]) + bytes(12) + b"\0" * 6 + b"\xf8\x7f" + bytes(8))  # fmt: skip
METADATA = (
    model_metadata.encode({model_metadata.ACTOR: b"eve"}),
    model_metadata.encode({model_metadata.CORRELATION: bytes(16), model_metadata.TRACE: b"t"}),
    bytes(8),
    b"\2\0\1\0\x08\0\0\0",
)


def check_forgeries(seed: int, count: int, way: Way = INTERPRETED) -> Counter[str]:
    """So many forgeries of each kind, at some moments of one history; gives what both folds said, by kind."""
    rng = Random(seed)
    first = random_bundle(rng)
    second = random_bundle(rng, pages=evolved_pages(rng, first.pages))
    found = Counter[str]()
    with loaded(first) as one, loaded(second) as other:
        simulation = Simulation(seed, rng, [(first, one), (second, other)], way)
        forger = Forger(simulation)
        which = 0
        for moment in range(4):
            forger.claim(which, repeat=moment in (1, 3))
            if simulation.model.pending:
                forge(forger, "migrate", count, found)
                simulation.append(b"migrate", forger.migrate())
            forge(forger, "claim", count, found)
            forge(forger, "block", count, found)
            if simulation.model.repeats:
                forge(forger, "quarantine", count, found)
                simulation.append(b"quarantine", forger.next_block(quarantine=True))
            simulation.append(b"block", forger.next_block())
            which = which ^ (moment == 1)
        simulation.ours.state.check()
    return found + Counter({name: times for name, times in simulation.seen.items() if name.startswith("stop: ")})


def forge(forger: Forger, kind: str, count: int, found: Counter[str]) -> None:
    simulation = forger.simulation
    honest = [forger.next_block(quarantine=kind == "quarantine") for _ in range(3)] if kind in BLOCKS else []
    for _ in range(count):
        if kind == "claim":
            value = forger.bad_claim()
        elif kind == "migrate":
            value = forger.bad_migrate()
        else:
            value = forger.bad_block(forger.rng.choice(honest))
        found[f"{kind} {simulation.forge(kind.encode(), value)}"] += 1
