"""Row 53: a processor whose state is a page. A step that is not allowed is rejected, naming both states; the page's
history is the path it took; SIGTERM drains, and whoever starts again goes on with nothing lost."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmsb.cli.exits import Exit
from tests.cli.running import environment, mmsb, objects

LETTERS = 2_000
PATH = ["CHECKED", "PAID", "CHECKED", "CLOSED"]
DESK = f"""\
import asyncio
import enum
import sys

import mmsb
from mmsb import u64

app = mmsb.App("desk", generation=1)
begun = []


class Stage(enum.IntEnum):
    NEW = 0
    CHECKED = 1
    PAID = 2
    CLOSED = 3


@app.page(key=u64)
class Claim(mmsb.Page):
    stage: Stage


def may_go(before, after):
    forward = (before == Stage.NEW and after == Stage.CHECKED) or (before == Stage.CHECKED and after == Stage.PAID)
    return forward or (before != Stage.CLOSED and after == Stage.CLOSED)


@app.intent
class Move(mmsb.Intent):
    claim: u64
    to: Stage

    def query(self):
        return Claim[self.claim]

    def delta(self, claim: Claim) -> None:
        if not may_go(claim.stage, self.to):
            mmsb.reject("a claim cannot go from {{}} to {{}}", claim.stage, self.to)
        claim.stage = self.to


async def letters():
    for number in range({LETTERS} * len({PATH!r})):
        if number % 100 == 99:
            await asyncio.sleep(0.02)  # so that a signal comes while there is more to read
        yield number, (number // len({PATH!r}), {PATH!r}[number % len({PATH!r})])


@app.processor(source=letters, rejects="letters.rejects.jsonl", concurrency=8)
async def clerk(message: mmsb.Message):
    if not begun:
        begun.append(message.position)
        print("ready", flush=True)
    claim, to = message.value
    await asyncio.sleep(0.001)
    return mmsb.Ask(Move(claim, Stage[to]), actor="clerk", correlation=f"letter {{message.position}}")


async def main() -> None:
    async with app.run(data="desk") as desk:
        done = (await desk.process(clerk))["clerk"]
    print(done.messages, {{str(status): count for status, count in done.outcomes.items()}}, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
"""


def live(folder: Path, ends_with: int | None) -> str:
    """One life, which a signal ends as soon as it has begun; gives what it said at its end."""
    process = subprocess.Popen(
        [sys.executable, "desk.py"], cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    if ends_with is not None:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.4)
        process.send_signal(ends_with)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == (-ends_with if ends_with == signal.SIGKILL else 0), said
    return said


@pytest.mark.slow
def test_a_state_takes_allowed_steps_only_and_goes_on_after_any_end(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text(DESK)
    drained = live(tmp_path, signal.SIGTERM)
    assert 0 < int(drained.split()[0]) < LETTERS * len(PATH)
    live(tmp_path, signal.SIGKILL)
    assert live(tmp_path, None).startswith(f"{LETTERS * len(PATH)} ")

    data = tmp_path / "desk"
    for claim in (0, LETTERS - 1):
        history = objects(mmsb("history", data, "Claim", str(claim), "--json").stdout)
        assert [change["fields"]["stage"] for change in history] == ["CLOSED", "PAID", "CHECKED"]
    [refused] = objects(mmsb("log", data, "--correlation", "letter 2", "--status", "rejected", "--json").stdout)
    assert (refused["rejection"], refused["why"]) == ("refused", "a claim cannot go from PAID to CHECKED")
    pages = [json.loads(line) for line in mmsb("scan", data, "Claim", "--json").stdout.splitlines()]
    assert [page["fields"]["stage"] for page in pages] == ["CLOSED"] * LETTERS
    assert mmsb("verify", data).returncode == Exit.DONE
