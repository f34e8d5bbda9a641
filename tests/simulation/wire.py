"""Connections between simulated processes: what a kernel, and asyncio's transports, do with bytes; a seed decides how.

Bytes leave an end's buffer for a queue that holds few or many, and come out of it later, in other pieces than they went
in. Either end can vanish with its process: what is in the other's queue still arrives there, and then the end.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from mmsb.schemas.errors import EnvironmentFailed

OUTSIDE: ContextVar[bool] = ContextVar("OUTSIDE", default=False)
"""Whether what runs belongs to another process than the one that is simulated, which it may outlive."""

Factory = Callable[[], asyncio.Protocol]


class Loop(Protocol):
    """What is used of a loop."""

    def call_later(
        self, delay: float, callback: Callable[..., Any], *arguments: Any, context: Context | None = None
    ) -> Any: ...


@dataclass(frozen=True)
class Line:
    """How good a connection is."""

    delay: float  # mean seconds until something is read
    held: int  # bytes on the way in each direction
    buffered: int  # bytes that wait for that, before who writes is told to wait


class End(asyncio.Transport):
    """What a protocol has of a connection."""

    peer: "End"

    def __init__(self, loop: Loop, random: Random, line: Line, context: Context) -> None:
        super().__init__()
        self.protocol: Any = None
        self._loop, self._random, self._line, self._context = loop, random, line, context
        self._out = bytearray()
        self._in = bytearray()
        self._high = line.buffered
        self._reading = self._pushing = False  # it will soon
        self._paused = self._told_to_wait = False
        self._closing = self._lost = self._gone = False
        self._eof = self._eof_came = self._reset_came = False

    # What asyncio's transports do

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = min(high or self._high, self._line.buffered)

    def write(self, data: Any) -> None:
        assert not self._eof, "nothing is written behind the end"
        if self._lost:
            return
        first = not self._out
        self._out += data
        if first:
            self._push()
        if len(self._out) > self._high and not self._told_to_wait:
            self._told_to_wait = True
            self.protocol.pause_writing()

    def write_eof(self) -> None:
        self._eof = True
        self._push()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._read_soon()

    def close(self) -> None:
        self._closing = True
        self._push()

    def abort(self) -> None:
        self._lose(None)

    # What becomes of bytes

    def _soon(self, function: Callable[..., None], *arguments: Any) -> None:
        delay = 0.0 if self._random.random() < 0.4 else self._random.expovariate(1.0) * self._line.delay
        self._loop.call_later(delay, function, *arguments, context=self._context)

    def _push_soon(self) -> None:
        if not self._pushing:
            self._pushing = True
            self._soon(self._push)

    def _push(self) -> None:
        """Hand over what there is room for."""
        self._pushing = False
        if self._lost:
            return
        if self.peer._gone and self._out:
            self._lose(BrokenPipeError("the other end is gone"))
            return
        count = min(len(self._out), max(self._line.held - len(self.peer._in), 0))
        self.peer._in += self._out[:count]
        del self._out[:count]
        if not self._out and self._closing:
            self._lose(None)
        elif not self._out and self._eof:
            self.peer._eof_came = True
        if self._told_to_wait and len(self._out) <= self._high // 4:
            self._told_to_wait = False
            self.protocol.resume_writing()
        self.peer._read_soon()

    def _read_soon(self) -> None:
        comes = self._in or self._eof_came or self._reset_came
        if comes and self.protocol and not (self._reading or self._paused or self._closing):
            self._reading = True
            self._soon(self._read)

    def _read(self) -> None:
        self._reading = False
        if self._paused or self._closing:
            return
        if self._in:
            whole = self._random.random() < 0.5
            size = len(self._in) if whole else self._random.randint(1, len(self._in))
            piece = bytes(self._in[:size])
            del self._in[:size]
            self.peer._push_soon()
            self.protocol.data_received(piece)
            self._read_soon()
        elif self._reset_came:
            self._lose(ConnectionResetError("the other end went, and left something unread"))
        elif not self.protocol.eof_received():
            self.close()

    # The end

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self._out.clear()
        self._loop.call_later(0.0, self._tell, error, context=self._context)

    def _tell(self, error: Exception | None) -> None:
        if not self._gone:
            self.vanish()
            if self.protocol is not None:
                self.protocol.connection_lost(error)

    def vanish(self) -> None:
        """This end's process has no part in it any more."""
        self._gone = self._lost = self._closing = True
        unread = bool(self._in)
        self._in.clear()
        self._out.clear()
        self.peer._reset_came = self.peer._reset_came or unread
        self.peer._eof_came = True
        self.peer._push_soon()  # which finds out, if there is something to push
        self.peer._read_soon()

    def cut(self) -> None:
        """Neither end hears of the other again."""
        for end in (self, self.peer):
            end._lose(ConnectionResetError("the connection was cut"))


class Network:
    """The socket of the one data folder, in one life of its owner."""

    def __init__(self, loop: Loop, random: Random) -> None:
        self._loop, self._random = loop, random
        self._listens: tuple[Factory, Context] | None = None
        self._ends: list[End] = []  # of the owner
        self.cuts = False  # whether connections break now and then

    def listen(self, factory: Factory) -> "Network":
        self._listens = factory, copy_context()
        return self

    def close(self) -> None:
        """As a server: connections stay."""
        self._listens = None

    def connect(self, factory: Factory) -> tuple[End, asyncio.Protocol]:
        if self._listens is None:
            raise EnvironmentFailed("nobody listens there")
        random = self._random
        held, buffered = random.choice((100, 3000, 1 << 18)), random.choice((200, 5000, 1 << 20))
        line = Line(random.choice((0.0, 0.0005, 0.005)), held, buffered)
        theirs, ours = (End(self._loop, random, line, context) for context in (copy_context(), self._listens[1]))
        theirs.peer, ours.peer = ours, theirs
        self._ends.append(ours)
        protocol = theirs.protocol = factory()
        protocol.connection_made(theirs)
        ours._soon(self._accept, ours)
        if self.cuts and random.random() < 0.3:
            self._loop.call_later(random.expovariate(1.0) * random.choice((0.01, 0.2)), theirs.cut, context=Context())
        return theirs, protocol

    def _accept(self, end: End) -> None:
        if self._listens is None or end.is_closing():
            end.vanish()
            return
        end.protocol = self._listens[0]()
        end.protocol.connection_made(end)
        end._read_soon()

    def die(self) -> None:
        """The owner's process has ended."""
        self.close()
        for end in self._ends:
            if not end._gone:
                end.vanish()
