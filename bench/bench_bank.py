"""The bank, the whole way: transfers and deposits from raw batches to blocks, and the same rules in plain Python dicts.

Both start from the same batches and take turns, so that the ratio between them means something. What the dicts do and
leave out stands in bench/plain.py.
"""

from collections.abc import Callable
from typing import Final

from bench.figures import times
from bench.harness import Case, measure_all, report, show
from bench.plain import Bank, parsed, values_of
from bench.traffic import BATCH, DESCRIPTION
from bench.ways import Form, cut_into_stages, forms_of, in_dicts, measure_fold, whole
from bench.whole import compiled
from mmsb.kernels.intake.record_batches import ROWS
from mmsb.processors.intake import read_batches

EASIER_REPEATS: Final = 3


def main() -> None:
    way = compiled()
    packed, texts, long = forms_of(way)
    found = measure_all(decoding(packed))
    pairs = measure_all(
        whole(way, packed, way.packed_at_least),
        in_dicts("plain dicts, raw packed batches", packed, settle_packed(packed.batches)),
        whole(way, texts, way.texts_at_least),
        in_dicts("plain dicts, raw JSON batches", texts, settle_texts(texts.batches)),
        whole(way, long),
    )
    found += pairs
    found += show(
        times("compiled beside plain dicts, packed", pairs[0], pairs[1], at_least=way.times_plain),
        times("compiled beside plain dicts, JSON", pairs[2], pairs[3]),
    )
    found += measure_all(*easier_starts(packed, texts), repeats=EASIER_REPEATS)
    folded, table = measure_fold(way)
    report("bank", DESCRIPTION, [*found, *folded], [*(cut_into_stages(way, form) for form in (packed, texts)), table])


def decoding(form: Form) -> Case[None]:
    """From batches to columns, which is the first stage of every way; it reads the bytes and writes the columns."""
    count, size = len(form.asked), sum(map(len, form.batches))

    def decode(_: None) -> None:
        for batch in form.batches:
            read_batches(batch)

    condition = f"{count:,} records of {size / count:.0f} bytes in batches of {BATCH:,}, with their CRC"
    return Case(
        "decode packed batches to columns", "records", count, decode, lambda: None, condition,
        at_least=30e6, traffic=size / count + 8 * ROWS,
    )  # fmt: skip


def settle_packed(batches: list[bytes]) -> Callable[[Bank], None]:
    return lambda bank: bank.settle_batches(batches, bank.settle_packed)


def settle_texts(batches: list[bytes]) -> Callable[[Bank], None]:
    return lambda bank: bank.settle_batches(batches, bank.settle_json)


def easier_starts(packed: Form, texts: Form) -> list[Case[Bank]]:
    """The dicts when others have done a part for them already, and not on the clock."""
    tuples = parsed(packed.asked)
    values = [value for batch in packed.batches for value in values_of(batch)]
    json_values = [value for batch in texts.batches for value in values_of(batch)]
    return [
        in_dicts("plain dicts, packed values (struct)", packed, lambda bank: bank.settle_packed(values)),
        in_dicts("plain dicts, JSON values (json.loads)", texts, lambda bank: bank.settle_json(json_values)),
        in_dicts("plain dicts, tuples: the rules alone", packed, lambda bank: bank.settle_parsed(tuples)),
    ]


if __name__ == "__main__":
    main()
