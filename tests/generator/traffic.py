"""Random logs: records that fit the state of the model's machine, so that many apply, and many that do not."""

import struct
from random import Random
from typing import Any

from tests.generator import hostile, values, wire
from tests.model import deltas, doors
from tests.model.batch import Record, encode_batch
from tests.model.bundle import Bundle
from tests.model.compiled import json_value
from tests.model.constants import TIME_MS_MAX
from tests.model.intents import FOLLOW_UP, Source
from tests.model.layout import MUTATE_ID, UPSERT_ID, FieldLayout, PageLayout, blake3_16, follow_up_source
from tests.model.machine import Machine, Outcome

COMPARISONS = {1: "ge", 2: "gt", 3: "le", 4: "lt", 5: "eq", 6: "ne"}


class Traffic:
    """Writes the next record for a machine that has judged all before."""

    def __init__(self, rng: Random, machine: Machine) -> None:
        self.rng, self.machine = rng, machine
        self.compiled = machine.compiled
        self.ids: list[str] = []
        self.time = rng.choice([0, 1, 1_700_000_000_000])
        self.offset = 0
        self.relayed: list[bytes] = []  # follow-ups to this partition, not yet sent
        self.sent: list[bytes] = []

    def record(self) -> Record:
        rng = self.rng
        value, control, transactional = self.value(), False, False
        chance = rng.random()
        if chance < 0.015:
            control = True
        elif chance < 0.03:
            transactional = True
        offset, self.offset = self.offset, self.offset + 1
        return Record(offset, self.next_time(), value, rng.choice([None, None, b"", b"k"]), (), control, transactional)

    def next_time(self) -> int:
        rng = self.rng
        if rng.random() < 0.04:
            return rng.choice([-1, 0, TIME_MS_MAX + 1, 2**62, -(2**62), self.time - 5000])
        if rng.random() < 0.001:
            return TIME_MS_MAX
        self.time += rng.choice([0, 0, 1, 1000])
        return self.time

    def observe(self, out: Outcome) -> None:
        """What relays do: follow-ups to this partition come back in order."""
        self.relayed += [f.value for f in out.follow_ups if f.target == self.machine.partition]

    def value(self) -> bytes | None:
        rng = self.rng
        if self.relayed and rng.random() < 0.3:
            return self.relay()
        chance = rng.random()
        if chance < 0.04:
            return hostile.garbage(rng)
        if chance < 0.14:
            return self.hostile_intent()
        if chance < 0.22:
            return self.mutate()
        if chance < 0.32:
            return self.upsert()
        return self.intent()

    def relay(self) -> bytes:
        chance = self.rng.random()
        if self.sent and chance < 0.1:
            return self.rng.choice(self.sent)
        if len(self.relayed) > 1 and chance < 0.15:
            return self.relayed[1]  # a gap
        self.sent.append(self.relayed.pop(0))
        return self.sent[-1]

    # Intents with code

    def content(self) -> wire.Content:
        rng, content = self.rng, wire.random_content(self.rng, self.ids)
        chance = rng.random()
        marks = self.machine.state.marks
        if chance < 0.12:
            content.source = rng.choice(["orders", "clock", "s" * 256])
            mark = marks.get((2, blake3_16(content.source.encode())), 0)
            content.number = max(1, min(2**63 - 1, mark + rng.choice([1, 1, 1, 2, 50, 0, -1])))
        elif chance < 0.2:
            partition = rng.choice([self.machine.partition, 0, self.machine.partitions - 1])
            name = follow_up_source(partition, self.machine.log_id)
            if rng.random() < 0.1:
                name = rng.choice([bytes(16), follow_up_source(self.machine.partitions, self.machine.log_id)])
            number = marks.get((FOLLOW_UP, name), 0) + rng.choice([1, 1, 1, 1, 2, 0])
            content.follow_up = Source(FOLLOW_UP, name, max(1, number), rng.choice([1, 1, 2, 7, 8, 255]))
        return content

    def intent(self, *, obey: bool | None = None) -> bytes:
        rng = self.rng
        layout = rng.choice(list(self.compiled.intents.values()))
        obey = rng.random() < 0.93 if obey is None else obey
        arguments = wire.random_arguments(rng, layout.intent.fields, obey=obey)
        content = self.content()
        if content.follow_up or rng.random() < 0.5:
            return content.packed(layout.type_id, wire.packed_arguments(layout, arguments))
        return wire.json_text(rng, content.members(layout.name) | wire.json_arguments(rng, layout, arguments))

    def hostile_intent(self) -> bytes:
        rng = self.rng
        chance = rng.random()
        if chance < 0.05:
            return wire.Content().packed(rng.getrandbits(64), bytes(8 * rng.randint(0, 3)))
        if chance < 0.1:
            return wire.json_text(rng, {"@type": rng.choice(["Nobody", "", "mmsb.Query", "é" * 20])})
        if chance < 0.4:
            return self.bad_arguments()
        if chance < 0.5:
            return hostile.damaged(rng, self.mutate())
        if chance < 0.6:
            return hostile.damaged(rng, self.upsert())
        return hostile.damaged(rng, self.intent())

    def bad_arguments(self) -> bytes:
        """A packed intent in order, but for its arguments."""
        rng = self.rng
        layout = rng.choice(list(self.compiled.intents.values()))
        arguments = bytearray(layout.encode(wire.random_arguments(rng, layout.intent.fields)))
        chance = rng.random()
        if chance < 0.15 or not arguments:
            return self.content().packed(layout.type_id, bytes(arguments) + bytes(8))
        if chance < 0.3:
            return self.content().packed(layout.type_id, bytes(arguments[8:]))
        strict = [f for f in layout.fields if f.base in ("text", "bool", "enum", "f64")]
        at = rng.randrange(len(arguments))
        if strict and rng.random() < 0.8:
            f = rng.choice(strict)
            at = f.offset + rng.randrange(f.size)
            if f.base == "f64":
                number = rng.choice([float("nan"), float("inf"), float("-inf")])
                arguments[at // 8 * 8 : at // 8 * 8 + 8] = struct.pack("<d", number)
                return self.content().packed(layout.type_id, bytes(arguments))
        arguments[at] = rng.choice([0, 2, 97, 128, 195, 255])
        return self.content().packed(layout.type_id, bytes(arguments))

    # Mutate and Upsert

    def some_page(self) -> tuple[PageLayout, bytes, int, dict[str, Any]]:
        """A page that is there, most of the time; its epoch and values."""
        rng, pages = self.rng, self.machine.state.pages
        if pages and rng.random() < 0.75:
            (type_id, key), (epoch, body) = rng.choice(list(pages.items()))
            layout = self.compiled.pages_by_id[type_id]
            return layout, key, epoch, layout.decode(body)
        layout = rng.choice(list(self.compiled.pages.values()))
        key = layout.encode_key(tuple(values.scalar(rng, f) for f in layout.key_fields))
        epoch, body = pages.get((layout.type_id, key), (0, b""))
        return layout, key, epoch, layout.decode(body) if epoch else layout.defaults()

    def some_delta(self) -> tuple[bytes, PageLayout, int, bytes]:
        """A delta's record, good or damaged; the layout, epoch and body of the page that it was made for."""
        rng = self.rng
        layout, key, epoch, before = self.some_page()
        after = dict(before)
        for f in rng.sample(layout.fields, rng.randint(0, min(3, len(layout.fields)))):
            after[f.name] = values.value(rng, f.field, obey=rng.random() < 0.9)
        base = epoch if rng.random() < 0.85 else rng.choice([0, epoch + 1, max(0, epoch - 1), -1])
        bodies = layout.encode(before), layout.encode(after)
        delta = deltas.make_delta(layout, key, base, *bodies)
        if rng.random() < 0.1:
            delta = deltas.make_delta(layout, key, max(1, base), bodies[0], None)
        record = (delta or deltas.Delta(layout.type_id, 0, key, base, bytes(8))).encode()
        if rng.random() < 0.2:
            record = damaged_delta(rng, record)
        return record, layout, epoch, bodies[0]

    def mutate(self) -> bytes:
        rng, record = self.rng, self.some_delta()[0]
        if rng.random() < 0.5:
            return self.content().packed(MUTATE_ID, record)
        members = self.content().members("mmsb.Mutate")
        return wire.json_text(rng, members | {"delta": wire.json_form(rng, record.hex(), "blob")})

    def upsert(self) -> bytes:
        rng = self.rng
        layout, key, epoch, now = self.some_page()
        conditions, assignments = [], []
        for _ in range(rng.choice([0, 0, 1, 2])):
            conditions.append(self.condition(layout, epoch, now))
        for f in rng.sample(layout.fields, rng.randint(0, min(3, len(layout.fields)))):
            assignments.append(self.assignment(f))
        assignments.sort(key=lambda clause: clause.op)
        components = layout.decode_key(key)
        if rng.random() < 0.5:
            arguments = doors.pack_upsert(layout, components, conditions, assignments)
            return self.content().packed(UPSERT_ID, arguments)
        members = self.content().members("mmsb.Upsert")
        return wire.json_text(rng, members | self.upsert_members(layout, components, conditions, assignments))

    def condition(self, layout: PageLayout, epoch: int, now: dict[str, Any]) -> doors.Clause:
        rng = self.rng
        f = rng.choice(layout.fields)
        if rng.random() < 0.3 or f.length:
            return doors.Clause(None, rng.choice([1, 3, 5, 6]), epoch + rng.choice([0, 0, 0, 1, -1]))
        ops = [op for op in COMPARISONS if doors.condition_allowed(f, op)]
        asked = now[f.name] if rng.random() < 0.7 else values.scalar(rng, f)
        return doors.Clause(f, rng.choice([5, 1, 3, *ops]) if 1 in ops else rng.choice(ops), asked)

    def assignment(self, f: FieldLayout) -> doors.Clause:
        rng = self.rng
        if doors.add_allowed(f) and rng.random() < 0.5:
            return doors.Clause(f, 2, values.float_value(rng) if f.base == "f64" else rng.choice([0, 1, 5, -1, 2**40]))
        return doors.Clause(f, 1, values.value(rng, f.field, obey=rng.random() < 0.9))

    def upsert_members(
        self, layout: PageLayout, key: tuple[Any, ...], conditions: list[doors.Clause], assignments: list[doors.Clause]
    ) -> dict[str, Any]:
        form = self.json_form
        components = [form(f, value) for f, value in zip(layout.key_fields, key, strict=True)]
        out: dict[str, Any] = {"page": layout.name, "key": components if len(components) > 1 else components[0]}
        if conditions:
            out["where"] = [
                [c.field.name if c.field else "@epoch", COMPARISONS[c.op], form(c.field, c.value)] for c in conditions
            ]
        for op, name in ((1, "set"), (2, "add")):
            chosen = {c.field.name: form(c.field, c.value) for c in assignments if c.op == op and c.field}
            if chosen:
                out[name] = chosen
        return out

    def json_form(self, f: FieldLayout | None, value: Any) -> Any:
        if f is None:
            return value
        return wire.json_form(self.rng, json_value(f, value), f.base) if f.base != "f64" else _floats(value)


def _floats(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def damaged_delta(rng: Random, record: bytes) -> bytes:
    """Words changed in a delta's record, its length mostly kept: what validation is for."""
    out = bytearray(record)
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(out))
        out[at] = rng.choice([0, 1, 2, 3, 4, 255, out[at] ^ 128])
    if rng.random() < 0.15:
        out += rng.choice([bytes(8), b"\0", rng.randbytes(8)])
    return bytes(out)


def random_log(rng: Random, bundle: Bundle, count: int, **settings: Any) -> tuple[list[Record], list[Outcome], Machine]:
    """Records, what the model makes of each, and the model's machine after them. Settings are the Machine's."""
    machine = Machine(bundle, **settings)
    traffic = Traffic(rng, machine)
    records, outcomes = [], []
    for _ in range(count):
        records.append(traffic.record())
        outcomes.append(machine.judge(records[-1]))
        traffic.observe(outcomes[-1])
    return records, outcomes, machine


def random_settings(rng: Random) -> dict[str, Any]:
    partitions = rng.choice([1, 1, 1, 1, 1, 1, 2, 3])
    return {
        "partition": rng.randrange(partitions),
        "partitions": partitions,
        "log_id": rng.randbytes(15) + b"\1",
        "window": rng.choice([1, 2, 7, 100, 1_048_576]),
    }


def to_batches(rng: Random, records: list[Record]) -> list[bytes]:
    """The records as a producer might batch them: one batch has one kind of flags."""
    out: list[bytes] = []
    at = 0
    while at < len(records):
        size = rng.choice([1, 2, 7, 100])
        batch = [records[at]]
        for record in records[at + 1 : at + size]:
            far = abs(record.time - batch[0].time) >= 2**63  # a batch holds times as differences of 64 bits
            if far or (record.control, record.transactional) != (batch[0].control, batch[0].transactional):
                break
            batch.append(record)
        out.append(encode_batch(batch))
        at += len(batch)
    return out
