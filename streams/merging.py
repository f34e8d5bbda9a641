"""Several async iterators as one: each in its own order, whichever has something next."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Closable(Protocol):
    """What holds something until it is closed, as a subscription does."""

    async def aclose(self) -> None: ...


@asynccontextmanager
async def merged(sources: Sequence[AsyncIterator[T]]) -> AsyncGenerator[AsyncIterator[T]]:
    """One item of each is asked for ahead, and no more: whoever reads slowly slows only what it reads."""
    waiting = {_ask(source): source for source in sources} if len(sources) > 1 else {}
    try:
        yield _items(waiting) if waiting else sources[0]
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for source in sources:
            if isinstance(source, Closable):
                await source.aclose()


async def _items(waiting: "dict[asyncio.Task[T], AsyncIterator[T]]") -> AsyncGenerator[T]:
    while waiting:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in [each for each in waiting if each in done]:  # in the order of the sources
            source = waiting.pop(task)
            try:
                item = task.result()
            except StopAsyncIteration:
                continue
            waiting[_ask(source)] = source
            yield item


def _ask(source: AsyncIterator[T]) -> "asyncio.Task[T]":
    async def ask() -> T:
        return await anext(source)

    return asyncio.create_task(ask())
