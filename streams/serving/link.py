"""One end of a connection: frames in, frames out, with one write for all that is sent in one turn of the loop."""

import asyncio
from typing import Any, Final

from mmsb.schemas.errors import MmsbError
from mmsb.streams.serving.frames import Frame, Splitter

WRITE_BYTES_MAX: Final = 1 << 20  # waiting for the other side to read, before who writes is told to wait


class Link(asyncio.Protocol):
    """Subclasses say what a frame means, and what is to happen when bytes are none."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._splitter = Splitter()
        self._out: list[bytes] = []
        self._transport: Any = None
        self._finished = False
        self.ended = self._loop.create_future()  # done when the connection is

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.set_write_buffer_limits(WRITE_BYTES_MAX)

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._finished and not self._transport.is_closing()

    def send(self, frame: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(frame)

    def flush(self) -> None:
        out, self._out = self._out, []
        if out and self.open:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def finish(self) -> None:
        """Close once all that was sent has been handed over."""
        self.flush()
        if self.open:
            self._finished = True
            self._hang_up()

    def _hang_up(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._finished:
            return
        try:
            for frame in self._splitter.feed(data):
                self.received(frame)
        except MmsbError as error:
            self.refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._out.clear()
        if not self.ended.done():
            self.ended.set_result(None)

    def received(self, frame: Frame) -> None:
        raise NotImplementedError

    def refuse(self, error: MmsbError) -> None:
        """What came cannot be understood; nothing after it can."""
        raise NotImplementedError
