"""Bad deltas by the million: MMSB's `validate_delta` and the model's say the same, and nothing moves."""

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

from mmsb.schemas.delta_validation import validate_delta
from mmsb.schemas.descriptors import unpack_descriptor
from mmsb.schemas.layouts import PageLayout
from tests.generator import values
from tests.generator.layouts import random_enums, random_page
from tests.model import deltas
from tests.model.bundle import Bundle
from tests.model.compiled import Compiled
from tests.model.constants import DELTA_STATUSES
from tests.model.layout import PageLayout as ModelLayout
from tests.proof.agreement import agree

STATUS_NAMES = {number: name for name, number in DELTA_STATUSES.items()}
LAYOUTS_EVERY = 400  # deltas, then other page types
BYTES = (0, 1, 2, 3, 4, 7, 127, 128, 255)


@dataclass
class Place:
    """A page type, and one page of it: epoch 0 is none."""

    ours: PageLayout
    models: ModelLayout
    key: bytes
    epoch: int
    body: bytes


def random_places(rng: Random) -> list[Place]:
    enums = random_enums(rng)
    pages = tuple(random_page(rng, i, enums) for i in range(4))
    compiled = Compiled(Bundle("deltas", pages, ()))
    ours = {page.name: page for page in unpack_descriptor(compiled.descriptor_bytes()).pages}
    places = []
    for name, layout in compiled.pages.items():
        key = layout.encode_key(tuple(values.scalar(rng, f) for f in layout.key_fields))
        body = layout.encode({f.name: values.value(rng, f.field) for f in layout.fields})
        epoch = rng.choice([0, 1, 5, 2**63 - 1])
        places.append(Place(ours[name], layout, key, epoch, body if epoch else bytes(layout.size)))
    return places


def random_record(rng: Random, place: Place) -> bytes:
    """A good delta most of whose bytes are left as they are, or words that only look like one."""
    layout = place.models
    base = place.epoch if rng.random() < 0.85 else rng.choice([0, 1, 6, -1, -(2**63), 2**63 - 1])
    chance = rng.random()
    if chance < 0.3:
        return strange(rng, place, base)
    if chance < 0.36:
        deletion = deltas.Delta(layout.type_id, deltas.DELETE, place.key, base, b"").encode()
        return damaged(rng, deletion, layout) if rng.random() < 0.5 else deletion
    after = {f.name: value for f, value in zip(layout.fields, layout.decode(place.body).values(), strict=True)}
    for f in rng.sample(layout.fields, rng.randint(0, min(4, len(layout.fields)))):
        after[f.name] = values.value(rng, f.field, obey=rng.random() < 0.8)
    payload = deltas.encode_payload(place.body if base else None, layout.encode(after)) or (deltas.SPANS, bytes(8))
    record = deltas.Delta(layout.type_id, payload[0], place.key, base, payload[1]).encode()
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        record = damaged(rng, record, layout)
    return record


def strange(rng: Random, place: Place, base: int) -> bytes:
    """A table or mask at random, with about as many words as it asks for."""
    layout, kind = place.models, rng.choice([deltas.SPANS, deltas.MASK, deltas.RUNS])
    stored = 0
    if kind == deltas.MASK:
        size = -(-layout.words // 64)
        bits = rng.getrandbits(layout.words + (rng.random() < 0.2)) & rng.getrandbits(64 * size)
        table, stored = bits.to_bytes(8 * size, "little"), bits.bit_count()
    else:
        entries, at = [], 0
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            first = max(0, at + rng.choice([0, 0, 1, 1, 2, -1]))
            count = rng.choice([1, 1, 1, 2, 0, 3, layout.words, 65535])
            entries.append((min(first, 65535), count))
            at = first + count
            stored += count if kind == deltas.SPANS else 1
        table = deltas._table(entries)
    stored = min(stored, 2 * layout.words) + rng.choice([0, 0, 0, 0, 1, -1])
    word = rng.choice([bytes(8), rng.randbytes(8), b"\1" + bytes(7)])
    words = b"".join(word if rng.random() < 0.6 else rng.randbytes(8) for _ in range(stored))
    return deltas.Delta(layout.type_id, kind, place.key, base, table + words).encode()


def damaged(rng: Random, record: bytes, layout: ModelLayout) -> bytes:
    """One change that keeps the record's length right, mostly; anywhere, or where something depends on it."""
    out, chance = bytearray(record), rng.random()
    if chance < 0.06:
        return bytes(out[: rng.randrange(len(out) + 1)])
    if chance < 0.1:
        return bytes(out) + rng.choice([b"\0", bytes(8), rng.randbytes(8)])
    if chance < 0.2 and len(out) >= 40:
        more = rng.choice([bytes(8), rng.randbytes(8)])  # in the payload, whose size says so
        out = out + more if rng.random() < 0.5 else out[:-8]
        out[24:28] = (len(out) - 32 - layout.key_size if len(out) > 32 + layout.key_size else 0).to_bytes(4, "little")
        return bytes(out)
    low, high = rng.choice([(0, 32), (4, 8), (32, 32 + layout.key_size), (32 + layout.key_size, len(out))])
    if low < min(high, len(out)):
        at = rng.randrange(low, min(high, len(out)))
        out[at] = rng.choice([*BYTES, out[at] ^ 1 << rng.randrange(8), rng.randrange(256)])
    return bytes(out)


def check_bad_deltas(seed: int, count: int) -> Counter[str]:
    """So many deltas; gives how often each status was found."""
    rng, found = Random(seed), Counter[str]()
    places = random_places(rng)
    for number in range(count):
        if number % LAYOUTS_EVERY == LAYOUTS_EVERY - 1:
            places = random_places(rng)
        found[STATUS_NAMES[check_delta(rng, places, f"seed {seed}, delta {number}")]] += 1
    return found


def check_delta(rng: Random, places: list[Place], where: str) -> int:
    place = rng.choice(places)
    data = random_record(rng, place)
    record: Any = bytearray(data)  # which could be written to
    body: Any = bytearray(place.body)

    def page(type_id: int, key: bytes) -> tuple[int, bytes] | None:
        known = type_id == place.models.type_id and key == place.key and place.epoch
        return (place.epoch, body) if known else None

    layouts = {p.ours.type_id: p.ours for p in places}
    verdict = validate_delta(record, layouts, page)
    there = page(int.from_bytes(data[8:16], "little"), data[32 : 32 + place.models.key_size])
    models = deltas.validate_delta(data, {p.models.type_id: p.models for p in places}, *(there or (0, b"")))
    agree("delta's status and position", (int(verdict.status), verdict.position), models, f"{where}, {data.hex()}")
    agree("a verdict moves no byte", (bytes(record), bytes(body)), (data, place.body), where)
    return int(verdict.status)
