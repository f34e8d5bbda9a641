"""What is read ahead of what was delivered is bounded, in messages and in bytes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from mmsb.streams.edges import strand
from mmsb.streams.edges.attempting import Answer
from mmsb.streams.edges.declaring import Message
from mmsb.streams.edges.strand import Strand, Unit

IN_EACH = 10


@pytest.mark.parametrize(("size", "most"), [(0, 100), (1_000, 50)])
def test_reading_waits_for_what_was_read(monkeypatch: pytest.MonkeyPatch, size: int, most: int) -> None:
    monkeypatch.setattr(strand, "AHEAD", 100)
    monkeypatch.setattr(strand, "AHEAD_BYTES", 50_000)
    read, delivered, go_on = [0], list[int](), asyncio.Event()

    async def units() -> AsyncGenerator[Sequence[Unit]]:
        for start in range(0, 1_000, IN_EACH):
            read[0] = start + IN_EACH
            yield [Unit(Message(n, None, -1, "s", n), n + 1, None, size) for n in range(start, start + IN_EACH)]

    async def work(message: Message) -> Answer:
        await go_on.wait()
        return Answer(1, message.position + 1)

    async def deliver(answers: Sequence[Answer]) -> None:
        delivered.extend(answer.next for answer in answers)
        await asyncio.sleep(0)

    async def main() -> None:
        running = asyncio.create_task(Strand(work, deliver, 4).run(units()))
        while read[0] < most:
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        assert read[0] == most
        go_on.set()
        await asyncio.wait_for(running, 30)

    asyncio.run(main())
    assert delivered == list(range(1, 1_001))
