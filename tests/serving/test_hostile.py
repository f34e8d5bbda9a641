"""Bytes that nobody of ours would send: they end their own connection by name, or mean something, and nothing else."""

import asyncio
import random
import struct
from typing import Any

import pytest

from mmsb.processors.batching import Intents
from mmsb.schemas.errors import MalformedBytes, MmsbError, NewerFormat
from mmsb.streams.serving import address
from mmsb.streams.serving.columns import decode_intents
from mmsb.streams.serving.faults import decode_fault
from mmsb.streams.serving.frames import FRAME_BYTES_MAX, HEAD, Frame, Kind, Splitter, encode_frame
from mmsb.streams.serving.hello import encode_greeting
from tests.golden import socket_answers, socket_requests
from tests.golden.tlog import DESCRIPTOR
from tests.serving.fake import FakeDoor, served
from tests.serving.test_serving import run

GREETING = encode_frame(Kind.HELLO, 1, encode_greeting())
ANSWERS = {name: make() for name, make in socket_answers.FILES.items()}
REQUESTS = {name: make() for name, make in socket_requests.FILES.items()}


async def talk(folder: Any, data: bytes) -> list[Frame]:
    """All that the owner answers to some bytes, until it closes or has nothing more to say."""
    reader, writer = await asyncio.open_unix_connection(sock=address.reach(folder))
    splitter, frames = Splitter(), list[Frame]()
    writer.write(data)
    try:
        while piece := await asyncio.wait_for(reader.read(1 << 20), 0.05):
            frames += splitter.feed(piece)
    except TimeoutError:
        pass
    except ConnectionError:
        pass
    finally:
        writer.close()
    return frames


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "a body of up to FRAME_BYTES_MAX"),
        (HEAD.pack(0, 99, 1, 2), "frame: expected a kind from 1 to 15, found 99 at byte 4"),
        (HEAD.pack(0, 2, 7, 2), "frame: expected flags 0 or 1, found 7 at byte 6"),
        (HEAD.pack(1, 2, 1, 2) + b"x\0\0\0\0\0\0\1", "frame: expected padding of zeros"),
        (REQUESTS["submit.bin"], "frame: expected a hello, then requests, found SUBMIT"),
        (GREETING + GREETING, "frame: expected a hello, then requests, found HELLO"),
        (GREETING + REQUESTS["submit.bin"] * 2, "frame: expected a whole request above 2, found 2"),
        (GREETING + encode_frame(Kind.SUBMIT, 2, b"", last=False), "frame: expected a whole request above 1, found 2"),
        (GREETING + encode_frame(Kind.CANCEL, 9), "frame: expected a request from 1 to 1, found 9"),
        (GREETING + REQUESTS["events.bin"] + encode_frame(Kind.CREDIT, 8, struct.pack("<II", 60, 0)), "CREDIT_MAX"),
        (GREETING + ANSWERS["fault.bin"], "frame: expected a hello, then requests, found FAULT"),
    ],
)
def test_what_makes_no_sense_ends_the_connection_by_name(tmp_path, data, words):
    async def main():
        async with served(tmp_path) as (_, other):
            last = (await talk(tmp_path, data))[-1]
            error = decode_fault(last.body)
            assert (last.kind, last.request, type(error)) == (Kind.FAULT, 0, MalformedBytes)
            assert words in str(error)
            await other.submit(b"", "settled", 5)

    run(main())


def test_a_later_version_is_refused_by_number(tmp_path):
    async def main():
        async with served(tmp_path):
            (answer,) = await talk(tmp_path, encode_frame(Kind.HELLO, 1, b"MMS\x02" + bytes(4)))
            error = decode_fault(answer.body)
            assert isinstance(error, NewerFormat)
            assert "expected version 1 of the protocol, found 2; connect with the release" in str(error)

    run(main())


@pytest.mark.parametrize("seed", range(10))
def test_random_and_mutated_bytes_hurt_nobody_else(tmp_path, seed):
    chance = random.Random(seed)

    def hostile() -> bytes:
        if chance.random() < 0.2:
            return chance.choice([b"", GREETING]) + chance.randbytes(chance.randrange(200))
        names = chance.choices(list(REQUESTS), k=5)
        data = bytearray(GREETING + b"".join(REQUESTS[name] for name in names if name != "hello.bin"))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data[: chance.randrange(len(data)) if chance.random() < 0.3 else None])

    async def main():
        heard = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
        door = FakeDoor()
        async with served(tmp_path, door) as (_, other):
            for _ in range(5):
                await asyncio.gather(*(talk(tmp_path, hostile()) for _ in range(5)))
                await other.submit(b"", "settled", 5)
            while door.streams:
                await asyncio.sleep(0.01)
        assert heard == []

    run(main())


@pytest.mark.parametrize("side", [socket_requests, socket_answers])
def test_a_decoder_refuses_what_its_encoder_would_not_write(side):
    """Each byte of each golden frame, changed: refused, or read as something that is written so."""
    chance = random.Random(7)
    for name, make in side.FILES.items():
        data = make()
        places = range(HEAD.size, len(data))
        for place in places if len(data) < 600 else chance.sample(places, 200):
            mutated = bytearray(data)
            mutated[place] ^= 1 << chance.randrange(8)
            try:
                again = side.again(bytes(mutated))
            except MmsbError:
                continue
            assert again == bytes(mutated), (name, place)


@pytest.mark.parametrize("side", [socket_requests, socket_answers])
def test_a_decoder_refuses_what_is_cut_or_too_long(side):
    for name, make in side.FILES.items():
        (frame,) = Splitter().feed(make())
        kind = Kind(frame.kind)
        for size in [*range(0, len(frame.body), 4)][-40:]:
            body = frame.body[:size]
            try:
                assert side.AGAIN[kind](body) == body, (name, size)
            except MmsbError:
                continue
        try:
            assert side.AGAIN[kind](frame.body + bytes(8)) == frame.body + bytes(8), name
        except MmsbError:
            continue


@pytest.mark.parametrize("step", [1, 3, 16, 17, 1000])
def test_frames_are_found_however_they_arrive(step):
    data = b"".join(ANSWERS.values())
    splitter, frames = Splitter(), list[Frame]()
    for start in range(0, len(data), step):
        frames += splitter.feed(data[start : start + step])
    assert frames == Splitter().feed(data)
    assert len(frames) == len(ANSWERS)


def test_a_frame_at_the_limit_and_one_above():
    body = bytes(FRAME_BYTES_MAX)
    assert Splitter().feed(encode_frame(Kind.SUBMIT, 1, body))[0].body == body
    with pytest.raises(MalformedBytes, match="FRAME_BYTES_MAX"):
        Splitter().feed(HEAD.pack(FRAME_BYTES_MAX + 1, Kind.SUBMIT, 1, 1))


def test_columns_of_the_wire_go_into_a_batch():
    """What compiled code reads is what it is typed for."""
    (frame,) = Splitter().feed(REQUESTS["submit_many.bin"])
    found: Intents = decode_intents(frame.body, DESCRIPTOR)
    assert found.batches(0, 5) == socket_requests.INTENTS.batches(0, 5)
