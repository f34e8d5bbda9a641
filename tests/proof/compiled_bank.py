"""The bank's traffic through compiled code and through the interpreter: the same blocks, byte for byte.

`python -m tests.proof.compiled_bank INTENTS` is run by tests.proof.test_compiled under each set of flags. Intents of
three types are mixed, a tenth is refused for one reason or another, a tenth comes twice; windows are small and large;
blocks end with the batch or where they are full.
"""

import sys
from dataclasses import dataclass
from random import Random
from typing import Any

from examples.bank import Deposit, Open, Transfer, app
from mmsb.processors.bundle import Bundle
from mmsb.processors.intake import read_batches
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.classes import layout_of
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.records import Records
from mmsb.schemas.tlog.genesis import Genesis
from tests.proof.agreement import NONCE, agree
from tests.proof.ways import INTERPRETED, CompiledWay, Way

ACCOUNTS = 40
BATCH = 1000
PLANS = ((1_048_576, 10_000_000, 1), (1_048_576, 700, 4), (1, 64, 8), (64, 1, 8), (700, 1000, 4))
"""Windows, how many records are stepped at once, and which part of all: the first plan cuts blocks that are full."""


@dataclass(frozen=True)
class Settled:
    """All that a log came to."""

    blocks: list[bytes]
    digest: bytes
    pages: list[Any]
    full: int  # blocks that ended before the batch did


def intents(count: int, rng: Random) -> list[bytes]:
    values = [pack(Open, account, f"owner {account}", id=rng.randbytes(16)) for account in range(ACCOUNTS - 2)]
    while len(values) < count:
        left, right, amount = rng.randrange(ACCOUNTS), rng.randrange(ACCOUNTS), rng.choice([-1, 0, *[5] * 20, 10**12])
        id = rng.randbytes(16) if rng.random() < 0.9 else None
        kind = rng.random()
        if kind < 0.1:
            values.append(rng.choice(values[-200:]))
        elif kind < 0.15:
            values.append(rng.choice([b"", b"MMI", rng.randbytes(40), values[-1][:-8], values[-1] + bytes(8)]))
        elif kind < 0.2:
            values.append(pack(Open, left, "again", id=id))
        elif kind < 0.4:
            values.append(pack(Deposit, left, abs(amount), id=id))
        else:
            values.append(pack(Transfer, left, right, amount, id=id))
    return values


def pack(intent: type[Any], *arguments: object, id: bytes | None) -> bytes:
    layout = layout_of(intent)
    return pack_intent(layout.type_id, layout.store(arguments), id=id)


def records_of(values: list[bytes]) -> Records:
    batches = [
        encode_batch(at, [Record(None, value, at + index // 7) for index, value in enumerate(values[at:][:BATCH])])
        for at in range(0, len(values), BATCH)
    ]
    return read_batches(b"".join(batches))


def settle(way: Way, bundle: Bundle, genesis: Genesis, records: Records, step: int) -> Settled:
    fold = way.fold(genesis.pack())
    writer = way.writer(bundle, fold, NONCE)
    claim = writer.claim()
    writer.read(fold.next, claim.key, claim.value)
    blocks: list[bytes] = []
    at = full = 0
    while at < len(records):
        stop = min(at + step, len(records))
        entry, outcome = writer.step(records.slice(at, stop))
        writer.read(fold.next, entry.key, entry.value)
        blocks.append(entry.value)
        at = outcome.last + 1
        full += at < stop
    fold.state.check()
    return Settled(blocks, fold.digest.pack(), sorted(fold.state.pages), full)


def check_plan(way: CompiledWay, bundle: Bundle, window: int, step: int, records: Records) -> int:
    """Gives how many blocks were full."""
    genesis = Genesis(bytes(range(16)), bundle.app, window=window)
    where, before = f"window {window}, {step} at once", way.count
    ours = settle(way, bundle, genesis, records, step)
    slow = settle(INTERPRETED, bundle, genesis, records, step)
    for index, (block, slow_block) in enumerate(zip(ours.blocks, slow.blocks, strict=True)):
        agree("block bytes", block, slow_block, f"{where}, block {index}")
    agree("digest", ours.digest, slow.digest, where)
    agree("pages", ours.pages, slow.pages, where)
    agree("compiled code ran", way.count - before, len(records), where)
    return ours.full


def main(count: int) -> None:
    bundle, way, full = app.bundle(), CompiledWay(), 0
    records = records_of(intents(count, Random(8)))
    for window, step, part in PLANS:
        full += check_plan(way, bundle, window, step, records.slice(0, count // part))
    print(f"compiled code settled {way.count} records; {full} blocks were full")


if __name__ == "__main__":
    main(int(sys.argv[1]))
