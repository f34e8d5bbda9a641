"""The compiled scanner writes what the exact readers would have packed, or leaves the text to them."""

import json
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from mmsb.processors.json_tables import json_tables
from mmsb.schemas.layouts import IntentLayout
from mmsb.schemas.limits import INTENT_BYTES_MAX
from mmsb.schemas.records import Record, Records
from tests.generator import wire
from tests.kernels.scanning import SLOW, check, expected, layout_of, scan, transcoded
from tests.model.compiled import Compiled
from tests.proof.agreement import loaded, make_case
from tests.proof.decoders import bad_json, bad_members

SEEDS = range(40)

TRANSFER = layout_of("Transfer", ("src", "u64"), ("dst", "u64"), ("amount", "i64", 7), ("memo", "text(12)", "none"))
DEPOSIT = layout_of("Deposit", ("account", "u64"), ("amount", "i64"))
BANK = (TRANSFER, DEPOSIT)


def cases() -> Iterator[tuple[Random, Any, tuple[IntentLayout, ...]]]:
    """Random bundles with random logs."""
    for seed in SEEDS:
        case = make_case(seed, 60)
        with loaded(case.description) as bundle:
            yield Random(seed), case, bundle.descriptor.intents


def well_formed(rng: Random, description: Any) -> bytes:
    """An intent with all that it may have, in order; no text in it needs an escape."""
    layout = rng.choice(list(Compiled(description).intents.values()))
    content = wire.random_content(rng, [])
    if rng.random() < 0.1:
        content.source, content.number = rng.choice(["orders", "s" * 256]), rng.choice([1, 2**63 - 1])
    arguments = wire.json_arguments(rng, layout, wire.random_arguments(rng, layout.intent.fields))
    items = list((content.members(layout.name) | arguments).items())
    if rng.random() < 0.3:
        rng.shuffle(items)
    separators = rng.choice([(",", ":"), (", ", ": "), (" ,\r", "\n:\t")])
    return json.dumps(dict(items), ensure_ascii=False, separators=separators).encode()


def test_random_intents_are_what_the_exact_readers_pack_or_left_to_them():
    ways: Counter[str] = Counter()
    for rng, case, layouts in cases():
        values = [case.records.value(index) for index in range(len(case.records))]
        texts = [value for value in values if value and value.startswith(b"{")]
        for damage in (bad_json, bad_json, bad_members):
            texts += [text for valid in texts[:40] if (text := damage(rng, valid)).startswith(b"{")]
        for text, taken in zip(texts, check(layouts, texts), strict=True):
            ways["taken" if taken else "left, wrong" if expected(layouts, text) is None else "left, right"] += 1

    assert min(ways["taken"], ways["left, wrong"], ways["left, right"]) > 200


def test_nearly_all_that_is_well_formed_is_taken():
    ways: Counter[bool] = Counter()
    for rng, case, layouts in cases():
        texts = [text for _ in range(100) if b"\\" not in (text := well_formed(rng, case.description))]
        right = [text for text in texts if expected(layouts, text) is not None]
        ways.update(check(layouts, right))

    assert ways[True] > 2000
    assert ways[False] < 0.02 * ways[True]


def transfer(rng: Random) -> dict[str, Any]:
    """Any members, of which none needs to be slow."""
    members: dict[str, Any] = {"@type": "Transfer", "src": rng.getrandbits(64), "dst": rng.randrange(99)}
    if rng.random() < 0.5:
        members = {"@type": "Deposit", "account": rng.getrandbits(rng.randrange(65)), "amount": -rng.getrandbits(63)}
    more: dict[str, Any] = {
        "@version": 1,
        "@id": rng.choice(["x", "ö" * 128, "0e1b0e3c-6a0f-4e43-b3b5-1d2b6f9c0a11"]),
        "@actor": "é" * rng.randint(1, 128),
        "@reason": "r" * rng.choice([1, 3, 4, 5, 1024]),
        "@correlation": f"c{rng.getrandbits(rng.randrange(99))}",
        "@causation": "0E1B0E3C-6A0F-4E43-B3B5-1D2B6F9C0A1F",
        "@trace": "t" * rng.choice([1, 12, 512]),
        "@source": rng.choice(["orders", "0e1b0e3c-6a0f-4e43-b3b5-1d2b6f9c0a11", "\x7f" * 256]),
        "@number": rng.choice([1, 12345678, 2**63 - 1]),
        "amount": rng.randrange(10**18),
        "memo": rng.choice(["", "m", "memo memo", "memo memo me", "ж€"]),
    }
    if members["@type"] == "Deposit":
        del more["memo"]
    members |= {name: value for name, value in more.items() if rng.random() < 0.4}
    if ("@source" in members) != ("@number" in members):
        members |= {"@source": "orders", "@number": 5}
    return members


def written(rng: Random, members: dict[str, Any], *, shuffled: bool) -> bytes:
    items = list(members.items())
    if shuffled:
        rng.shuffle(items)
    blank = rng.choice(["", "", " ", "\n\t", "\r  "])
    pairs = [json.dumps(name) + blank + ":" + blank + json.dumps(v, ensure_ascii=False) for name, v in items]
    return ("{" + blank + (blank + "," + blank).join(pairs) + blank + "}" + blank).encode()


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("room", [0, 9000, 1 << 20])
def test_all_members_are_taken_in_any_order_with_any_blanks(shuffled, room):
    rng = Random(room)
    assert all(check(BANK, [written(rng, transfer(rng), shuffled=shuffled) for _ in range(400)], room))


def test_a_member_that_is_there_twice_is_left_to_the_exact_readers_wherever_the_type_stands():
    rng = Random(1)
    for _ in range(300):
        members = transfer(rng)
        pairs = [json.dumps({name: value}, ensure_ascii=False)[1:-1] for name, value in members.items()]
        rng.shuffle(pairs)
        pairs.insert(rng.randrange(len(pairs) + 1), rng.choice(pairs))
        before = written(rng, transfer(rng), shuffled=True)
        assert check(BANK, [before, ("{" + ", ".join(pairs) + "}").encode()]) == [True, False]


def test_members_that_are_not_the_types_own_are_left_to_the_exact_readers():
    known = b'{"@type":"Deposit","account":1,"amount":2}'
    for name in (b"src", b"memo", b"@else", b"@", b"", b"accoun", b"account1", b"\xc3\xa9", b"@idx", b"Amount"):
        pair = b'"' + name + b'":3'
        for text in (known[:-1] + b"," + pair + b"}", b"{" + pair + b"," + known[1:]):
            assert check(BANK, [known, text, known]) == [True, False, True], text


@pytest.mark.parametrize("size", [0, 3, 8, 40])
def test_no_text_goes_on_in_what_lies_behind_it(size):
    rng = Random(size)
    members = {"@id": "x", "@actor": "teller", "account": 1234567890123, "@type": "Deposit", "amount": 7}
    text = written(rng, members, shuffled=False)
    for at in range(1, len(text.rstrip())):
        assert check(BANK, [text[:at], text[at:] + b" " * size]) == [False, True], text[:at]


def test_what_is_not_asked_for_is_copied_as_it_is():
    values = [b"MMI\x01 and so on", None, b"", b"[1]", b'{"@type":"nobody"}', b"{", b"x" * 1000, b"}"]
    assert transcoded(BANK, values) == [*values[:1], -1, *values[2:4], SLOW, SLOW, *values[6:]]

    fine = b'{"@type":"Deposit","account":1,"amount":2}'
    large = fine + b" " * (INTENT_BYTES_MAX + 1 - len(fine))
    assert check(BANK, [large, large[:-1]]) == [True, True]
    assert transcoded(BANK, [large]) == [large]


@pytest.mark.parametrize("flags", [{"control": True}, {"transactional": True}])
def test_control_and_transactional_records_are_copied_as_they_are(flags):
    fine = b'{"@type":"Deposit","account":1,"amount":2}'
    records = Records.of(0, [Record(b"k", fine), Record(None, None)], **flags)
    assert scan(json_tables(BANK), records, 0) == [fine, -1]


@pytest.mark.parametrize("names", [[], ["T"]])
def test_a_type_that_nobody_declared_is_left_to_the_exact_readers(names):
    layouts = [layout_of(name) for name in names]
    texts = [b"{}", b'{"@type":""}', b'{"@type":"U"}', b'{"@type":1}', b'{"@type":"T","@type":"T"}', b'{"@type":null}']
    texts += [b'{"@type":"mmsb.Upsert"}', b'{"@type":"mmsb.Mutate","delta":""}', b'{"@id":"x"}', b'{"a":"@type"}']
    assert not any(check(layouts, texts))
    assert check(layouts, [b'{"@type":"T"}']) == [bool(names)]
