"""Valid bytes, changed and cut: MMSB's decoders and the model's both refuse, or both accept and mean the same.

What the TLog's records mean depends on the fold, so claims, blocks, quarantines and migrations are fuzzed through both
folds: tests.proof.forgeries.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from mmsb.schemas.batches import decode_batch
from mmsb.schemas.envelopes import read_envelope
from mmsb.schemas.errors import CorruptState
from mmsb.schemas.json_text import parse
from mmsb.schemas.metadata import unpack_metadata
from mmsb.schemas.rejections import Refused
from mmsb.schemas.tlog.genesis import unpack_genesis
from mmsb.state.array_pages import ArrayPageType
from mmsb.state.home.bucket_rows import rows_of, take_rows
from tests.generator import hostile, wire
from tests.generator.bundles import random_bundle
from tests.generator.traffic import random_log, random_settings, to_batches
from tests.model import batch as model_batch
from tests.model import events as model_events
from tests.model import intents as model_intents
from tests.model import jsontext, tlog
from tests.model import metadata as model_metadata
from tests.model.compiled import Compiled
from tests.model.digest import row_checksum
from tests.model.layout import PageLayout
from tests.model.rows import Rejected
from tests.proof.agreement import agree

NUMBERS = (0, 1, 2, 7, 8, 61, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1)
PIECES = ("{", "}", "[", "]", ",", ":", '"', "\\", "\\u", "\\ud83d", "\\udc00", " ", "\n", "\0", "e", ".", "-", "0",
          "null", "true", "NaN", "Infinity", "\x7f", "é")  # fmt: skip
Decoder = Callable[[bytes], tuple[Any, ...]]


def mutated(rng: Random, valid: bytes, changes: tuple[int, ...] = (0, 1, 1, 1, 2, 3)) -> bytes:
    """A few bytes set, cut, put in, taken out or doubled, or a number written over."""
    data = bytearray(valid)
    for _ in range(rng.choice(changes)):
        at, kind = rng.randrange(len(data) + 1), rng.randrange(9)
        if kind < 4 and at < len(data):
            data[at] = rng.choice([0, 1, 2, 127, 128, 255, data[at] ^ 1 << rng.randrange(8), rng.randrange(256)])
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            data[at:at] = rng.choice([b"\0", bytes(8), rng.randbytes(rng.randint(1, 9))])
        elif kind == 6:
            del data[at : at + rng.choice([1, 2, 8, 9])]
        elif kind == 7:
            data[at:at] = data[at : at + rng.choice([1, 8, 32])]
        else:
            width = rng.choice([1, 2, 4])
            data[at : at + width] = (rng.choice(NUMBERS) % 256**width).to_bytes(width, rng.choice(["little", "big"]))
    return bytes(data)


def compared(name: str, ours: Decoder, models: Decoder, data: bytes, where: str) -> str:
    """Whether both accepted, after making sure that they did alike."""
    mine, other = ours(data), models(data)
    agree(name, mine, other, f"{where}, {data!r:.3000}")
    return f"{name} refused" if mine[0] == "refused" else f"{name} accepted"


# Record batches


def our_batch(data: bytes) -> tuple[Any, ...]:
    try:
        records, end = decode_batch(data)
    except CorruptState:
        return ("refused",)
    rows = []
    for index, record in enumerate(records):
        headers = tuple((name.encode("utf-8", "surrogateescape"), value) for name, value in record.headers)
        flags = records.flags[index]
        rows.append((records.first + index, record.time, record.key, record.value, headers, flags))
    return end, rows


def models_batch(data: bytes) -> tuple[Any, ...]:
    try:
        records, end = model_batch.decode_batch(data)
    except model_batch.BadBatch:
        return ("refused",)
    return end, [(r.offset, r.time, r.key, r.value, r.headers, r.control + 2 * r.transactional) for r in records]


def bad_batch(rng: Random, valid: bytes) -> bytes:
    """Mostly with a checksum that is right, so that what it covers is looked at; often with a right length, too."""
    data = bytearray(mutated(rng, valid))
    if len(data) >= 61 and rng.random() < 0.8:
        if rng.random() < 0.8:
            data[8:12] = (len(data) - 12).to_bytes(4, "big")
        data[17:21] = model_batch.crc32c(bytes(data[21:])).to_bytes(4, "big")
    return bytes(data)


# JSON, metadata and envelopes


def our_json(data: bytes) -> tuple[Any, ...]:
    try:
        return "accepted", repr(parse(data))
    except Refused as refused:
        return "refused", refused.rejection.code.name.lower(), refused.rejection.value


def models_json(data: bytes) -> tuple[Any, ...]:
    try:
        return "accepted", repr(jsontext.parse(data))
    except jsontext.JsonError as error:
        return "refused", error.code, error.position


def bad_json(rng: Random, valid: bytes) -> bytes:
    """Bytes changed, or pieces of JSON put where they may not be."""
    if rng.random() < 0.4:
        return mutated(rng, valid)
    text = valid.decode("utf-8", "replace")
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(text) + 1)
        piece = rng.choice([*PIECES, rng.choice(hostile.ODD_VALUES), rng.choice(hostile.ODD_NUMBERS)])
        text = text[:at] + piece + text[at + rng.choice([0, 0, 1, 2]) :]
    return text.encode("utf-8", "surrogatepass")


def bad_members(rng: Random, valid: bytes) -> bytes:
    """Members that are gone, twice, or of other types."""
    try:
        return hostile.odd_json(rng, valid)
    except (ValueError, IndexError):  # no JSON, or no members
        return bad_json(rng, valid)


def our_metadata(data: bytes) -> tuple[Any, ...]:
    try:
        return "accepted", unpack_metadata(data).pack()
    except Refused as refused:
        return "refused", refused.rejection.code.name.lower(), refused.rejection.value


def models_metadata(data: bytes) -> tuple[Any, ...]:
    try:
        return "accepted", model_metadata.encode(model_metadata.decode(data))
    except model_metadata.BadMetadata as bad:
        return "refused", "malformed_metadata" if bad.version is None else "metadata_version", bad.version


def our_envelope(data: bytes | None) -> tuple[Any, ...]:
    try:
        e = read_envelope(data)
    except Refused as refused:
        return "refused", refused.rejection.pack()
    source = e.source and (e.source.kind, e.source.source, e.source.number, e.source.hops)
    return "accepted", e.type_id, e.type_name or "", e.id, source, e.metadata, repr(e.arguments)


def models_envelope(data: bytes | None) -> tuple[Any, ...]:
    try:
        e = model_intents.read_envelope(data)
    except Rejected as rejected:
        return "refused", rejected.row.encode()
    source = e.source and (e.source.kind, e.source.source, e.source.number, e.source.hops)
    arguments = e.packed if e.members is None else e.members
    return "accepted", e.type_id, e.type_name, e.id, source, e.metadata, repr(arguments)


# Genesis and buckets of pages


def our_genesis(data: bytes) -> tuple[Any, ...]:
    try:
        g = unpack_genesis(data)
    except CorruptState:
        return ("refused",)
    return g.log_id, g.partition_count, g.partition, g.window, g.app, g.pack()


def models_genesis(data: bytes) -> tuple[Any, ...]:
    try:
        g = tlog.decode_genesis(data)
    except tlog.Invalid:
        return ("refused",)
    return g.log_id, g.partitions, g.partition, g.window, g.app, g.encode()


class Bucket:
    """Pages of a type in one row, as both sides write and read it."""

    def __init__(self, layout: PageLayout, pages: list[tuple[bytes, int, bytes]]) -> None:
        self._type_id, self._key_words, self._body_words = layout.type_id, len(pages[0][0]) // 8, len(pages[0][2]) // 8
        self.data = model_events.encode_bucket(layout, pages)

    def ours(self, data: bytes) -> tuple[Any, ...]:
        pages = ArrayPageType(self._key_words, self._body_words, np.uint64(1))
        try:
            take_rows(pages, self._type_id, rows_of([data]), [(0, 0)])
        except CorruptState:
            return ("refused",)
        return tuple(sorted(pages))

    def models(self, data: bytes) -> tuple[Any, ...]:
        try:
            return tuple(sorted(model_events.decode_bucket(data, self._type_id, self._key_words, self._body_words)))
        except ValueError:
            return ("refused",)

    def bad(self, rng: Random) -> bytes:
        data = mutated(rng, self.data)
        if len(data) >= 32 and len(data) % 8 == 0 and rng.random() < 0.8:
            return data[:24] + row_checksum(data).to_bytes(8, "little") + data[32:]
        return data


def check_decoders(seed: int, count: int) -> Counter[str]:
    """Of each format so many damaged copies; gives what both said, by name."""
    rng, found = Random(seed), Counter[str]()
    description, settings = random_bundle(rng), random_settings(rng)
    records, _, machine = random_log(rng, description, 30, **settings)
    compiled = Compiled(description)
    batches = to_batches(rng, records)
    values = [record.value for record in records if record.value]
    texts = [value for value in values if value[:1] == b"{"] or [b'{"@type":"X"}']
    blocks = [block for _ in range(20) if (block := wire.random_content(rng, []).metadata())]
    genesis = tlog.Genesis(
        settings["log_id"], settings["partitions"], settings["partition"], settings["window"], description.app
    ).encode()
    pages: dict[int, list[tuple[bytes, int, bytes]]] = {}
    for (type_id, key), (epoch, body) in machine.state.pages.items():
        pages.setdefault(type_id, []).append((key, epoch, body))
    buckets = [Bucket(compiled.pages_by_id[type_id], some) for type_id, some in pages.items()]
    for number in range(count):
        where = f"seed {seed}, number {number}"
        data = bad_batch(rng, rng.choice(batches))
        found[compared("batch", our_batch, models_batch, data, where)] += 1
        data = bad_json(rng, rng.choice(texts))
        found[compared("json", our_json, models_json, data, where)] += 1
        data = mutated(rng, rng.choice(blocks))
        found[compared("metadata", our_metadata, models_metadata, data, where)] += 1
        value = rng.choice(values)
        data = mutated(rng, value) if value[:1] != b"{" or rng.random() < 0.3 else bad_members(rng, value)
        found[compared("envelope", our_envelope, models_envelope, data, where)] += 1
        data = mutated(rng, genesis)
        found[compared("genesis", our_genesis, models_genesis, data, where)] += 1
        if buckets:
            bucket = rng.choice(buckets)
            found[compared("bucket", bucket.ours, bucket.models, bucket.bad(rng), where)] += 1
    return found
