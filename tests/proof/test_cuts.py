"""However blocks are cut, by size, by count or by the batch, the state after the log is the same."""

import json
from random import Random
from typing import Any

import pytest

from mmsb.schemas.batches import decode_batches
from mmsb.schemas.limits import BLOCK_INTENTS_MAX, FOLLOW_UPS_PER_INTENT_MAX
from mmsb.schemas.records import concat
from mmsb.schemas.tlog.genesis import Genesis
from tests.generator.traffic import to_batches
from tests.model import fold as model_fold
from tests.model import machine as model_machine
from tests.model.batch import Record
from tests.model.bundle import Bundle, Field, Intent, Page, Tree
from tests.proof.agreement import CUTS, NONCE, Case, agree, check_cut, check_folds, loaded, make_case
from tests.proof.ways import Way, limit

ONE: Tree = ("lit", 1, "1")
PAGE = Page("P", ("i64",), (Field("n", "i64"),))
MAKE = Intent("Make", (), (("P", (ONE,)),), ("p",), (("aug", "+", ("get", "p", "n"), ONE),))


def blocks_of(case: Case, where: str, way: Way) -> list[int]:
    """Step all that is left, over and over; gives how many offsets each block settled."""
    fold, reader = way.fold(case.genesis.pack()), model_fold.Fold()
    reader.feed(b"genesis", case.genesis.pack())
    counts: list[int] = []
    with loaded(case.description) as bundle:
        writer = way.writer(bundle, fold, NONCE)
        claim = writer.claim()
        writer.read(fold.next, claim.key, claim.value)
        agree("claim is accepted", reader.feed(claim.key, claim.value), model_fold.ACCEPTED, where)
        while fold.settled < case.records.last:
            entry, outcome = writer.step(case.records.slice(fold.settled + 1, len(case.records)))
            writer.read(fold.next, entry.key, entry.value)
            agree("model accepts the block", reader.feed(entry.key, entry.value), model_fold.ACCEPTED, where)
            counts.append(outcome.last - outcome.first + 1)
    agree("digest", (fold.digest.a, fold.digest.b), case.model.digest(), where)
    check_folds(case, fold, reader, where)
    return counts


SLOW = 504
"""Its pages are so large that it takes as long as all others together."""


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.campaign if seed == SLOW else ()) for seed in range(500, 512)]
)
def test_blocks_cut_by_size_settle_the_same(seed: int, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, "BLOCK_BYTES_MAX", 20_000)
    assert len(blocks_of(make_case(seed, 250), f"seed {seed}", way)) > 1


@pytest.mark.parametrize("seed", range(512, 520))
def test_blocks_cut_by_count_settle_the_same(seed: int, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, "BLOCK_INTENTS_MAX", 11)
    assert blocks_of(make_case(seed, 60), f"seed {seed}", way) == [11] * 5 + [5]


def case_of(bundle: Bundle, values: list[bytes], *, control: bool = False) -> Case:
    settings: dict[str, Any] = {"partition": 0, "partitions": 1, "log_id": bytes(range(1, 17)), "window": 1_048_576}
    model_records = [Record(offset, 0, value, control=control) for offset, value in enumerate(values)]
    model = model_machine.Machine(bundle, log_id=settings["log_id"])
    outcomes = model.step(model_records)
    records = concat(decode_batches(b"".join(to_batches(Random(0), model_records))))
    return Case(0, bundle, settings, model_records, outcomes, model, records, Genesis(settings["log_id"], bundle.app))


@pytest.mark.slow
def test_a_block_settles_65536_intents_and_no_more(way: Way) -> None:
    case = case_of(Bundle("many", (PAGE,), (MAKE,)), [b""] * (BLOCK_INTENTS_MAX + 3), control=True)
    assert blocks_of(case, "many", way) == [BLOCK_INTENTS_MAX, 3]


def test_an_intent_sends_so_many_follow_ups_and_no_more(way: Way) -> None:
    def burst(name: str, count: int) -> Intent:
        return Intent(name, (), (("P", (ONE,)),), ("p",), tuple(("emit", "Make", ()) for _ in range(count)))

    most = FOLLOW_UPS_PER_INTENT_MAX
    bundle = Bundle("bursts", (PAGE,), (MAKE, burst("Most", most), burst("More", most + 1)))
    case = case_of(bundle, [json.dumps({"@type": name}).encode() for name in ("Most", "More", "Most")])
    assert [out.rejection for out in case.outcomes] == [None, "too_many_follow_ups", None]
    assert [len(out.follow_ups) for out in case.outcomes] == [most, 0, most]
    with loaded(bundle) as ours:
        for cut in CUTS:
            check_cut(case, ours, cut, way)
