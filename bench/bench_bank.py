"""The bank, the whole way: transfers and deposits from raw batches to blocks, and the same rules in plain Python dicts.

Every way starts from the same kind of bytes and takes turns with the dicts, so that the ratio between them means
something. What the dicts do and leave out stands in bench/plain.py.
"""

from bench.figures import times
from bench.harness import Case, measure_all, report
from bench.plain import Bank, parsed, values_of
from bench.traffic import DESCRIPTION, Traffic, traffic
from bench.ways import cut_into_stages, forms_of, in_dicts, measure_fold, whole
from bench.whole import compiled

PLAIN_INTENTS = 200_000
PLAIN_ACCOUNTS = 100_000


def main() -> None:
    way = compiled()
    plain = traffic(PLAIN_INTENTS, PLAIN_ACCOUNTS)
    raw, raw_texts = list(plain.packed()), list(plain.json())
    packed, texts, long = forms_of(way)
    found = measure_all(
        whole(way, packed, way.packed_at_least),
        in_dicts(
            "plain dicts, from raw packed batches", plain, lambda bank: bank.settle_batches(raw, bank.settle_packed)
        ),
        whole(way, texts, way.texts_at_least),
        in_dicts(
            "plain dicts, from raw JSON batches", plain, lambda bank: bank.settle_batches(raw_texts, bank.settle_json)
        ),
        whole(way, long),
    )
    figures = [
        *found,
        times("compiled beside plain dicts, packed", found[0], found[1], at_least=way.times_plain),
        times("compiled beside plain dicts, JSON", found[2], found[3]),
        *measure_all(*easier_starts(plain)),
        *measure_fold(way),
    ]
    report("bank", DESCRIPTION, figures, [cut_into_stages(way, form) for form in (packed, texts)])


def easier_starts(plain: Traffic) -> list[Case[Bank]]:
    """The dicts when others have done a part for them already, and not on the clock."""
    tuples = parsed(plain)
    values = [value for batch in plain.packed() for value in values_of(batch)]
    texts = [value for batch in plain.json() for value in values_of(batch)]
    return [
        in_dicts("plain dicts, from packed values (struct)", plain, lambda bank: bank.settle_packed(values)),
        in_dicts("plain dicts, from JSON values (json.loads)", plain, lambda bank: bank.settle_json(texts)),
        in_dicts("plain dicts, from tuples: the rules alone", plain, lambda bank: bank.settle_parsed(tuples)),
    ]


if __name__ == "__main__":
    main()
