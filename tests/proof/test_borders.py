"""What random traffic seldom or never reaches: limits, and the last value on either side of a border.

Applications and records are written by hand; the comparisons are those of tests.proof.agreement.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from mmsb.processors import judging
from mmsb.processors.bundle import Bundle as Loaded
from mmsb.schemas.batches import decode_batches
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.limits import BLOCK_BYTES_MAX, BLOCK_INTENTS_MAX
from mmsb.schemas.tlog.genesis import Genesis
from tests.model import machine as model_machine
from tests.model.batch import Record, encode_batch
from tests.model.bundle import Bundle, Field, Intent, Page, Tree
from tests.model.writer import make_block
from tests.proof.agreement import CUTS, Case, agree, check_cut, check_outcome, loaded
from tests.proof.ways import Way, limit, plain

SETTINGS: dict[str, Any] = {"partition": 0, "partitions": 1, "log_id": bytes(range(16)), "window": 1_048_576}
REIGN, HEAD = bytes(16), bytes(32)
ONE: Tree = ("lit", 1, "1")
PAGE = Page("P", ("i64",), (Field("n", "i64"), Field("u", "u64"), Field("e", "bool"), Field("a", "i64[3]")))


def intent(name: str, *delta: Tree, fields: tuple[Field, ...] = (), page: str = "P") -> Intent:
    return Intent(name, fields, ((page, (ONE,)),), ("p",), delta)


def make_case(bundle: Bundle, values: Sequence[bytes | None], *, control: bool = False) -> Case:
    """These values at time 0, and what the model makes of them."""
    model_records = [Record(offset, 0, value, control=control) for offset, value in enumerate(values)]
    model = model_machine.Machine(bundle, **SETTINGS)
    outcomes = model.step(model_records)
    (records,) = decode_batches(encode_batch(model_records))
    genesis = Genesis(SETTINGS["log_id"], bundle.app, 0, 1, SETTINGS["window"])
    return Case(0, bundle, SETTINGS, model_records, outcomes, model, records, genesis)


def check(way: Way, bundle: Bundle, *members: dict[str, Any]) -> list[str]:
    """Compare everything, for JSON and packed; gives the model's words for what became of each."""
    with loaded(bundle) as ours:
        texts = [json.dumps(each).encode() for each in members]
        cases = [make_case(bundle, values) for values in (texts, list(map(partial(packed, ours), members, texts)))]
        for case in cases:
            for cut in {min(cut, len(members)) for cut in CUTS}:  # larger ones would all be one batch
                check_cut(case, ours, cut, way)
    found = [[out.rejection or out.status_name for out in case.outcomes] for case in cases]
    agree("packed and JSON", found[0], found[1], bundle.app)
    return found[0]


def packed(bundle: Loaded, members: dict[str, Any], text: bytes) -> bytes:
    """The same intent packed, where it can be: what compiled code runs. Built-in intents and the like stay JSON."""
    layout = next((one.layout for one in bundle.programs if one.layout.name == members["@type"]), None)
    names = [field.name for field in layout.fields] if layout else []
    if layout is None or set(members) != {"@type", *names} or not all(isinstance(members[name], int) for name in names):
        return text
    return pack_intent(layout.type_id, layout.pack([members[name] for name in names]))


def test_an_index_is_below_the_count_and_not_below_zero(way: Way) -> None:
    at = ("arg", "i")
    read = intent("Read", ("set", "p", "n", ("get_at", "p", "a", at)), fields=(Field("i", "i64"),))
    write = intent("Write", ("set_at", "p", "a", at, ONE), fields=(Field("i", "i64"),))
    bundle = Bundle("indices", (PAGE,), (read, write))
    sent = [{"@type": name, "i": i} for name in ("Write", "Read") for i in (-4, -3, -1, 0, 2, 3)]
    bad, good = "index_out_of_range", "applied"
    assert check(way, bundle, *sent) == [bad, bad, bad, good, good, bad] * 2


def test_a_page_exists_until_it_is_deleted(way: Way) -> None:
    ask: Tree = ("set", "q", "e", ("exists", "p"))
    query = (("P", (ONE,)), ("P", (("lit", 2, "2"),)))
    delete = Intent("Delete", (), query, ("p", "q"), (ask, ("delete", "p"), ("set", "q", "n", ONE), ask))
    bundle = Bundle("deletions", (PAGE,), (intent("Make", ("set", "p", "n", ONE)), delete))
    assert check(way, bundle, {"@type": "Make"}, {"@type": "Delete"}) == ["applied", "applied"]


def test_json_has_a_depth(way: Way) -> None:
    made = intent("Make", ("set", "p", "n", ONE), fields=(Field("i", "i64"),))
    bundle = Bundle("depths", (PAGE,), (made,))
    nested: list[Any] = []
    for _ in range(6):
        nested = [nested]
    sent = [{"@type": "Make", "i": nested}, {"@type": "Make", "i": [nested]}]
    assert check(way, bundle, *sent) == ["wrong_type", "json_depth"]


def test_an_upsert_knows_u64_from_i64(way: Way) -> None:
    bundle = Bundle("unsigned", (PAGE,), (intent("Make", ("set", "p", "n", ONE)),))
    put = {"@type": "mmsb.Upsert", "page": "P", "key": 1}
    sent = [{**put, "set": {"u": 2**63}}, *({**put, "where": [["u", op, 1]], "set": {"n": 7}} for op in ("lt", "ge"))]
    sent += [{**put, "where": [["u", "ge", 2**64 - 1]], "set": {"n": 8}}, {**put, "set": {"u": 2**64 - 1}}]
    assert check(way, bundle, *sent) == ["applied", "condition", "applied", "condition", "applied"]


def test_an_upsert_adds_up_to_the_last_i64(way: Way) -> None:
    bundle = Bundle("sums", (PAGE,), (intent("Make", ("set", "p", "n", ONE)),))
    put = {"@type": "mmsb.Upsert", "page": "P", "key": 1}
    sums = (2**63 - 2, 1, 1, -(2**63), -(2**63), -1)
    sent = [{**put, "add": {"n": number}} for number in sums]
    assert check(way, bundle, *sent) == ["applied", "applied", "overflow", "applied", "overflow", "applied"]


def test_an_untouched_field_is_held_to_a_bound_that_is_new(way: Way) -> None:
    """One release stores what the next one's bounds forbid; whoever changes the page must make it right."""
    delta: tuple[Tree, ...] = (("set", "p", "m", ("arg", "m")), ("aug", "+", ("get", "p", "n"), ("arg", "n")))
    fields = (Field("m", "i64"), Field("n", "i64"))
    releases = [
        Bundle("bounds", (Page("P", ("i64",), (Field("n", "i64", bounds), Field("m", "i64"))),), (change,))
        for bounds in ((), (("ge", 0),))
        for change in [intent("Change", *delta, fields=fields)]
    ]
    sent = [{"@type": "Change", "m": m, "n": n} for m, n in ((1, -5), (2, 0), (1, 0), (3, 5))]
    values = [json.dumps(each).encode() for each in sent]
    model_records = [Record(offset, 0, value) for offset, value in enumerate(values)]
    (records,) = decode_batches(encode_batch(model_records))
    state, model_state = way.state(make_case(releases[0], values[:1]).genesis), None
    found: list[str] = []
    for release, (first, end) in zip(releases, ((0, 1), (1, 4)), strict=True):
        model = model_machine.Machine(release, **SETTINGS, state=model_state)
        outcomes, model_state = model.step(model_records[first:end]), model.state
        with loaded(release) as bundle:
            outcome = way.machine(bundle, state, first - 1).step(records.slice(first, end))
        known: list[Any] = [None] * first + list(outcomes)
        case = Case(0, release, SETTINGS, model_records, known, model, records, state.genesis)
        check_outcome(case, outcome, f"release {release.pages[0].fields[0].bounds}")
        agree("digest", (outcome.digest.a, outcome.digest.b), model.digest(), "new bounds")
        found += [out.rejection or out.status_name for out in outcomes]
    assert found == ["applied", "invariant", "applied", "applied"]


def test_one_source_too_many_is_refused(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a limit of two, so that the third is too many."""
    monkeypatch.setattr(judging, "SOURCES_MAX", 2)
    if plain():
        from mmsb.kernels.stepping import settling

        monkeypatch.setattr(settling, "_LIMIT", np.uint64(2))
    monkeypatch.setattr(model_machine, "SOURCES_MAX", 2)
    bundle = Bundle("sources", (PAGE,), (intent("Make", ("set", "p", "n", ONE)),))
    sent = [{"@type": "Make", "@source": source, "@number": 1 + i} for i, source in enumerate("aabcba")]
    assert check(way, bundle, *sent) == ["applied"] * 3 + ["too_many_sources"] + ["applied"] * 2


def wide(count: int) -> Bundle:
    """An intent that changes every byte of so many large pages."""
    page = Page("Wide", ("u8",), (Field("data", "blob(65528)"), Field("n", "i64")))
    keys = tuple(("Wide", (("lit", i, str(i)),)) for i in range(count))
    names = tuple(f"p{i}" for i in range(count))
    data = bytes(i % 251 + 1 for i in range(65528))
    delta = tuple(("set", name, "data", ("lit", data, repr(data))) for name in names)
    return Bundle("wide", (page,), (Intent("Fill", (), keys, names, delta),))


@pytest.mark.parametrize(("count", "expected"), [(3, "applied"), (4, "too_large")])
def test_an_outcome_has_a_size(way: Way, count: int, expected: str) -> None:
    assert check(way, wide(count), {"@type": "Fill"}) == [expected]


def check_cut_of_block(way: Way, case: Case, bytes_max: int, intents_max: int) -> None:
    """Step all records at once: as many settle as fit into a block, and the rest goes into the next one."""
    with loaded(case.description) as bundle:
        machine = way.machine(bundle, way.state(case.genesis))
        outcome = machine.step(case.records)
    count = len(outcome.outcomes)
    again = model_machine.Machine(case.description, **SETTINGS)
    models = again.step(case.model_records[:count])
    block = make_block(REIGN, HEAD, case.model_records[:count], models, 0, again.state)
    agree("block is within its limits", len(block) <= bytes_max and count <= intents_max, True, f"{count} records")
    agree("block bytes", outcome.block(REIGN, HEAD), block, f"{count} records")
    models += again.step(case.model_records[count : count + 1])
    more = make_block(REIGN, HEAD, case.model_records[: count + 1], models, 0, again.state)
    agree("block is full", len(more) > bytes_max or count == intents_max, True, f"{count} records")
    rest = machine.step(case.records.slice(count, len(case.records)))
    agree("the next block goes on", rest.first, count, "cut")


def test_a_block_ends_before_it_is_too_large(way: Way) -> None:
    bundle = Bundle("blocks", (PAGE,), (intent("Make", ("aug", "+", ("get", "p", "n"), ONE)),))
    told = {"@type": "Make", "@actor": "a" * 256, "@reason": "r" * 1024, "@trace": "t" * 512}
    case = make_case(bundle, [json.dumps(told).encode()] * 600)
    check_cut_of_block(way, case, BLOCK_BYTES_MAX, BLOCK_INTENTS_MAX)


def test_a_block_settles_so_many_intents_and_no_more(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a limit of 100."""
    limit(monkeypatch, "BLOCK_INTENTS_MAX", 100)
    bundle = Bundle("blocks", (PAGE,), (intent("Make", ("aug", "+", ("get", "p", "n"), ONE)),))
    case = make_case(bundle, [None] * 101, control=True)
    check_cut_of_block(way, case, BLOCK_BYTES_MAX, 100)
