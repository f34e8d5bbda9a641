"""What the reference interpreter does in a second on one core: the figures that the compiled machine must beat."""

import mmsb
from bench.harness import Case, measure_all, report
from bench.plain import values_of
from bench.traffic import DESCRIPTION
from bench.ways import Form, cut_into_stages, forms_of, measure_fold, whole
from bench.whole import INTERPRETED
from mmsb.schemas.envelopes import read_envelope


def main() -> None:
    packed, texts, long = forms_of(INTERPRETED)
    [batch] = packed.batches
    figures = measure_all(
        Case("decode a batch", "records", len(packed.asked), mmsb.decode_batches, lambda: batch, packed.name),
        *(envelopes(form) for form in (packed, texts, long)),
        *(whole(INTERPRETED, form) for form in (packed, texts, long)),
    )
    folded, table = measure_fold(INTERPRETED)
    tables = [*(cut_into_stages(INTERPRETED, form) for form in (packed, texts)), table]
    report("core", DESCRIPTION, [*figures, *folded], tables)


def envelopes(form: Form) -> Case[list[bytes]]:
    values = values_of(form.batches[0])
    return Case(f"read envelopes, {form.name}", "intents", len(values), read_all, lambda: values)


def read_all(values: list[bytes]) -> None:
    for value in values:
        read_envelope(value)


if __name__ == "__main__":
    main()
