"""Workers in processes of their own, to be killed and frozen: `mmsb run`, or a service that says what it heard.

They are forked from a process that has everything loaded, and end with it.
"""

import asyncio
import ctypes
import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import mmsb
from mmsb.cli.exits import exit_of
from mmsb.cli.main import main as command
from mmsb.processors.requests import Request, pack
from mmsb.streams.kafka.cluster import client, coordinator, member
from tests.crash.applications import APPLICATIONS
from tests.crash.told import Told, read_told

SESSION_S: Final = 2.0
"""Brokers of tests allow it. A worker that gets no processor for so long is taken for dead, so it is not much less."""

WAIT_S: Final = 60.0
LOCATIONS: Final = {"bank": "examples.bank:app", "post": "tests.simulation.post:app"}
_KILLED_WITH_PARENT: Final = (1, signal.SIGKILL)  # PR_SET_PDEATHSIG
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Order:
    """One life of a worker."""

    url: str
    folder: Path
    name: str  # of the application, so that many share a cluster
    application: str = "post"  # which of tests.crash.applications
    partitions: int | None = None
    more: tuple[str, ...] = ()  # options of `mmsb run`
    generation: int = 1
    session_s: float = SESSION_S
    lanes: int = 0  # that ask in the worker's own process, for ever; then it is no `mmsb run`

    def named(self) -> mmsb.App:
        """The application, under its name here."""
        app = APPLICATIONS[self.application].app
        app.name, app.generation = self.name, self.generation
        return app

    @property
    def words(self) -> list[str]:
        """As for `mmsb`."""
        given = ["run", LOCATIONS[self.application], "--log", self.url, "--data", str(self.folder), "--interpreted"]
        return [*given, *(("--partitions", str(self.partitions)) if self.partitions else ()), *self.more]


class Worker:
    """One life; what it says is in `output`."""

    def __init__(self, order: Order) -> None:
        self.order = order
        order.folder.parent.mkdir(parents=True, exist_ok=True)
        self.output = order.folder.parent / f"{order.folder.name}-{time.monotonic_ns()}.output"
        self.output.touch()
        self.process = _FORKING.Process(target=live, args=(order, str(self.output)))
        self.process.start()

    @property
    def runs(self) -> bool:
        return self.process.is_alive()

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def told(self) -> list[Told]:
        """What it heard; the last line may be cut by its end."""
        lines = self.said().splitlines(keepends=True)
        return [read_told(line) for line in lines if line.startswith('{"id"') and line.endswith("}\n")]

    def wait(self, words: str = "ready") -> None:
        """Until it has said that."""
        until(lambda: words in self.said() or not self.runs, f"{words!r} of a worker")
        assert words in self.said(), f"it ended with {self.process.exitcode}: {self.said()}"

    def send(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def terminate(self) -> None:
        if self.runs:
            self.send(signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def stop(self) -> None:
        """As operators do."""
        self.terminate()
        assert self.ended() == 0, self.said()

    def ended(self) -> int:
        """The code that it ends with."""
        self.process.join(WAIT_S)
        assert self.process.exitcode is not None, f"it goes on: {self.said()}"
        return self.process.exitcode


@contextmanager
def restored_names() -> Generator[None]:
    """In the end the applications are called as before."""
    before = [(each.app, each.app.name, each.app.generation) for each in APPLICATIONS.values()]
    try:
        yield
    finally:
        for app, name, generation in before:
            app.name, app.generation = name, generation


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.02)


def live(order: Order, output: str) -> None:
    """In a process of its own."""
    ctypes.CDLL(None).prctl(*_KILLED_WITH_PARENT)
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    patience = coordinator.Patience(order.session_s, member.PATIENCE.rest)
    client.GroupMember.__init__.__defaults__ = (patience,)  # type: ignore[attr-defined]
    order.named()
    sys.exit(asyncio.run(_serve(order)) if order.lanes else command(order.words))


async def _serve(order: Order) -> int:
    """Ask in lanes, and say what was heard, until the worker ends; gives the code that `mmsb run` would end with."""
    app = order.named()
    try:
        async with app.run(
            log=order.url, data=order.folder, partitions=order.partitions, interpreted=True, standby=True
        ) as bus:
            print("ready", flush=True)
            asking = [asyncio.create_task(ask_on(order, bus, lane, _say)) for lane in range(order.lanes)]
            try:
                await bus.until_stopped()
            finally:
                for lane in asking:
                    lane.cancel()
                await asyncio.gather(*asking, return_exceptions=True)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return int(exit_of(error))
    return 0


def _say(told: Told) -> None:
    os.write(1, f"{told.line()}\n".encode())


async def ask_on(order: Order, bus: mmsb.Bus, lane: int, say: Callable[[Told], None]) -> None:
    """One thing after another, for ever; now and then many at once, and now and then one again whose id is known."""
    prefix = f"{order.folder.name}-{time.monotonic_ns()}-{lane}"
    random = Random(prefix)
    request = APPLICATIONS[order.application].request
    for number in itertools.count():
        ids = [f"{prefix}-{number}-{n}" for n in range(random.choice((1, 1, 1, 20)))]
        if random.random() < 0.2:
            ids.append(ids[0])
        await asyncio.gather(*(ask(bus, request(random), id, say) for id in ids))


async def ask(bus: mmsb.Bus, request: Request, id: str, say: Callable[[Told], None]) -> None:
    receipt = await bus.submit(request, id=id)
    assert receipt.status is not None, "it settled"
    value = pack(request, id=id).hex()
    say(Told(id, receipt.partition, receipt.offset, int(receipt.status), receipt.first_offset, value))
