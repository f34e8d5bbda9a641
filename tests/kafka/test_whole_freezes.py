"""An owner that freezes for longer than its session, and wakes up: it tells what was accepted before, and no more."""

import asyncio
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsb
from tests.crash.judge import Judged
from tests.crash.told import Told
from tests.kafka.judging import judge_topics
from tests.kafka.killing import SUPERSEDED, asking
from tests.kafka.working import SESSION_S, Order, Worker, restored_names, until
from tests.model import fold as model_fold
from tests.model.tlog import BLOCK, CLAIM, decode_header, kind_of

pytestmark = pytest.mark.slow

LANES = 4
LOAD_S = 1.0


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with restored_names():
        yield


def claims(judged: Judged) -> list[int]:
    """The offsets of those that count."""
    fold = model_fold.Fold()
    accepted = [r for r in judged.tlog if fold.feed(r.key, r.value) == model_fold.ACCEPTED and r.value is not None]
    return [record.offset for record in accepted if kind_of(record.value or b"") == CLAIM]


def settled_at(judged: Judged) -> dict[int, int]:
    """Which TLog record settles each intent."""
    fold = model_fold.Fold()
    found = dict[int, int]()
    for record in judged.tlog:
        accepted = fold.feed(record.key, record.value) == model_fold.ACCEPTED
        if accepted and record.value is not None and kind_of(record.value) == BLOCK:
            header = decode_header(record.value)
            found.update(dict.fromkeys(range(header.first, header.last + 1), record.offset))
    return found


def test_a_zombie_tells_what_was_accepted_before_the_newer_claim_and_ends(kafka_url: str, tmp_path: Path) -> None:
    name = f"zombie-{uuid.uuid4().hex[:12]}"
    order = Order(kafka_url, tmp_path / "zombie", name, partitions=1, lanes=LANES)
    zombie = Worker(order)
    told = list[Told]()
    try:
        zombie.wait()
        standby = Worker(Order(kafka_url, tmp_path / "standby", name, more=("--standby",)))
        try:
            standby.wait()
            until(lambda: len(zombie.told()) > 20, "an owner under load")
            zombie.send(signal.SIGSTOP)
            before = len(zombie.told())
            frozen = time.monotonic()
            asyncio.run(_ask(order, told))
            assert time.monotonic() - frozen > SESSION_S, "the other has it once the session is over"
            zombie.send(signal.SIGCONT)
            assert zombie.ended() == SUPERSEDED, zombie.said()
            assert "another writer has claimed this partition" in zombie.said()
            standby.stop()
        finally:
            standby.kill()
    finally:
        zombie.kill()
    late, everything = zombie.told()[before:], [*zombie.told(), *told]
    (judged,) = judge_topics(order, everything, 1, tmp_path)
    newer, settled = claims(judged)[1], settled_at(judged)
    assert all(settled[each.offset] < newer for each in late), "what is told after the thaw was accepted before"
    assert max(settled[each.offset] for each in told) > newer, "the standby took over"


async def _ask(order: Order, told: list[Told]) -> None:
    """Until somebody else's receipts come."""
    async with mmsb.connect(order.url, order.named()) as bus, asking(order, bus, told, LANES):
        while len(told) < 20:
            await asyncio.sleep(0.05)
        await asyncio.sleep(LOAD_S)
