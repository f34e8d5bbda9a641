"""The machine code that children compile for a worker from nothing, made once for all tests that want it.

`python -m tests.processors.machine_code` puts a copy of it where all tests find compiled code: three processes that
begin together would each compile it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from mmsb.kernels.jit import cache_folder
from mmsb.streams import building

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = ROOT / ".cache"

BUILD_AND_STEP: Final = """
import asyncio
import tempfile
from examples.bank import app, Deposit
from mmsb.processors.intake import read_batches
from mmsb.processors.writer import Writer
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.classes import layout_of
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.array_fold import ArrayFold
from mmsb.streams.building import build, build_folding
from numba.core.event import RecordingListener, register


async def settle_and_start_again():
    with tempfile.TemporaryDirectory() as data:
        async with app.run(data=data) as bank:
            await bank.submit_many(Deposit, {"account": range(10), "amount": 5}, ids=list(map(str, range(10))))
        async with app.run(data=data) as bank:
            await bank.submit(Deposit(1, 1))


bundle, told, compiled = app.bundle(), [], RecordingListener()
code = build(bundle, told.append)
build_folding(told.append)
register("numba:compile", compiled)
folds = [ArrayFold(Genesis(bytes(range(16)), bundle.app).pack()) for _ in range(2)]
writer = Writer(bundle, folds[0], bytes(range(16)), compiled=code)
layout = layout_of(Deposit)
value = pack_intent(layout.type_id, layout.store((7, 5)), id=bytes(16))
asked = [value, b'{"@type":"Deposit","account":7,"amount":5}', b'{"@type":"Deposit","account":7,"amount":-1}']
entries = [writer.claim()]
writer.read(1, entries[0].key, entries[0].value)
entry, outcome = writer.step(read_batches(encode_batch(0, [Record(None, value, 1) for value in asked])))
writer.read(2, entry.key, entry.value)
for offset, entry in enumerate([*entries, entry], 1):
    assert folds[1].read(offset, entry.key, entry.value).accepted
assert folds[1].state.digest == folds[0].state.digest
assert [row.status.name for row in outcome.outcomes] == ["APPLIED", "APPLIED", "REJECTED"], outcome
asyncio.run(settle_and_start_again())
assert not compiled.buffer, {event.data["dispatcher"].py_func for _, event in compiled.buffer}
print(len(told), "told", code.module.name)
"""
"""A worker that fails if it had to compile anything itself; says how often it was told that children do."""


def process(program: str, **env: str) -> str:
    """What a program says in a process without pytest's and Numba's settings, having ended well."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NUMBA_"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**kept, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=590,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def compiled_by_children() -> Path:
    """A cache that was empty, and then had one worker; nobody else writes into it.

    Its name says which kernels these are and who calls them: after a change of either it is made anew.
    """
    folder = CACHE / f"by-children-{cache_folder().name}-{building._callers()}"
    if not folder.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            new = Path(scratch) / "new"
            assert not process(BUILD_AND_STEP, MMSB_CACHE=str(new)).startswith("0 told"), "children had to compile"
            for older in CACHE.glob("by-children-*"):
                shutil.rmtree(older)
            new.replace(folder)
    return folder


def main() -> None:
    made = compiled_by_children() / cache_folder().name
    there = CACHE / "mmsb" / made.name
    if not there.exists():
        shutil.copytree(made, there)


if __name__ == "__main__":
    main()
