"""The bank, the whole way: transfers and deposits from raw batches to blocks, and the same rules in plain Python dicts.

Every way starts from the same kind of bytes and takes turns with the dicts, so that the ratio between them means
something. What the dicts do and leave out stands in bench/plain.py.
"""

from collections.abc import Callable
from typing import Any, Final

import mmsb
from bench.figures import Figure, StageTable, figure, times
from bench.harness import Case, measure_all, report
from bench.plain import Bank, parsed, values_of
from bench.stages import stage_table
from bench.traffic import ACTOR, BATCH, DEPOSITS, DUPLICATES, REJECTS, SEED, Traffic, traffic
from bench.whole import INTERPRETED, Log, Way

WAYS: Final = [INTERPRETED]
PLAIN_INTENTS: Final = 200_000
PLAIN_ACCOUNTS: Final = 100_000

Settle = Callable[[Bank], None]


def main() -> None:
    plain = traffic(PLAIN_INTENTS, PLAIN_ACCOUNTS)
    figures = measure_all(*starting_points(plain))
    tables: list[StageTable] = []
    for way in WAYS:
        asked = traffic(way.intents, way.accounts)
        figures += measure_way(way, asked, plain)
        figures += measure_fold(way, asked)
        tables += cut_into_stages(way, asked)
    settings: dict[str, object] = {
        "seed": SEED,
        "deposits": DEPOSITS,
        "rejected": REJECTS,
        "repeated ids": DUPLICATES,
        "records in a batch": BATCH,
    }
    report("bank", settings, figures, tables)


def starting_points(plain: Traffic) -> list[Case[Bank]]:
    """The dicts from the most that others could have done for them on: what parsing costs Python, step by step."""
    tuples = parsed(plain)
    values = [value for batch in plain.packed() for value in values_of(batch)]
    texts = [value for batch in plain.json() for value in values_of(batch)]
    return [
        in_dicts("plain dicts, from parsed tuples", plain, lambda bank: bank.settle_parsed(tuples)),
        in_dicts("plain dicts, from packed values (struct)", plain, lambda bank: bank.settle_packed(values)),
        in_dicts("plain dicts, from JSON values (json.loads)", plain, lambda bank: bank.settle_json(texts)),
    ]


def in_dicts(name: str, plain: Traffic, settle: Settle) -> Case[Bank]:
    condition = f"{len(plain):,} intents, {plain.accounts:,} accounts"
    return Case(name, "intents", len(plain), settle, lambda: Bank(plain.accounts), condition)


def measure_way(way: Way, asked: Traffic, plain: Traffic) -> list[Figure]:
    """One machine and the dicts in turns, both from raw batches on, and how many times as fast that is."""
    condition = f"{len(asked):,} intents, {asked.accounts:,} accounts, raw batches to blocks read back"

    def whole(what: str, batches: list[bytes], at_least: float | None = None) -> Case[Any]:
        name = f"{way.name}, {what}"
        return Case(
            name, "intents", len(asked), lambda log: log.settle(batches), ready(way, asked), condition, at_least
        )

    packed, texts = list(plain.packed()), list(plain.json())
    fast, fast_texts, long = list(asked.packed()), list(asked.json()), list(asked.json(ACTOR))
    found = measure_all(
        whole("packed, with ids", fast, way.packed_at_least),
        in_dicts(
            f"plain dicts, raw packed, beside {way.name}", plain, lambda b: b.settle_batches(packed, b.settle_packed)
        ),
        whole(f"JSON of {mean_size(fast_texts)} B, without ids", fast_texts, way.json_at_least),
        in_dicts(f"plain dicts, raw JSON, beside {way.name}", plain, lambda b: b.settle_batches(texts, b.settle_json)),
        whole(f"JSON of {mean_size(long)} B, with actor and reason", long),
    )
    ratios = [
        times(f"{way.name} beside plain dicts, packed", found[0], found[1], at_least=way.times_plain),
        times(f"{way.name} beside plain dicts, JSON", found[2], found[3]),
    ]
    return [*found, *ratios]


def ready(way: Way, asked: Traffic) -> Callable[[], Log]:
    opening = asked.opening
    return lambda: Log(way, opening)


def mean_size(batches: list[bytes]) -> int:
    sizes = [len(value) for value in values_of(batches[0])]
    return round(sum(sizes) / len(sizes))


def measure_fold(way: Way, asked: Traffic) -> list[Figure]:
    """What a reader does with the blocks: decode, check, apply, digest; in deltas and in bytes."""
    log = Log(way, asked.opening)
    start = len(log.entries)
    log.settle(asked.packed())
    size = sum(len(entry.value) for entry in log.entries[start:])
    condition = f"{len(log.entries) - start} blocks of {len(asked):,} intents, {size / asked.deltas:.0f} bytes a delta"
    name = f"{way.name}, fold of blocks"

    def run(folded: mmsb.Fold) -> None:
        log.fold(folded, start, len(log.entries))

    def opened() -> mmsb.Fold:
        return log.fold(way.make_fold(), 0, start)

    [deltas] = measure_all(Case(name, "deltas", asked.deltas, run, opened, condition, way.deltas_at_least))
    megabytes = [sample * size / asked.deltas / 1e6 for sample in deltas.samples]
    return [deltas, figure(name, "MB/s", megabytes, condition=condition, at_least=way.fold_mb_at_least)]


def cut_into_stages(way: Way, asked: Traffic) -> list[StageTable]:
    """Where the time goes, stage by stage."""

    def table(what: str, batches: list[bytes]) -> StageTable:
        name = f"{way.name}, {what}"
        return stage_table(name, "intents", len(asked), lambda log: log.settle(batches), ready(way, asked), way.stages)

    return [table("packed, with ids", list(asked.packed())), table("JSON, without ids", list(asked.json()))]


if __name__ == "__main__":
    main()
