"""What the reference interpreter does in a second on one core: the figures that the compiled machine must beat.

The same transfers are also done in plain Python dicts, without a log, types, ids or a digest. That is what a service
does which keeps no history; it says what the guarantees cost here, not what to compare a bus with.
"""

from collections.abc import Sequence
from random import Random

import mmsb
from bench.harness import measure, report
from examples.bank import Deposit, Open, Transfer, app
from mmsb.schemas.envelopes import read_envelope

ACCOUNTS = 1_000
INTENTS = 5_000
SEED = 1

BUNDLE = app.bundle()
GENESIS = mmsb.Genesis(log_id=bytes(range(16)), app="bank").pack()
NONCE = b"a-reign's-name-1"

Balances = dict[int, dict[str, int]]


def main() -> None:
    rng = Random(SEED)
    pairs = [rng.sample(range(ACCOUNTS), 2) for _ in range(INTENTS)]
    transfers = [Transfer(src, dst, rng.randint(1, 100)) for src, dst in pairs]
    packed = [mmsb.pack(transfer, id=f"transfer-{n}") for n, transfer in enumerate(transfers)]
    texts = [mmsb.pack_json(transfer, id=f"transfer-{n}") for n, transfer in enumerate(transfers)]
    opening = records(0, [mmsb.pack(intent) for intent in money()])
    asked = records(len(opening), packed)
    batch = mmsb.encode_batch(0, list(asked))

    writer, tlog = funded(opening)
    entry, outcome = writer.step(asked)
    assert all(row.status is mmsb.Status.APPLIED for row in outcome.outcomes), "every transfer is between rich accounts"
    assert len(outcome.outcomes) == INTENTS, "one block holds them all"
    deltas = len(outcome.deltas)

    figures = [
        measure("decode a batch", "records", INTENTS, mmsb.decode_batches, lambda: batch),
        measure("read packed envelopes", "intents", INTENTS, read_all, lambda: packed),
        measure("read JSON envelopes", "intents", INTENTS, read_all, lambda: texts),
        measure("step packed transfers", "intents", INTENTS, lambda w: w.step(asked), lambda: funded(opening)[0]),
        measure(
            "step JSON transfers",
            "intents",
            INTENTS,
            lambda w: w.step(records(len(opening), texts)),
            lambda: funded(opening)[0],
        ),
        measure("encode a block", "deltas", deltas, lambda made: made.block(NONCE, bytes(32)), lambda: outcome),
        measure(
            "fold a block",
            "deltas",
            deltas,
            lambda fold: fold.read(len(tlog), entry.key, entry.value),
            lambda: folded(tlog),
        ),
        measure("transfers in plain dicts", "intents", INTENTS, lambda b: move(b, transfers), balances),
    ]
    settings: dict[str, object] = {"accounts": ACCOUNTS, "intents": INTENTS, "seed": SEED, "batch bytes": len(batch)}
    report("core", {**settings, "block bytes": len(entry.value)}, figures)


def money() -> list[mmsb.Intent]:
    """What opens the accounts, and makes them rich."""
    opens = [Open(n, f"owner {n}") for n in range(ACCOUNTS)]
    return [*opens, *(Deposit(n, 1_000_000) for n in range(ACCOUNTS))]


def records(first: int, values: Sequence[bytes]) -> mmsb.Records:
    return mmsb.Records.of(first, [mmsb.Record(None, value, 1_700_000_000_000) for value in values])


def funded(opening: mmsb.Records) -> tuple[mmsb.Writer, list[tuple[bytes, bytes]]]:
    """A writer whose accounts hold money, and its TLog so far."""
    writer, tlog = mmsb.Writer(BUNDLE, mmsb.Fold(GENESIS), NONCE), [(b"genesis", GENESIS)]

    def append(entry: mmsb.Entry) -> None:
        tlog.append((entry.key, entry.value))
        writer.read(len(tlog) - 1, entry.key, entry.value)

    append(writer.claim())
    append(writer.step(opening)[0])
    return writer, tlog


def folded(tlog: Sequence[tuple[bytes, bytes]]) -> mmsb.Fold:
    fold = mmsb.Fold(tlog[0][1])
    for offset, (key, value) in enumerate(tlog[1:], start=1):
        fold.read(offset, key, value)
    return fold


def read_all(values: Sequence[bytes]) -> None:
    for value in values:
        read_envelope(value)


def balances() -> Balances:
    return {n: {"balance": 1_000_000, "moves": 1} for n in range(ACCOUNTS)}


def move(accounts: Balances, transfers: Sequence[Transfer]) -> None:
    for transfer in transfers:
        src, dst, amount = accounts[transfer.src], accounts[transfer.dst], transfer.amount
        if src["balance"] >= amount:
            src["balance"] -= amount
            dst["balance"] += amount
            src["moves"] += 1
            dst["moves"] += 1


if __name__ == "__main__":
    main()
