"""An offset that only rises, and those who wait for it to reach theirs."""

import asyncio


class Watermark:
    """For one event loop."""

    def __init__(self, at: int) -> None:
        self.at = at
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._failure: Exception | None = None

    async def reach(self, offset: int) -> None:
        """Return once the mark is there; raises what it failed with if it never gets there."""
        if offset <= self.at:
            return
        if self._failure is not None:
            raise self._failure
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((offset, turn))
        await turn

    def rise(self, to: int) -> None:
        assert to >= self.at, "a watermark only rises"
        self.at = to
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for offset, turn in waiting:
            if offset > to:
                self._waiting.append((offset, turn))
            elif not turn.done():
                turn.set_result(None)

    def fail(self, error: Exception) -> None:
        """It rises no more."""
        self._failure = error
        waiting, self._waiting = self._waiting, []
        for _, turn in waiting:
            if not turn.done():
                turn.set_exception(error)
