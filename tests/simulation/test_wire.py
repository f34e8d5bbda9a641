"""Check simulated connections: bytes come in order, whatever their pieces, and the end comes behind them."""

import asyncio
from random import Random
from typing import Any

import pytest

from tests.simulation.loop import VirtualLoop
from tests.simulation.wire import End

SENT = bytes(range(256)) * 40


class Side(asyncio.Protocol):
    """Writes as long as it may, and remembers all that it hears."""

    def __init__(self, to_send: bytes = b"") -> None:
        self.left = to_send
        self.heard = bytearray()
        self.pieces = 0
        self.pauses = 0
        self.eof = False
        self.lost: list[Exception | None] = []
        self.end: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.end = transport
        self._send()

    def _send(self) -> None:
        while self.left and not self.pauses:
            piece, self.left = self.left[:100], self.left[100:]
            self.end.write(piece)

    def pause_writing(self) -> None:
        self.pauses += 1

    def resume_writing(self) -> None:
        self.pauses -= 1
        self._send()

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.pieces += 1

    def eof_received(self) -> bool:
        self.eof = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


def _connected(seed: int, theirs: Side, ours: Side) -> VirtualLoop:
    loop = VirtualLoop(lambda *_: loop.create_future(), Random(seed))
    loop.network.listen(lambda: ours)
    loop.network.connect(lambda: theirs)
    return loop


def _run(loop: VirtualLoop) -> None:
    loop.run_until_complete(asyncio.sleep(1000))
    loop.close()


@pytest.mark.parametrize("seed", range(8))
def test_what_is_written_comes_whole_and_in_order_and_then_the_end(seed: int) -> None:
    theirs, ours = Side(SENT), Side(SENT[::-1])
    loop = _connected(seed, theirs, ours)
    loop.call_later(500, theirs.end.close)
    _run(loop)
    assert (bytes(ours.heard), bytes(theirs.heard)) == (SENT, SENT[::-1])
    assert ours.eof
    assert theirs.lost == ours.lost == [None]


@pytest.mark.parametrize("seed", range(8))
def test_whoever_is_not_read_is_told_to_wait_and_goes_on_later(seed: int) -> None:
    theirs, ours = Side(SENT * 3), Side()
    loop = _connected(seed, theirs, ours)

    def pause() -> None:
        ours.end.pause_reading()
        loop.call_later(1, ours.end.resume_reading)

    loop.call_later(0.1, pause)
    _run(loop)
    assert bytes(ours.heard) == SENT * 3


@pytest.mark.parametrize("seed", range(8))
def test_what_a_process_sent_before_it_died_arrives_as_far_as_it_had_left(seed: int) -> None:
    theirs, ours = Side(), Side(SENT)
    loop = _connected(seed, theirs, ours)
    loop.call_later(0.01, loop.network.die)
    _run(loop)
    assert SENT.startswith(bytes(theirs.heard))
    assert len(theirs.lost) == 1
    assert ours.lost == []


def test_a_cut_connection_is_lost_on_both_sides() -> None:
    theirs, ours = Side(SENT), Side(SENT)
    loop = _connected(1, theirs, ours)
    loop.call_later(0.002, lambda: End.cut(theirs.end))
    _run(loop)
    assert [type(error) for error in theirs.lost + ours.lost] == [ConnectionResetError] * 2
