"""The compiled scanner writes what the exact readers would have packed, or leaves the text to them."""

from collections import Counter
from random import Random
from typing import Any

import numpy as np

from mmsb.kernels import json_scan
from mmsb.processors.bundle import Bundle
from mmsb.processors.intake import bytes_of, columns_of
from mmsb.processors.json_tables import json_tables
from mmsb.schemas.arguments import json_arguments
from mmsb.schemas.envelopes import read_envelope
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.limits import INTENT_BYTES_MAX
from mmsb.schemas.records import Record, Records
from mmsb.schemas.rejections import Code, Refused
from tests.proof.agreement import loaded, make_case
from tests.proof.decoders import mutated

SEEDS = range(40)


def transcoded(bundle: Bundle, values: list[bytes | None]) -> list[bytes | int]:
    """What the scanner makes of each value; a size where that is negative."""
    records = Records.of(0, [Record(None, value) for value in values])
    tables = json_tables(bundle.descriptor.intents)
    room = sum(tables.room(len(value or b"")) for value in values)
    out, places = np.zeros(room, np.uint8), np.zeros((2, len(values)), np.int64)
    done, used = json_scan.transcode(
        bytes_of(records.buffer), columns_of(records), 0, len(values), tables.words, out, 0, places
    )
    assert (done, used <= room) == (len(values), True)
    return [bytes(out[at : at + size]) if size >= 0 else int(size) for at, size in places.T.tolist()]


def packed(bundle: Bundle, text: bytes) -> bytes | None:
    """The packed form of what the exact readers read; None if they refuse, for anything but bounds."""
    try:
        envelope = read_envelope(text)
        program = bundle.find_program(None, envelope.type_name)
        if program is None:
            return None
        assert isinstance(envelope.arguments, dict)
        arguments = json_arguments(program.layout, envelope.arguments)
    except Refused as refused:
        return b"bounds" if refused.rejection.code == Code.BOUND else None
    about: dict[str, Any] = {"id": envelope.id, "source": envelope.source, "metadata": envelope.metadata}
    return pack_intent(program.layout.type_id, arguments, **about)


def texts_of(seed: int) -> tuple[Any, list[bytes]]:
    case = make_case(seed, 60)
    values = [case.records.value(index) for index in range(len(case.records))]
    return case, [value for value in values if value and value.startswith(b"{")]


def test_what_is_transcoded_is_what_the_exact_readers_pack():
    ways: Counter[str] = Counter()
    for seed in SEEDS:
        case, texts = texts_of(seed)
        rng = Random(seed)
        texts += [text for one in texts for text in (mutated(rng, one), mutated(rng, one)) if text.startswith(b"{")]
        with loaded(case.description) as bundle:
            for text, found in zip(texts, transcoded(bundle, [*texts]), strict=True):
                wanted = packed(bundle, text)
                if found == json_scan.SLOW:
                    ways["slow, right" if wanted not in (None, b"bounds") else "slow, wrong"] += 1
                elif wanted == b"bounds":
                    ways["breaks bounds"] += 1
                elif len(text) > INTENT_BYTES_MAX:
                    assert found == text  # whoever reads envelopes says so
                else:
                    assert found == wanted, (seed, text)
                    ways["transcoded"] += 1

    assert ways["transcoded"] > 300
    assert ways["slow, wrong"] > 300
    assert ways["slow, right"] < ways["transcoded"]


def test_plain_texts_are_not_left_to_the_exact_readers():
    case, _ = texts_of(0)
    with loaded(case.description) as bundle:
        layout = bundle.descriptor.intents[0]
        fields = {field.name: field for field in layout.fields}
        values = {name: 7 for name, field in fields.items() if field.type.spelling.startswith(("i", "u"))}
        if len(values) < len(fields):
            values = {}
        members = "".join(f',"{name}":{value}' for name, value in values.items())
        for beside in ("", ',"@id":"order-17"', ',"@id":"0e1b0e3c-6a0f-4e43-b3b5-1d2b6f9c0a11","@actor":"ann"'):
            text = f'{{"@type":"{layout.name}"{beside}{members}}}'.encode()
            wanted = packed(bundle, text)
            if wanted is not None and wanted != b"bounds":
                assert transcoded(bundle, [text]) == [wanted]


def test_what_is_no_json_is_copied_as_it_is():
    case, _ = texts_of(1)
    with loaded(case.description) as bundle:
        values = [b"MMI\x01 and so on", None, b"", b"[1]", b'{"@type":"nobody"}', b"{", b"x" * 1000]

        assert transcoded(bundle, [*values]) == [values[0], -1, b"", b"[1]", json_scan.SLOW, json_scan.SLOW, values[-1]]
