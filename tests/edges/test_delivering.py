"""What a delivery does when the log takes nothing, or does not say whether it did."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

import mmsb
from mmsb.processors.receipts import Receipts
from mmsb.schemas.errors import EnvironmentFailed, MmsbError, OutcomeUnknown
from mmsb.schemas.statuses import Status
from mmsb.streams.door import Door
from mmsb.streams.edges import delivering
from mmsb.streams.edges.attempting import Attempts
from mmsb.streams.edges.declaring import Message
from mmsb.streams.edges.delivering import Counts, Delivery
from tests.edges.tally import Count, Tally, fresh_app

PLACES = 40


class Failing:
    """A door whose answers get lost: before anything was submitted, or after it has settled."""

    def __init__(self, door: Door, *, submits_first: bool, error: MmsbError, times: int) -> None:
        self._door = door
        self._submits_first = submits_first
        self._error = error
        self._times = times

    def check(self) -> None:
        self._door.check()

    async def submit_values(self, values: Any) -> Receipts:
        if not self._times:
            return await self._door.submit_values(values)
        self._times -= 1
        if self._submits_first:
            await self._door.submit_values(values)
        raise self._error


def delivered(folder: Path, submits_first: bool, error: MmsbError, times: int) -> Counts:
    app, counts = fresh_app(), Counts()

    async def iterate() -> AsyncIterator[tuple[int, Any]]:
        yield 0, 0

    @app.processor(source=iterate, rejects="unused")
    async def place(message: mmsb.Message) -> list[Count]:
        return [Count(1, 1), Count(2, 1)]

    async def none_is(_: object) -> None:
        raise AssertionError("nothing is set aside")

    async def main() -> None:
        async with asyncio.timeout(60), app.run(data=folder / "data", interpreted=True, partitions=2) as bus:
            door = cast("Door", Failing(bus.door, submits_first=submits_first, error=error, times=times))
            attempts, delivery = Attempts(place, "tally/place"), Delivery(door, none_is, counts)
            answers = [await attempts.of_one(Message(n, None, -1, "place", n)) for n in range(PLACES)]
            try:
                await delivery.deliver(answers)
            finally:
                found = [page.count if page else 0 for page in await bus.get_many(Tally, [1, 2])]
                assert found == ([PLACES] * 2 if submits_first or delivery.settled else [0, 0])
            assert delivery.settled == PLACES

    asyncio.run(main())
    return counts


@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), EnvironmentFailed("away")])
def test_what_may_have_been_logged_is_submitted_again_and_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: MmsbError
) -> None:
    monkeypatch.setattr(delivering, "AGAIN_SECONDS", 0.001)
    counts = delivered(tmp_path, True, error, times=3)
    assert (counts.messages, counts.outcomes) == (PLACES, {Status.DUPLICATE: 2 * PLACES})


def test_what_was_not_logged_is_submitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "AGAIN_SECONDS", 0.001)
    counts = delivered(tmp_path, False, EnvironmentFailed("away"), times=3)
    assert counts.outcomes == {Status.APPLIED: 2 * PLACES}


def test_patience_ends_with_what_it_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "AGAIN_SECONDS", 0.001)
    monkeypatch.setattr(delivering, "PATIENCE_SECONDS", 0.05)
    with pytest.raises(EnvironmentFailed, match="away"):
        delivered(tmp_path, False, EnvironmentFailed("away"), times=1_000_000)
