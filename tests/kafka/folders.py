"""Logs for Kafka to read: those of a running application, and one with the outcomes that a user cannot ask for."""

import asyncio
import struct
from pathlib import Path
from typing import Any

import numpy as np

import mmsb
from examples.bank import Account, Deposit, Open, Transfer, app
from mmsb.processors.requests import pack, pack_json
from mmsb.processors.writer import Entry, Writer
from mmsb.schemas.batches import Record, decode_batches, encode_batch
from mmsb.schemas.ids import source_of_follow_up
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.sources import FOLLOW_UP, Source
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.schemas.tlog.records import TlogKind
from mmsb.state.fold import Fold
from mmsb.streams.files import RealFiles
from mmsb.streams.log import Log
from tests.crash.segments import small_segments

TIME_MS = 1_700_000_000_000
LOG_ID = bytes(range(16))
ACCOUNTS = 200


def run_bank(folder: Path, segment_bytes: int) -> None:
    """Singles and columns, packed and as JSON, applied, rejected and duplicate; two starts."""
    with small_segments(segment_bytes):
        asyncio.run(_first(folder))
        asyncio.run(_second(folder))


async def _first(folder: Path) -> None:
    async with app.run(data=folder, interpreted=True) as bank:
        await asyncio.gather(*(bank.submit(Open(n, f"owner {n}"), actor="ann") for n in range(ACCOUNTS)))
        amounts = np.where(np.arange(5_000) % 7, 3, -1)
        ids = [f"order-{n % 4_500}" for n in range(5_000)]
        await bank.submit_many(Deposit, {"account": np.arange(5_000) % ACCOUNTS, "amount": amounts}, ids=ids)
        for n in range(30):
            await bank.submit(Transfer(n, n + 1, 2 if n % 3 else 10_000), id=f"transfer-{n // 2}", reason="rent")


async def _second(folder: Path) -> None:
    async with app.run(data=folder, interpreted=True) as bank:
        await asyncio.gather(*(bank.submit(Deposit(n, 1)) for n in range(500)))
        assert (await bank.get(Account, 0)).owner == "owner 0"


def write_odd(folder: Path) -> list[mmsb.Status]:
    """Two logs with every outcome, gaps and markers of brokers among them; gives the outcomes."""
    intents, tlog = (Log.open(RealFiles(), folder / name, 0) for name in ("intents", "tlog"))
    folder.mkdir(parents=True)
    for log in (intents, tlog):
        log.mend()
    genesis = Genesis(LOG_ID, app.name)
    _append(tlog, Entry(TlogKind.GENESIS.key, genesis.pack()))
    fold = Fold(genesis.pack())
    statuses: list[mmsb.Status] = []
    _claim(tlog, fold, b"first")
    writer = _claim(tlog, fold, b"second")  # repeats the first one's code, so it may settle without executing
    gap = Source(FOLLOW_UP, source_of_follow_up(LOG_ID, 0), 5, 1)
    layout = next(layout for layout in app.bundle().descriptor.intents if layout.name == "Deposit")
    follow_up = pack_intent(layout.type_id, layout.pack([1, 5]), source=gap)
    commit = Record(struct.pack(">hh", 0, 1), struct.pack(">hi", 0, 0), TIME_MS)  # how a transaction of Kafka's ends
    batches: list[tuple[list[Record], dict[str, Any]]] = [
        (_records(pack(Open(1, "ann")), pack_json(Deposit(1, 5), id="a"), pack(Deposit(1, 5), id="a")), {}),
        ([commit], {"control": True}),
        (_records(pack(Deposit(1, 5))), {"transactional": True}),
        (_records(b"garbage", None, b"", b'{"no": "intent"}', follow_up), {}),
        (_records(pack(Deposit(1, 7), id="poison")), {}),
    ]
    for records, flags in batches:
        data = encode_batch(intents.end, records, **flags)
        settle = writer.quarantine if records == batches[-1][0] else writer.step
        entry, outcome = settle(decode_batches(data)[0])
        intents.append(data, intents.end, len(records))
        _append(tlog, entry)
        writer.read(fold.next, entry.key, entry.value)
        statuses += [row.status for row in outcome.outcomes]
    for log in (intents, tlog):
        log.sync()
        log.close()
    return statuses


def _records(*values: bytes | None) -> list[Record]:
    return [Record(None, value, TIME_MS) for value in values]


def _claim(tlog: Log, fold: Fold, name: bytes) -> Writer:
    writer = Writer(app.bundle(), fold, name.ljust(16))
    entry = writer.claim()
    _append(tlog, entry)
    writer.read(fold.next, entry.key, entry.value)
    return writer


def _append(tlog: Log, entry: Entry) -> None:
    offset = tlog.end
    tlog.append(encode_batch(offset, [Record(entry.key, entry.value, TIME_MS)]), offset, 1)
