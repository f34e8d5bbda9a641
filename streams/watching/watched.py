"""An owner that is watched over HTTP from the beginning of its start to the end of its closing.

/alive        the event loop runs: else nobody answers at all
/ready        what this process was given is at work, and gets on
/progressing  no intents wait without one of them settling
/metrics      for Prometheus
/stats        what `mmsb stats --json` says
"""

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from types import TracebackType
from typing import Final

from mmsb.schemas.errors import MmsbError
from mmsb.streams.door import Door
from mmsb.streams.watching.exposition import CONTENT_TYPE
from mmsb.streams.watching.http import JSON, Address, Answer, HttpServer
from mmsb.streams.watching.metrics import Build, Figures, Own
from mmsb.streams.watching.progress import Progress
from mmsb.streams.watching.watchable import Watchable
from mmsb.streams.world import World

STATS_SECONDS: Final = 5.0
"""So long /stats waits for a boundary between steps."""


class Watched:
    """`async with Watched(…) as door:` the owner's own door; the probes are there before it, and after it."""

    def __init__(
        self, owner: AbstractAsyncContextManager[Door], engine: Watchable, world: World, app: str, version: str,
        address: Address, own: Own,
    ) -> None:  # fmt: skip
        """`owner` enters and leaves the engine."""
        self._owner = owner
        self._engine = engine
        self._app = app
        self._version = version
        self._own = own
        self._progress = Progress(world, engine.seen)
        self._door: Door | None = None
        self._closing = False
        self._looking: asyncio.Task[None] | None = None
        routes = {
            "/alive": self._alive,
            "/ready": self._ready,
            "/progressing": self._progressing,
            "/metrics": self._metrics,
            "/stats": self._stats,
        }
        self._server = HttpServer(address, routes)

    async def __aenter__(self) -> Door:
        await self._server.__aenter__()
        self._looking = asyncio.create_task(self._progress.run())
        try:
            self._door = await self._owner.__aenter__()
        except BaseException:
            await self._end()
            raise
        return self._door

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        try:
            await self._owner.__aexit__(kind, error, trace)
        finally:
            await self._end()

    async def _end(self) -> None:
        assert self._looking is not None, "it was entered"
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)
        await self._server.__aexit__(None, None, None)

    # Three questions

    def _why_unready(self) -> list[str]:
        if self._closing:
            return ["it closes: what was submitted settles, and nothing more is taken"]
        why = self._engine.unready() or self._why_away()
        return self._progress.why_still() if why is None else [why]

    def _why_away(self) -> str | None:
        if self._door is None:
            return "it starts"
        try:
            self._door.check()
        except MmsbError as error:  # whoever it is connected to has ended
            return str(error)
        return None

    async def _alive(self) -> Answer:
        return Answer.of(HTTPStatus.OK, "alive")

    async def _ready(self) -> Answer:
        return _answer("ready", self._why_unready())

    async def _progressing(self) -> Answer:
        return _answer("progressing", self._progress.why_still())

    # Figures

    async def _metrics(self) -> Answer:
        progressing = not self._progress.why_still()
        ready = not self._why_unready()
        figures = Figures(self._app, self._build(), ready, progressing, self._progress, self._engine.seen(), self._own)
        return Answer(HTTPStatus.OK, figures.text(), CONTENT_TYPE)

    def _build(self) -> Build | None:
        if self._door is None:
            return None
        try:
            about = self._door.about
        except MmsbError:  # it has stopped; /ready says why
            return None
        return Build(self._version, about.generation, about.bundle.hex(), about.durability.name.lower())

    async def _stats(self) -> Answer:
        if self._door is None:
            return Answer.of(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join(self._why_unready()))
        try:
            async with asyncio.timeout(STATS_SECONDS):
                stats = await self._door.stats()
        except TimeoutError:
            why = f"STATS_SECONDS: no step ended within {STATS_SECONDS:g} s, and these figures are of one; see /metrics"
            return Answer.of(HTTPStatus.SERVICE_UNAVAILABLE, why)
        except MmsbError as error:
            return Answer.of(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        body = json.dumps({"running": True, **stats.as_json()}, ensure_ascii=False, separators=(",", ":"))
        return Answer(HTTPStatus.OK, body.encode() + b"\n", JSON)


def _answer(what: str, why_not: list[str]) -> Answer:
    if why_not:
        return Answer.of(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join((f"not {what}", *why_not)))
    return Answer.of(HTTPStatus.OK, what)
