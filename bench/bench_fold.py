"""Folding blocks whose changes are large, and logs of different length: a fold must follow the bytes, and nothing else.

Each intent puts 1,024 random bytes into one of 10,000 pages; the bank's small changes are in bench_bank.py.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

import mmsb
from bench.figures import times
from bench.harness import Case, measure_all, report, show
from bench.traffic import SEED
from bench.whole import NONCE
from mmsb import u64
from mmsb.processors.intake import read_batches
from mmsb.schemas.classes import layout_of
from mmsb.schemas.intents import pack_intent
from mmsb.state.array_fold import ArrayFold
from mmsb.streams.building import build, build_folding

PAGES: Final = 10_000
BYTES: Final = 1024
INTENTS: Final = 80_000
BATCH: Final = 500
SHORT: Final = 4  # the short log is a quarter of the long one

MB_AT_LEAST: Final = 1_000
AS_FAST: Final = 0.8  # a byte of the long log takes no longer than one of the short, but for noise

app = mmsb.App("blobs", generation=1)


@app.page(key=u64)
class Blob(mmsb.Page):
    content: bytes = mmsb.blob(BYTES)


@app.intent
class Put(mmsb.Intent):
    key: u64
    content: bytes = mmsb.blob(BYTES)

    def query(self) -> mmsb.Ref[Blob]:
        return Blob[self.key]

    def delta(self, blob: Blob) -> None:
        blob.content = self.content


GENESIS: Final = mmsb.Genesis(bytes(range(16)), app.name)


def main() -> None:
    build_folding()
    opening, entries = settled()
    part = entries[: len(entries) // SHORT]
    long, short = measure_all(folding(opening, entries, MB_AT_LEAST), folding(opening, part))
    ratio = times("a byte of the long log beside one of the short", long, short, at_least=AS_FAST)
    settings = {"intents": INTENTS, "pages": PAGES, "bytes": BYTES, "seed": SEED}
    report("fold", settings, [long, short, *show(ratio)])


def folding(opening: list[mmsb.Entry], entries: list[mmsb.Entry], at_least: float | None = None) -> Case[ArrayFold]:
    """In megabytes of blocks, over pages that exist."""
    size = sum(len(entry.value) for entry in entries) / 1e6
    name = f"fold {size:,.0f} MB of changes of {BYTES:,} bytes"
    condition = f"{len(entries)} blocks, {PAGES:,} pages, one core"
    return Case(name, "MB", size, lambda folded: read(folded, entries), lambda: opened(opening), condition, at_least)


def opened(opening: list[mmsb.Entry]) -> ArrayFold:
    folded = ArrayFold(GENESIS.pack())
    read(folded, opening)
    return folded


def read(folded: ArrayFold, entries: list[mmsb.Entry]) -> None:
    for entry in entries:
        assert folded.read(folded.next, entry.key, entry.value).accepted, "one writer wrote them, in this order"


def settled() -> tuple[list[mmsb.Entry], list[mmsb.Entry]]:
    """A TLog: what makes the pages, and what changes them."""
    bundle, rng = app.bundle(), np.random.default_rng(SEED)
    log = mmsb.Writer(bundle, ArrayFold(GENESIS.pack()), NONCE, compiled=build(bundle))
    claim = log.claim()
    log.read(1, claim.key, claim.value)
    made = [entry for batch in batches(0, np.arange(PAGES), rng) for entry in step(log, batch)]
    keys = rng.integers(0, PAGES, INTENTS)
    return [claim, *made], [entry for batch in batches(PAGES, keys, rng) for entry in step(log, batch)]


def batches(first: int, keys: NDArray[np.int64], rng: np.random.Generator) -> Iterator[bytes]:
    """Intents that put something random into each of these pages."""
    layout = layout_of(Put)
    for start in range(0, len(keys), BATCH):
        chosen = keys[start : start + BATCH].tolist()
        values = [pack_intent(layout.type_id, layout.store((key, rng.bytes(BYTES)))) for key in chosen]
        yield mmsb.encode_batch(first + start, [mmsb.Record(None, value) for value in values])


def step(log: mmsb.Writer, batch: bytes) -> Iterator[mmsb.Entry]:
    records, at = read_batches(batch), 0
    while at < len(records):
        entry, outcome = log.step(records.slice(at, len(records)))
        log.read(log.fold.next, entry.key, entry.value)
        at = outcome.last + 1 - records.first
        yield entry


if __name__ == "__main__":
    main()
