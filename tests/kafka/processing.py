"""A processor in processes of its own, to be killed; they are forked from one that has everything loaded."""

import asyncio
import ctypes
import multiprocessing
import os
import signal
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Final

import mmsb
from mmsb.streams.kafka.cluster import client, coordinator, member
from tests.edges.tally import Count, fresh_app

SESSION_S: Final = 2.0  # as in tests.kafka.working
_KILLED_WITH_PARENT: Final = (1, signal.SIGKILL)
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Life:
    url: str
    app: str
    topic: str
    batch: int | None
    output: Path


def begin(life: Life) -> BaseProcess:
    process = _FORKING.Process(target=live, args=(life,))
    process.start()
    return process


def live(life: Life) -> None:
    ctypes.CDLL(None).prctl(*_KILLED_WITH_PARENT)
    descriptor = os.open(life.output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    patience = coordinator.Patience(SESSION_S, member.PATIENCE.rest)
    client.GroupMember.__init__.__defaults__ = (patience,)  # type: ignore[attr-defined]
    asyncio.run(_process(life))


async def _process(life: Life) -> None:
    app, random = fresh_app(life.app), Random(os.getpid())
    source = mmsb.Topic(life.topic)

    @app.processor(source=source, name="place", attempts=1)
    async def place(message: mmsb.Message) -> list[Count]:
        await asyncio.sleep(random.random() / 50)
        if message.value % 50 == 49:
            raise ValueError("set aside")
        return [Count(message.value % 10, message.value), Count(10 + message.value % 3, 1)]

    @app.processor(source=source, name="place-batch", batch=32, attempts=1)
    async def place_batch(messages: mmsb.Messages) -> mmsb.Columns:
        await asyncio.sleep(random.random() / 50)
        values = list(messages.values)
        if any(value % 50 == 49 for value in values):
            raise ValueError("set aside")
        return mmsb.Columns(
            Count,
            {
                "key": [key for value in values for key in (value % 10, 10 + value % 3)],
                "amount": [amount for value in values for amount in (value, 1)],
            },
            [row for row in range(len(values)) for _ in range(2)],
        )

    async with mmsb.connect(life.url, app) as bus:
        print("ready", flush=True)
        await bus.process(place if life.batch is None else place_batch)
