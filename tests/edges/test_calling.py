"""A function is called without a timer, and with one from where it waits for something."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import pytest

from mmsb.streams.edges.calling import call_within


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(test(**fixtures), 30))

    return run


@in_a_loop
async def test_what_waits_for_nothing_gives_its_answer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def doubled(number: int) -> int:
        return 2 * number

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "timeout", None)  # nobody asks for one
        assert await call_within(1.0, doubled, 21) == 42


@in_a_loop
async def test_what_waits_gives_its_answer_as_if_it_were_awaited() -> None:
    heard = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, heard.set_result, "heard")

    async def waits(number: int) -> list[Any]:
        found: list[Any] = [number, await heard]
        await asyncio.sleep(0)
        found.append(await asyncio.gather(asyncio.sleep(0.001, "slept"), asyncio.sleep(0, "at once")))
        return found

    assert await call_within(5.0, waits, 1) == [1, "heard", ["slept", "at once"]]


@in_a_loop
async def test_what_is_raised_where_it_waits_is_raised_in_the_function() -> None:
    failed = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(failed.set_exception, KeyError("gone"))

    async def catches(_: object) -> str:
        try:
            return str(await failed)
        except KeyError as error:
            await asyncio.sleep(0)
            return f"caught {error}"

    assert await call_within(5.0, catches, None) == "caught 'gone'"


@pytest.mark.parametrize("waits", [False, True])
@in_a_loop
async def test_what_it_raises_is_raised(waits: bool) -> None:
    async def fails(_: object) -> None:
        if waits:
            await asyncio.sleep(0)
        raise LookupError("no such customer")

    with pytest.raises(LookupError, match="no such customer"):
        await call_within(5.0, fails, None)


@in_a_loop
async def test_what_takes_too_long_is_cancelled_and_its_own_time_limits_stay_its_own() -> None:
    ended: list[str] = []

    async def waits(_: object) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    with pytest.raises(TimeoutError, match=r"it took longer than 0\.01 s"):
        await call_within(0.01, waits, None)
    assert ended == ["cancelled"]

    async def says_otherwise(_: object) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ConnectionError("the socket was closed") from None

    with pytest.raises(TimeoutError, match=r"it took longer than 0\.01 s"):
        await call_within(0.01, says_otherwise, None)

    async def limits_itself(_: object) -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            return "went on"
        return "slept"

    assert await call_within(5.0, limits_itself, None) == "went on"


@in_a_loop
async def test_whoever_is_cancelled_cancels_the_function() -> None:
    ended = asyncio.Event()

    async def waits(_: object) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    calling = asyncio.create_task(call_within(5.0, waits, None))
    await asyncio.sleep(0.01)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert ended.is_set()
