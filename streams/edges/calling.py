"""Calling a processor's function, with a limit to how long it may wait."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, cast

Begun = Coroutine[Any, Any, Any]


async def call_within(seconds: float, function: Callable[[Any], Begun], argument: object) -> Any:
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
    except Exception as error:  # what it makes of being cancelled is its own
        if limit.expired():
            raise TimeoutError(f"it took longer than {seconds:g} s") from error
        raise


@coroutine
def _rest(begun: Begun, waits_for: Any) -> Generator[Any, Any, Any]:
    """`await begun`, which is where it waits for something."""
    while True:
        try:
            yield waits_for
        except GeneratorExit:
            begun.close()
            raise
        except BaseException as raised:
            try:
                waits_for = begun.throw(raised)
            except StopIteration as done:
                return done.value
        else:
            return (yield from cast("Generator[Any, Any, Any]", begun))
