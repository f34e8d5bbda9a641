"""Each cell of the crash matrix, embedded: SIGKILL just there, and what the next start makes of it.

Whatever a test says of its own, `judge` says the rest of.
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest

import mmsb
from examples.bank import app
from mmsb.schemas.errors import CorruptState, FolderInUse
from mmsb.state.home.meta import Standing
from mmsb.state.home.restoring import read_meta
from mmsb.streams.engine import Engine, Settings
from mmsb.streams.store.rocks import RocksStore
from mmsb.streams.world import RealWorld
from tests.crash.judge import Judged, judge
from tests.crash.nursery import Life, Nursery
from tests.crash.service import Order
from tests.crash.told import Told
from tests.model.batch import Record
from tests.model.tlog import BLOCK, CLAIM, claim_header, decode_header, kind_of

ONE_LANE = 1  # one intent at a time: what was in flight is known


def killed(nursery: Nursery, folder: Path, step: str, occurrence: int = 1) -> Life:
    order = Order(
        str(folder), "killed", step=step, occurrence=occurrence, lanes=ONE_LANE, fresh=True, segment_bytes=2**20
    )
    life = nursery.live(order)
    assert life.killed
    return life


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.log"))


def blocks_over(judged: Judged, offset: int) -> list[Record]:
    """The TLog records that settle an offset."""
    blocks = [record for record in judged.tlog if kind_of(record.value or b"") == BLOCK]
    headers = [(record, decode_header(record.value or b"")) for record in blocks]
    return [record for record, header in headers if header.first <= offset <= header.last]


def reign_of(block: Record) -> bytes:
    return decode_header(block.value or b"").reign


def claims_of(judged: Judged) -> list[bytes]:
    """The nonces of all claims, in order, each of which names the one before it."""
    claims = [claim_header(record.value or b"") for record in judged.tlog if kind_of(record.value or b"") == CLAIM]
    assert [claim.after for claim in claims] == [bytes(16), *(claim.nonce for claim in claims[:-1])]
    return [claim.nonce for claim in claims]


def again(told: Told, folder: Path) -> mmsb.Receipt:
    """What a client hears that submits the same id once more."""

    async def submit() -> mmsb.Receipt:
        async with Engine(app.bundle(), folder, Settings(interpreted=True), RealWorld()) as door:
            return await door.submit(bytes.fromhex(told.value), "settled", None)

    return asyncio.run(submit())


def test_claim_appended(nursery: Nursery, tmp_path: Path) -> None:
    """Fold, claim again with `after` = it."""
    killed(nursery, tmp_path, "claim written")
    assert len(claims_of(judge(tmp_path, [])[0])) == 2


def test_claim_torn(nursery: Nursery, tmp_path: Path) -> None:
    killed(nursery, tmp_path, "claim half written")
    assert len(claims_of(judge(tmp_path, [])[0])) == 1


def test_intents_written_not_durable_torn(nursery: Nursery, tmp_path: Path) -> None:
    """The torn tail is cut; nobody had been told."""
    life = killed(nursery, tmp_path, "intents half written", 6)
    torn = bytes_in(tmp_path / "0" / "intents")
    logged = max(told.offset for told in life.told) + 1
    judged = judge(tmp_path, life.told)[0]
    assert len(judged.intents) == logged + len(judged.outcomes[logged:])
    assert torn > 0
    again_asked = judged.intents[logged:]
    assert all(outcome.status_name == "duplicate" for outcome in judged.outcomes[logged:]), again_asked


@pytest.mark.guards(4)
@pytest.mark.parametrize("step", ["intents written", "intents synced", "stepped"])
def test_intents_there_and_not_settled(nursery: Nursery, tmp_path: Path, step: str) -> None:
    """Not durable yet but whole, durable, stepped with nothing appended: stepped (again) by the next reign."""
    life = killed(nursery, tmp_path, step, 6)
    waiting = max(told.offset for told in life.told) + 1
    judged = judge(tmp_path, life.told)[0]
    first, second = claims_of(judged)
    assert [reign_of(block) for block in blocks_over(judged, waiting - 1)] == [first]
    assert [reign_of(block) for block in blocks_over(judged, waiting)] == [second]
    assert judged.outcomes[waiting].status_name in ("applied", "rejected")


def test_block_in_flight_torn(nursery: Nursery, tmp_path: Path) -> None:
    """Cut, and stepped again."""
    life = killed(nursery, tmp_path, "block half written", 6)
    waiting = max(told.offset for told in life.told) + 1
    judged = judge(tmp_path, life.told)[0]
    assert [reign_of(block) for block in blocks_over(judged, waiting)] == [claims_of(judged)[1]]


@pytest.mark.parametrize("step", ["block written", "block synced", "mark written", "released"])
def test_block_there_and_nobody_told(nursery: Nursery, tmp_path: Path, step: str) -> None:
    """A valid tail is accepted; the same id finds its receipt."""
    life = killed(nursery, tmp_path, step, 14 if step == "released" else 6)
    waiting = max(told.offset for told in life.told) + 1
    judged = judge(tmp_path, life.told)[0]
    assert [reign_of(block) for block in blocks_over(judged, waiting)] == [claims_of(judged)[0]]
    lost = Told(None, 0, waiting, 0, None, (judged.intents[waiting].value or b"").hex())
    receipt = again(lost, tmp_path)
    assert receipt.status == mmsb.Status.DUPLICATE


@pytest.mark.parametrize("durability", ["fsync", "process"])
@pytest.mark.parametrize(
    ("step", "is_behind"),
    [
        ("cut", False),  # of what nobody may have been told yet
        ("rows half written", True),
        ("rows written", True),
        ("rows synced", True),
        ("rows ingested", False),
        ("evicted", False),
    ],
)
def test_mid_flush(nursery: Nursery, tmp_path: Path, step: str, durability: str, *, is_behind: bool) -> None:
    """Not ingested: the old rows, behind what was told, and a longer fold. Ingested: the new ones."""
    order = Order(str(tmp_path), "killed", "bank", 1, durability, step=step, occurrence=5, flush_seconds=0.01, memory=0)
    life = nursery.live(order)
    assert life.killed
    flushes = stored(tmp_path / "0")
    assert flushes is not None
    assert flushes.settled < max(told.offset for told in life.told) or not is_behind
    judge(tmp_path, life.told)
    after = stored(tmp_path / "0")
    assert after is not None
    assert after.settled > flushes.settled


def stored(partition: Path) -> Standing | None:
    """Where the rows of a partition stand."""
    store = RocksStore(partition / "home")
    try:
        meta = read_meta(store)
        return None if meta is None else meta.standing
    finally:
        store.close()


@pytest.mark.parametrize("partitions", [1, 3, 8])
@pytest.mark.parametrize(
    ("step", "occurrences"),
    [
        ("follow-ups half written", (2, 5)),
        ("follow-ups written", (2, 5)),
        ("follow-ups synced", (2, 5)),
        ("block half written", (20, 30)),
        ("block synced", (20, 30)),
    ],
)
def test_follow_ups_half_relayed(
    nursery: Nursery, tmp_path: Path, step: str, occurrences: tuple[int, int], partitions: int
) -> None:
    """Sent again, dropped by number: `judge` counts them on both sides."""
    told: list[Told] = []
    for life, occurrence in enumerate(occurrences):
        order = Order(str(tmp_path), f"life-{life}", "post", partitions, step=step, occurrence=occurrence)
        after = nursery.live(order)
        assert after.killed
        told += after.told
    found = judge(tmp_path, told, "post", partitions)
    assert any(part.machine.state.sent for part in found)


def test_a_zombie_holds_the_lock_until_it_is_gone(nursery: Nursery, tmp_path: Path) -> None:
    """A process that sleeps and wakes up late cannot be overtaken."""

    def overtake(process: int) -> None:
        os.kill(process, signal.SIGSTOP)
        try:
            with pytest.raises(FolderInUse, match=f"process {process} "):
                judge(tmp_path, [])
        finally:
            os.kill(process, signal.SIGKILL)

    life = nursery.live(Order(str(tmp_path), "zombie", rounds=0), overtake)
    assert life.killed
    judge(tmp_path, life.told)


@pytest.mark.parametrize("log", ["intents", "tlog"])
def test_acknowledged_data_lost(nursery: Nursery, tmp_path: Path, log: str) -> None:
    """Only if the disk lied: stop, saying where."""
    life = nursery.live(Order(str(tmp_path), "whole", rounds=2, segment_bytes=2**20))
    assert life.exit_code == 0
    path = tmp_path / "0" / log / f"{0:020}.log"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CorruptState, match=rf"{path.name} at byte \d+: expected .* restore"):
        judge(tmp_path, life.told)
