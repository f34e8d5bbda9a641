"""Outcomes find those who wait for them, in whatever order sends, acknowledgements and blocks are heard of."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

import numpy as np
import pytest

from examples.bank import Deposit
from mmsb.processors.columns import pack_columns
from mmsb.processors.receipts import Receipts
from mmsb.schemas.classes import intent_layout_of
from mmsb.schemas.errors import EnvironmentFailed, OutcomeUnknown
from mmsb.schemas.rejections import ROW_BYTES
from mmsb.schemas.statuses import Status
from mmsb.streams.inbox import Inbox
from mmsb.streams.kafka.clients import settling as module
from mmsb.streams.kafka.clients.following import Following
from mmsb.streams.kafka.clients.settling import Settling
from mmsb.streams.kafka.cluster.broker import TopicPartition
from mmsb.streams.tickets import Receipt, Ticket
from mmsb.streams.world import RealWorld


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(what, 60))


def block(first: int, last: int) -> Receipts:
    """Every third one is a duplicate, so that what is heard tells of which offset it is."""
    offsets = np.arange(first, last + 1)
    repeats = offsets % 3 == 0
    statuses = np.where(repeats, Status.DUPLICATE, Status.APPLIED).astype(np.uint8)
    return Receipts(offsets, statuses, np.where(repeats, offsets - 1, -1), np.empty(0, f"V{ROW_BYTES}"))


class Company:
    def __init__(self) -> None:
        self.inbox = Inbox()
        self.settling = Settling(0, self.inbox)

    def ticket(self, count: int = 0, *, logged: bool = False) -> Ticket:
        """One intent, or columns of so many; out of the inbox already."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        intents = (
            pack_columns(intent_layout_of(Deposit), {"account": np.ones(count, np.uint64), "amount": 1})
            if count
            else b"one"
        )
        ticket = Ticket(intents, count or 1, 100)
        if logged:
            ticket.logged = future
        else:
            ticket.settled = future
        self.inbox.put_nowait(ticket)
        return ticket

    async def take(self) -> None:
        while len(self.inbox):
            await self.inbox.take()

    def hear(self, first: int, last: int) -> None:
        self.settling.accepted(first, last, block(first, last))


def heard(ticket: Ticket) -> Any:
    assert ticket.settled is not None
    found = ticket.settled.result()
    if isinstance(found, Receipt):
        assert found.first_offset == (found.offset - 1 if found.offset % 3 == 0 else None)
        return found.offset
    assert np.array_equal(found.first_offsets, block(0, 1000).first_offsets[found.offsets])
    return found.offsets.tolist()


def test_a_block_may_come_before_the_acknowledgement() -> None:
    async def main() -> None:
        company = Company()
        company.settling.passed(9)
        tickets = [company.ticket(), company.ticket(), company.ticket(5)]
        await company.take()
        company.settling.sending(tickets)
        company.hear(10, 12)
        company.hear(13, 14)
        company.settling.logged(11)
        assert [heard(ticket) for ticket in tickets[:2]] == [11, 12]
        assert not tickets[2].settled.done()  # type: ignore[union-attr]
        company.hear(15, 30)
        assert heard(tickets[2]) == [13, 14, 15, 16, 17]
        assert company.inbox.in_flight == 0
        assert not company.settling.listening

    run(main())


def test_what_is_kept_for_one_is_not_told_to_another_twice() -> None:
    async def main() -> None:
        company = Company()
        long, short = company.ticket(6), company.ticket()
        await company.take()
        company.settling.sending([long])
        company.settling.logged(0)
        company.settling.sending([short])
        company.hear(0, 2)
        company.settling.logged(6)
        company.hear(3, 8)
        assert (heard(long), heard(short)) == ([0, 1, 2, 3, 4, 5], 6)

    run(main())


def test_two_sides_tell_the_same_and_each_counts_once() -> None:
    """The owner in this process tells from some offset on, and whoever follows comes behind."""

    async def main() -> None:
        company = Company()
        ticket = company.ticket(12)
        await company.take()
        company.settling.sending([ticket])
        company.settling.logged(0)
        company.hear(0, 2)
        company.hear(6, 8)  # from here on it is told
        company.hear(9, 9)
        assert company.settling.early
        company.hear(0, 2)
        company.hear(3, 5)
        assert not company.settling.early
        assert company.settling.settled == 9
        company.hear(6, 8)
        company.hear(9, 9)
        company.hear(10, 11)
        assert heard(ticket) == list(range(12))

    run(main())


def test_what_nobody_will_hear_of_is_unknown() -> None:
    async def main() -> None:
        company = Company()
        passed, next_one, logged, refused = (
            company.ticket(),
            company.ticket(),
            company.ticket(logged=True),
            company.ticket(),
        )
        await company.take()
        company.settling.sending([passed, next_one, logged])
        company.settling.logged(0)
        assert logged.logged is not None
        assert logged.logged.result() == 2
        company.settling.passed(0)
        with pytest.raises(OutcomeUnknown, match="the outcome at offset 0 was not heard of"):
            heard(passed)
        company.hear(1, 2)
        assert heard(next_one) == 1
        company.settling.sending([refused])
        company.settling.refused([refused], EnvironmentFailed("no"))
        with pytest.raises(EnvironmentFailed, match="no"):
            heard(refused)
        late = company.ticket()
        await company.take()
        company.settling.sending([late])
        company.settling.fail(EnvironmentFailed("it ended"))
        with pytest.raises(OutcomeUnknown, match="partition 0: it ended: it may have been applied"):
            heard(late)
        assert company.inbox.in_flight == 0

    run(main())


def test_too_much_that_is_kept_is_let_go_and_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_MAX", 10)

    async def main() -> None:
        company = Company()
        early, late = company.ticket(), company.ticket()
        await company.take()
        company.settling.sending([early, late])
        for first in range(0, 24, 4):
            company.hear(first, first + 3)
        company.settling.logged(15)
        with pytest.raises(OutcomeUnknown, match="the outcome at offset 15"):
            heard(early)
        assert heard(late) == 16

    run(main())


@pytest.mark.parametrize("seed", range(60))
def test_in_any_order_each_hears_its_own(seed: int) -> None:
    """Sends, acknowledgements and the blocks of two sides, as far as they can be mixed."""
    random = Random(seed)

    async def main() -> None:
        company = Company()
        ends = sorted(random.sample(range(1, 200), 30))
        blocks = [(first, last - 1) for first, last in zip([0, *ends], [*ends, 200], strict=True)]
        told_from = random.randrange(len(blocks))
        sides = [blocks[: random.randint(told_from, len(blocks))], blocks[told_from:]]
        tickets, sent, end = list[Ticket](), list[Ticket](), 0
        sending: tuple[int, list[Ticket]] | None = None
        while any(sides) or sending or end < 200:
            kind = random.random()
            if sending is None and kind < 0.3 and end < 200:
                first = random.randint(end, min(199, end + 5))
                counts = [random.randrange(8) for _ in range(random.randint(1, 3))]
                sent = [company.ticket(count) for count in counts]
                await company.take()
                company.settling.sending(sent)
                sending = first, sent
                end = first + sum(ticket.count for ticket in sent)
            elif sending is not None and (kind < 0.5 or not any(sides)):
                company.settling.logged(sending[0])
                tickets += sending[1]
                sending = None
            else:
                ready = [side for side in sides if side and side[0][1] < end]
                if ready:
                    company.hear(*random.choice(ready).pop(0))
                elif sending is None and end >= 200:
                    break
        for side in sides:
            while side:
                company.hear(*side.pop(0))
        for ticket in tickets:
            if ticket.last < 200:
                expected = list(range(ticket.first, ticket.last + 1))
                assert heard(ticket) == (expected if not isinstance(ticket.intents, bytes) else ticket.first)
        assert tickets

    run(main())


def test_what_was_told_and_let_go_is_followed_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner in this process tells so much that some of it cannot be kept until what is before it has come."""
    monkeypatch.setattr(module, "KEPT_MAX", 10)

    async def main() -> None:
        company = Company()
        unused: Any = None
        following = Following(RealWorld(), unused, "bank", TopicPartition("bank.tlog", 0), company.settling)
        ticket = company.ticket(30)
        await company.take()
        company.settling.sending([ticket])
        company.settling.logged(0)
        following.owned(4)
        for first in range(5, 30, 5):
            company.hear(first, first + 4)
        assert not following._covered
        company.hear(0, 4)
        assert not following._covered
        for first in range(5, 30, 5):
            company.hear(first, first + 4)
        assert following._covered
        assert heard(ticket) == list(range(30))
        await following.close()

    run(main())
