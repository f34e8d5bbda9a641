"""Calling a processor's function, with a limit to how long it may wait."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any

from mmsb.streams.edges.declaring import Function


async def call_within(seconds: float, function: Function, argument: object) -> Any:
    """What it gives. A timer is set only where it waits for something: most calls of a fast function never do, and a
    timer for each would cost as much as all the rest of them."""
    begun = function(argument)
    try:
        waits_for = begun.send(None)
    except StopIteration as done:
        return done.value
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await _rest(begun, waits_for)
    except TimeoutError:
        if limit.expired():
            raise TimeoutError(f"it took longer than {seconds:g} s") from None
        raise


@coroutine
def _rest(begun: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """`await begun`, which is where it waits for something."""
    step: Callable[[], Any]
    while True:
        try:
            sent = yield waits_for
        except GeneratorExit:
            begun.close()
            raise
        except BaseException as raised:
            step = partial(begun.throw, raised)
        else:
            step = partial(begun.send, sent)
        try:
            waits_for = step()
        except StopIteration as done:
            return done.value
