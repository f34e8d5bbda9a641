"""Serves a door to other processes, over the socket of its data folder."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Final

from mmsb.schemas.errors import MmsbError, Overloaded
from mmsb.streams.door import Door
from mmsb.streams.serving import address
from mmsb.streams.serving.hello import encode_about
from mmsb.streams.serving.session import Session

CONNECTIONS_MAX: Final = 256


class Server:
    """`async with Server(door, folder):` serves while it lasts. Whoever starts it holds the folder's lock."""

    def __init__(self, door: Door, folder: Path) -> None:
        self._door = door
        self._folder = folder
        self._about = b""
        self._sessions: dict[Session, None] = {}  # in the order of coming, so that a run can be repeated
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> "Server":
        self._about = encode_about(self._door.about)
        listener = address.listen(self._folder)
        self._listener = await asyncio.get_running_loop().create_unix_server(self.session, sock=listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take no more requests, answer those that are there, which needs a door that still runs, and leave no file."""
        assert self._listener is not None, "it was entered"
        self._listener.close()
        address.remove(self._folder)
        sessions = list(self._sessions)
        for session in sessions:
            session.stop()
        if sessions:
            await asyncio.wait([session.ended for session in sessions])

    def session(self) -> Session:
        """One more connection; one too many is told so."""
        refusal: MmsbError | None = None
        if len(self._sessions) >= CONNECTIONS_MAX:
            refusal = Overloaded(f"CONNECTIONS_MAX: {CONNECTIONS_MAX} clients are connected; close one, or share it")
        session = Session(self._door, self._about, self._sessions.pop, refusal)
        self._sessions[session] = None
        return session


class Served:
    """`async with Served(engine, folder) as door:` opens the owner's own door, and serves it for as long."""

    def __init__(self, owner: AbstractAsyncContextManager[Door], folder: Path) -> None:
        self._owner = owner
        self._folder = folder
        self._server: Server | None = None

    async def __aenter__(self) -> Door:
        door = await self._owner.__aenter__()
        server = Server(door, self._folder)
        try:
            await server.__aenter__()
        except BaseException as error:
            await self._owner.__aexit__(type(error), error, error.__traceback__)
            raise
        self._server = server
        return door

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """First the clients, who need a door that still runs to hear what became of their intents."""
        assert self._server is not None, "it was entered"
        try:
            await self._server.__aexit__(kind, error, trace)
        finally:
            await self._owner.__aexit__(kind, error, trace)
