"""What must be true of an application's topics after any number of kills: a copy of them is judged as a folder is."""

import asyncio
import io
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import mmsb
from mmsb.cli.main import main as command
from tests.crash.judge import Judged, judge
from tests.crash.told import Told
from tests.kafka.working import WAIT_S, Order
from tests.simulation.claims import require


def judge_topics(order: Order, told: Sequence[Told], partitions: int, folder: Path) -> list[Judged]:
    """All that was told is true, nothing applied twice, and topics and copy come to the same. Nobody works any more."""
    app = order.named()
    followed = asyncio.run(asyncio.wait_for(_digests(order.url, app), WAIT_S))
    copy = folder / "copy"
    said("log", "copy", f"{order.url}/{app.name}", copy)
    replayed = [row["digest"] for row in said("replay", copy)]
    require("a copy comes to what the topics come to", replayed == followed, f"{replayed}, followed: {followed}")
    return judge(copy, told, order.application, partitions, copied=True)


async def _digests(url: str, app: mmsb.App) -> list[str]:
    async with mmsb.connect(url, app) as bus:
        return [part.digest for part in (await bus.stats()).partitions]


def said(*given: object) -> list[dict[str, Any]]:
    """What a command says to machines."""
    with redirect_stdout(io.StringIO()) as out:
        code = command([*map(str, given), "--json"])
    assert code == 0, f"{given}: {code}"
    return [json.loads(line) for line in out.getvalue().splitlines()]
