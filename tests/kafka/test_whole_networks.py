"""Workers, then clients, behind a bad network: slow, narrow, cut, half-open. What was told holds, and all goes on."""

import asyncio
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from tests.kafka.cluster import Cluster, Listener, running_cluster
from tests.kafka.killing import Kind, Run, outlive
from tests.kafka.proxy import Proxy
from tests.kafka.working import WAIT_S, restored_names

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Far:
    """A cluster that can also be reached through a proxy, which lives in a thread."""

    cluster: Cluster
    proxy: Proxy
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.proxy.port}"

    def cut(self) -> None:
        self.loop.call_soon_threadsafe(self.proxy.cut)


@pytest.fixture
def far(programs: None, tmp_path: Path) -> Iterator[Far]:
    with _looping() as loop:
        proxy = Proxy()
        asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result(WAIT_S)
        try:
            with running_cluster(tmp_path / "kafka", listeners=[Listener("FAR", advertised=proxy.port)]) as cluster:
                proxy.target = cluster.nodes[0].ports["FAR"]
                yield Far(cluster, proxy, loop)
        finally:
            asyncio.run_coroutine_threadsafe(proxy.__aexit__(None, None, None), loop).result(WAIT_S)


@contextmanager
def _looping() -> Generator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with restored_names():
        yield


async def trouble(far: Far, run: Run) -> None:
    proxy = far.proxy
    await run.more()
    proxy.delay_s = 0.1
    await run.more(again=True)
    proxy.delay_s, proxy.bytes_per_s = 0.0, 50_000.0
    await run.more(again=True)
    proxy.bytes_per_s = None
    for _ in range(3):
        far.cut()
        await run.more(5, again=True)
    proxy.silent = True
    await asyncio.sleep(1.0)
    proxy.silent = False  # for connections that are made from now on; nothing comes through the others any more
    await run.more(again=True)


@pytest.mark.parametrize("who", ["workers", "clients"])
def test_a_bad_network_loses_and_doubles_nothing(far: Far, tmp_path: Path, who: str) -> None:
    def through(name: str) -> str:
        return far.url if who == name else far.cluster.url

    async def happen(run: Run) -> None:
        await trouble(far, run)

    outlive(through("clients"), tmp_path, Kind("post", 3, 2), happen, through("workers"))
    assert far.proxy.passed, "they went through it"
