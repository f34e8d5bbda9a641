"""A process that is connected to a running application is watched as well: its processors, and its connection."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import mmsb
from tests.edges.tally import Count, fresh_app
from tests.watching.asking import asked, figures, free_port, labelled


def test_processors_beside_the_owner_are_watched_until_it_ends(tmp_path: Path) -> None:
    port, app = free_port(), fresh_app("connected")

    async def letters() -> AsyncIterator[tuple[int, int]]:
        for number in range(5):
            yield number, number

    @app.processor(source=letters, rejects=tmp_path / "rejects.jsonl")
    async def clerk(message: mmsb.Message) -> Count:
        return Count(1, message.value)

    async def check() -> None:
        owner = app.run(data=tmp_path / "data", interpreted=True)
        await owner.__aenter__()
        async with mmsb.connect(tmp_path / "data", app, http=str(port)) as bus:
            assert (await asked(port, "/ready"))[0] == 200
            await bus.process(clerk)
            found = figures((await asked(port, "/metrics"))[1])
            assert found[labelled("mmsb_processor_messages_total", processor="clerk")] == 5
            assert (await asked(port, "/stats"))[0] == 200
            await owner.__aexit__(None, None, None)
            status, why = await asked(port, "/ready")
            assert (status, "connect again" in why) == (503, True), why
            assert (await asked(port, "/alive"))[0] == 200

    asyncio.run(check())
