"""The proxy makes a network as bad as it is told to."""

import asyncio
import time

import pytest

from tests.kafka.proxy import Proxy


def run(what):
    return asyncio.run(asyncio.wait_for(what, 30))


class Echo:
    """A server that says what it hears, behind a proxy."""

    async def __aenter__(self):
        async def echo(reader, writer):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
            writer.close()

        self.server = await asyncio.start_server(echo, "127.0.0.1", 0)
        self.proxy = await Proxy(self.server.sockets[0].getsockname()[1]).__aenter__()
        return self.proxy

    async def __aexit__(self, *error):
        await self.proxy.__aexit__(None, None, None)
        self.server.close()


async def ask(reader, writer, data=b"hello"):
    begin = time.monotonic()
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    return time.monotonic() - begin


def test_what_goes_in_comes_out_in_order():
    async def test():
        async with Echo() as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            data = bytes(range(256)) * 4_000
            await ask(reader, writer, data)
            assert proxy.passed == 2 * len(data)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            while proxy.connections:
                await asyncio.sleep(0.01)

    run(test())


def test_a_delay_holds_everything_up_and_does_not_narrow():
    async def test():
        async with Echo() as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            proxy.delay_s = 0.2
            assert 0.4 <= await ask(reader, writer) < 1
            assert 0.4 <= await ask(reader, writer, bytes(1_000_000)) < 1.5
            writer.close()

    run(test())


def test_a_narrow_way_takes_its_time():
    async def test():
        async with Echo() as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            proxy.bytes_per_s = 1_000_000
            assert await ask(reader, writer, bytes(300_000)) >= 0.25
            writer.close()

    run(test())


def test_a_cut_resets_what_is_open_and_lets_others_in():
    async def test():
        async with Echo() as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            await ask(reader, writer)
            proxy.cut()
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            await ask(reader, writer)
            writer.close()

    run(test())


def test_a_silent_connection_says_neither_anything_nor_its_end():
    async def test():
        async with Echo() as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            await ask(reader, writer)
            proxy.silent = True
            writer.write(b"hello")
            writer.write_eof()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.3)
            writer.close()

    run(test())


def test_a_mute_connection_takes_what_is_asked_and_answers_nothing():
    async def test():
        async with Echo() as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            await ask(reader, writer)
            proxy.mute, passed = True, proxy.passed
            writer.write(b"hello")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.3)
            assert proxy.passed == passed + len(b"hello")
            writer.close()

    run(test())


def test_refusing_it_takes_no_new_connections():
    async def test():
        async with Echo() as proxy:
            proxy.refusing = True
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            writer.close()

    run(test())
