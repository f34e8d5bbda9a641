"""What waits to be logged: bounded, in order, and without what was given up."""

import asyncio

import pytest

import mmsb
from mmsb.streams.inbox import GROUP_BYTES, Inbox
from mmsb.streams.submitting import submit
from mmsb.streams.tickets import Ticket


def ticket(size: int = 10) -> Ticket:
    return Ticket(b"", 1, size, settled=asyncio.get_running_loop().create_future())


def give_up(given: Ticket) -> None:
    assert given.settled is not None
    given.settled.cancel()


def test_what_was_given_up_is_not_logged_and_leaves_its_room() -> None:
    async def main() -> None:
        inbox = Inbox()
        tickets = [ticket() for _ in range(4)]
        for each in tickets:
            inbox.put_nowait(each)
        give_up(tickets[0])
        give_up(tickets[2])
        assert await inbox.take() == [tickets[1], tickets[3]]
        assert inbox.in_flight == 20
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(inbox.take(), 0.01)

    asyncio.run(main())


def test_who_gives_up_before_anybody_took_it_hears_that_nothing_was_submitted() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError, match="nothing was submitted"):
            await submit(Inbox(), 0, b"an intent", "settled", 0.01)

    asyncio.run(main())


def test_a_taker_waits_on_when_all_was_given_up() -> None:
    async def main() -> None:
        inbox = Inbox()
        gone, comes = ticket(), ticket()
        inbox.put_nowait(gone)
        give_up(gone)
        taking = asyncio.create_task(inbox.take())
        await asyncio.sleep(0)
        inbox.put_nowait(comes)
        assert await taking == [comes]

    asyncio.run(main())


def test_a_group_is_bounded_and_a_large_ticket_goes_alone() -> None:
    async def main() -> None:
        inbox = Inbox()
        sizes = [GROUP_BYTES + 1, GROUP_BYTES - 10, 10, 1]
        for size in sizes:
            inbox.put_nowait(ticket(size))
        assert [[each.size for each in await inbox.take()] for _ in range(3)] == [sizes[:1], sizes[1:3], sizes[3:]]

    asyncio.run(main())


def test_room_is_given_in_the_order_of_asking_and_given_back_by_who_leaves() -> None:
    async def main() -> None:
        inbox = Inbox(limit=100)
        await inbox.put(ticket(80))
        large, small = asyncio.create_task(inbox.put(ticket(90))), asyncio.create_task(inbox.put(ticket(10)))
        await asyncio.sleep(0)
        with pytest.raises(mmsb.Overloaded, match="IN_FLIGHT_BYTES_MAX: 80 of 100 bytes"):
            inbox.put_nowait(ticket(5))
        inbox.release(80)
        assert inbox.in_flight == 100
        large.cancel()
        await asyncio.wait([large, small])
        assert large.cancelled()
        assert inbox.in_flight == 10
        assert len(inbox) == 2

    asyncio.run(main())
