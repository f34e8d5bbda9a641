"""The metrics of a running application, read by Prometheus' own parser: that they are true, named well, and bounded."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

import mmsb
from examples.bank import Deposit, Open, Transfer
from examples.bank import app as bank_app
from examples.remittances import Open as OpenFar
from examples.remittances import Send
from examples.remittances import app as remittances
from mmsb.streams.watching import counting
from mmsb.streams.watching.metrics import METRICS
from tests.edges.tally import Count, fresh_app
from tests.watching.asking import Figures, asked, figures, free_port, labelled

UNITS = {
    "seconds", "bytes", "intents", "offset", "info", "fds", "threads", "ready", "progressing", "owned", "pages",
}  # fmt: skip
"""What a gauge or histogram is of, at the end of its name."""


async def scraped(port: int) -> Figures:
    status, text = await asked(port, "/metrics")
    assert status == 200
    return figures(text)


def of(found: Figures, name: str, *kept: str) -> dict[tuple[str, ...], float]:
    """The samples of a name, by some of their labels."""
    picked = ((dict(labels), value) for (sample, labels), value in found.items() if sample == name)
    return {tuple(labels[each] for each in kept): value for labels, value in picked}


def test_settled_and_rejected_are_counted_by_type_status_and_reason(tmp_path: Path) -> None:
    port = free_port()

    async def check() -> None:
        async with bank_app.run(data=tmp_path, interpreted=True, http=str(port)) as bank:
            await bank.submit(Open(1, "ann"), id="open")
            await bank.submit(Open(1, "ann"), id="open")
            await bank.submit_many(Deposit, {"account": [1] * 500, "amount": [2] * 500})
            for _ in range(3):
                await bank.submit(Transfer(1, 2, 5_000))
            await bank.door.submit(b'{"@type":"Nothing"}', "settled", None)
            await bank.door.submit(b"{", "settled", None)
            await bank.checkpoint()
            found, stats = await scraped(port), await bank.stats()

        [part] = stats.partitions
        settled = of(found, "mmsb_intents_settled_total", "type", "status")
        assert settled == {
            ("Open", "applied"): 1, ("Open", "duplicate"): 1, ("Deposit", "applied"): 500,
            ("Transfer", "rejected"): 3, ("none", "rejected"): 2,
        }  # fmt: skip
        by_status = Counter[str]()
        for (_, status), count in settled.items():
            by_status[status] += int(count)
        assert by_status == part.outcomes
        assert of(found, "mmsb_intents_rejected_total", "type", "code") == {
            ("Transfer", "predicate"): 3, ("none", "unknown_type"): 1, ("none", "json_syntax"): 1,
        }  # fmt: skip
        assert found[labelled("mmsb_settle_seconds_count", partition="0")] == part.settled + 1
        assert found[labelled("mmsb_flush_seconds_count", partition="0")] == part.flushes == 1
        for name, value in (
            ("settled_offset", part.settled), ("logged_offset", part.logged), ("tlog_offset", part.tlog),
            ("flushed_offset", part.flushed), ("lag_intents", 0), ("flushed_bytes_total", part.flushed_bytes),
            ("checkpoints_total", 1), ("page_memory_bytes", part.page_bytes), ("partition_owned", 1),
        ):  # fmt: skip
            assert found[labelled(f"mmsb_{name}", partition="0")] == value, name
        assert of(found, "mmsb_pages", "type") == {("Account",): 1}
        assert of(found, "mmsb_log_bytes", "log") == {("intents",): part.intents_bytes, ("tlog",): part.tlog_bytes}
        assert of(found, "mmsb_build_info", "generation", "bundle", "durability") == {
            ("1", stats.bundle, "fsync"): 1
        }  # fmt: skip

    asyncio.run(check())


def test_types_that_nobody_declared_make_no_series_of_their_own(tmp_path: Path) -> None:
    """Whoever submits could else fill the memory of all who count."""
    port = free_port()

    async def check() -> None:
        async with bank_app.run(data=tmp_path, interpreted=True, http=str(port)) as bank:
            for number in range(50):
                await bank.door.submit(b'{"@type":"T%d"}' % number, "settled", None)
            for number in range(50):
                packed = b"MMI\x01" + bytes([number]) * 60
                await bank.door.submit(packed, "settled", None)
            found = await scraped(port)
        counted = of(found, "mmsb_intents_settled_total", "type", "status")
        assert sum(counted.values()) == 100
        assert {name for name, _ in counted} <= {"none", "unknown"}

    asyncio.run(check())


def test_follow_ups_are_counted_by_their_target(tmp_path: Path) -> None:
    port = free_port()

    async def check() -> None:
        async with remittances.run(data=tmp_path, partitions=2, interpreted=True, http=str(port)) as bus:
            await asyncio.gather(*(bus.submit(OpenFar(number, 100, 1_000)) for number in range(8)))
            await asyncio.gather(*(bus.submit(Send(number, 7 - number, 1)) for number in range(8)))
            async with asyncio.timeout(20):
                while any(part.emitted != part.relayed or part.lag for part in (await bus.stats()).partitions):
                    await asyncio.sleep(0.01)
            found, stats = await scraped(port), await bus.stats()
        emitted = {(str(p.partition), str(to)): count for p in stats.partitions for to, count in p.emitted.items()}
        assert emitted
        for name in ("emitted", "relayed"):
            assert of(found, f"mmsb_follow_ups_{name}_total", "partition", "target") == emitted

    asyncio.run(check())


def test_what_is_exposed_is_the_table(tmp_path: Path) -> None:
    port = free_port()

    async def scrape() -> str:
        async with bank_app.run(data=tmp_path, interpreted=True, http=str(port)):
            return (await asked(port, "/metrics"))[1]

    found = {family.name: family for family in parse(asyncio.run(scrape()))}

    assert set(found) == {metric.name.removesuffix("_total") for metric in METRICS}
    for metric in METRICS:
        family = found[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample


@pytest.mark.parametrize("metric", METRICS, ids=[metric.name for metric in METRICS])
def test_names_follow_the_convention(metric) -> None:
    assert re.fullmatch(r"(mmsb|process|python)(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") is (metric.kind == "counter")
    assert metric.kind == "counter" or metric.name.rpartition("_")[2] in UNITS
    assert all(re.fullmatch(r"[a-z]+", label) and label != "le" for label in metric.labels)
    assert not metric.meaning.endswith(".")


def test_what_an_application_counts_and_its_processors_do_is_there(tmp_path: Path) -> None:
    port, app = free_port(), fresh_app("counting")
    app.counters.clear()
    read = app.counter("letters_read_total", 'letters that were read, "bills" too', ["kind"])
    plain = app.counter("lamps_lit_total", "lamps")

    async def letters() -> AsyncIterator[tuple[int, str]]:
        for number in range(10):
            yield number, "bill" if number % 2 else "card\n"

    @app.processor(source=letters, rejects=tmp_path / "rejects.jsonl", attempts=1)
    async def clerk(message: mmsb.Message) -> Count:
        read.add(kind=message.value)
        if message.position == 9:
            raise ValueError("torn")
        return Count(1, 1)

    async def check() -> None:
        async with app.run(data=tmp_path / "data", interpreted=True, http=str(port)) as bus:
            before = await scraped(port)
            await bus.process(clerk)
            await bus.process(clerk)
            plain.add(2.5)
            found = await scraped(port)
        assert of(before, "lamps_lit_total") == {(): 0}
        assert of(found, "lamps_lit_total") == {(): 2.5}
        assert of(found, "letters_read_total", "kind") == {("bill",): 10, ("card\n",): 10}
        assert of(found, "mmsb_processor_messages_total", "processor") == {("clerk",): 20}
        assert of(found, "mmsb_processor_set_aside_total", "processor") == {("clerk",): 2}
        assert of(found, "mmsb_processor_intents_total", "status") == {
            ("applied",): 9, ("duplicate",): 9,
        }  # fmt: skip

    asyncio.run(check())
    app.counters.clear()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("letters", []),
        ("mmsb_letters_total", []),
        ("a-b_total", []),
        ("a_total", ["app"]),
        ("a_total", ["__x"]),
        ("a_total", ["k", "k"]),
        ("a_total", "kind"),
    ],
)
def test_counters_that_would_confuse_prometheus_are_refused(name: str, labels: list[str]) -> None:
    with pytest.raises(mmsb.InvalidDefinition, match="counter"):
        mmsb.App("counting").counter(name, "", labels)


def test_what_is_counted_has_its_labels_and_few_of_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SERIES_MAX", 2)
    app = mmsb.App("counting")
    counter = app.counter("letters_total", "letters", ["kind"])
    for wrong in ({}, {"sort": "a"}, {"kind": "a", "sort": "b"}):
        with pytest.raises(mmsb.InvalidValue, match="expected kind= and a count from 0"):
            counter.add(1, **wrong)
    with pytest.raises(mmsb.InvalidValue, match="from 0"):
        counter.add(float("inf"), kind="a")
    for kind in ("a", "b", "a", "c", "d"):
        counter.add(kind=kind)
    counter.add(np.float64(3), kind="a")
    assert counter.counts == {("a",): 5, ("b",): 1, ("others",): 2}
    assert {type(count) for count in counter.counts.values()} == {float}  # others are written otherwise
    with pytest.raises(mmsb.InvalidDefinition, match="has it already"):
        app.counter("letters_total", "again")
