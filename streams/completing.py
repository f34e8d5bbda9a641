"""Work that is done to its end, whatever happens to the one who waits for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def complete(work: Coroutine[Any, Any, T]) -> T:
    """Wait until it is done. A cancellation meanwhile is raised then: closing halfway would keep a folder locked."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result


async def going_on(work: Coroutine[Any, Any, T]) -> T:
    """Wait for it; it goes on if the one who waits is cancelled, and what it raises then stops nobody here."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # else asyncio would print it
    return await asyncio.shield(task)
