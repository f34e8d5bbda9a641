"""A TCP proxy on 127.0.0.1 that makes a network bad: slow, narrow, cut, or silent.

Brokers tell their clients which port to use, so one has to know the proxy's before it starts:

    async with Proxy() as proxy:
        with running_cluster(folder, listeners=[Listener("FAR", advertised=proxy.port)]) as cluster:
            proxy.target = cluster.nodes[0].ports["FAR"]
            client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{proxy.port}")

It lives on the event loop of its test, and what it is told counts from the next bytes on, in both directions.
"""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

CHUNK_BYTES: Final = 1 << 16


class Proxy:
    def __init__(self, target: int = 0) -> None:
        self.target = target
        """The port that it leads to."""

        self.delay_s = 0.0
        """That all bytes are late; they do not wait for each other."""

        self.bytes_per_s: float | None = None
        """That each direction of a connection takes."""

        self.silent = False
        """Connections are half-open: taken, kept, and nothing comes through, not even their end."""

        self.mute = False
        """What comes back is kept for ever, though all that is asked arrives."""

        self.refusing = False
        """New connections are cut at once."""

        self.passed = 0
        """Bytes, in both directions."""

        self.port = 0
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}

    @property
    def connections(self) -> int:
        return len(self._links)

    def cut(self) -> None:
        """Reset all connections, as a firewall does. New ones may follow."""
        for writers in self._links.values():
            for writer in writers:
                writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None, "it was entered"
        self._server.close()
        links = list(self._links)
        self.cut()
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None, "asyncio runs this as a task"
        self._links[link] = (writer,)
        try:
            if not self.refusing:
                with suppress(OSError):
                    await self._join(link, reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()  # the proxy ends; asyncio's server would call a cancelled task an error
        finally:
            del self._links[link]
            writer.close()

    async def _join(
        self, link: "asyncio.Task[None]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self._links[link] = (writer, back)
        ways = [
            asyncio.create_task(self._pass(reader, back, answers=False)),
            asyncio.create_task(self._pass(there, writer, answers=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        """One direction. What is late waits in a queue, so that a delay does not make the way narrow."""
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1024)
        writing = asyncio.create_task(self._write(late, writer, answers=answers))
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(CHUNK_BYTES):
                await late.put((loop.time() + self.delay_s, data))
            await late.put((loop.time() + self.delay_s, b""))
            await writing
        finally:
            writing.cancel()

    async def _write(
        self, late: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while True:
            due, data = await late.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if self.silent or (self.mute and answers):
                await asyncio.Event().wait()  # for ever: what came later would be out of order without it
            if not data:
                return
            writer.write(data)
            await writer.drain()
            self.passed += len(data)
            if self.bytes_per_s is not None:
                await asyncio.sleep(len(data) / self.bytes_per_s)
