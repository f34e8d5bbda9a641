"""An offset that only rises, and those who wait for it to reach theirs."""

import asyncio


class Watermark:
    """For one event loop."""

    def __init__(self, at: int) -> None:
        self.at = at
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._failure: Exception | None = None

    async def reach(self, offset: int) -> None:
        """Return once the mark is there; raises what it failed with if it never gets there."""
        if offset <= self.at:
            return
        if self._failure is not None:
            raise self._failure
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = offset
        try:
            await turn
        finally:
            del self._waiting[turn]

    def rise(self, to: int) -> None:
        assert to >= self.at, "a watermark only rises"
        self.at = to
        for turn, offset in self._waiting.items():
            if offset <= to and not turn.done():
                turn.set_result(None)

    def fail(self, error: Exception) -> None:
        """It rises no more."""
        self._failure = error
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(error)
