"""What a child process of mmsb.streams.building runs: `python -m mmsb.streams.warming PART MODULE_FILE`.

A kernel is compiled by its first call, so each is called once with nothing to do, through the code that calls it in
earnest: then the types of all arguments are right. What is compiled goes into the cache folder.
"""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmsb.kernels import block_builder, envelopes, outcomes, record_batches, settling
from mmsb.processors.bundle import make_bundle
from mmsb.processors.compiled import Compiled, Stepper
from mmsb.processors.compiling.modules import make_module
from mmsb.processors.intake import read_batches
from mmsb.processors.judging import Judgement
from mmsb.schemas.batches import Record, encode_batch
from mmsb.schemas.intents import pack_intent
from mmsb.schemas.sources import OUTSIDE, Source
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.arrays import ArrayState
from mmsb.streams.generated import load_module


def _read_only(size: int) -> Any:
    data = np.zeros(size, np.uint8)
    data.flags.writeable = False
    return data


_WORDS: Final[Any] = np.zeros(64, np.uint64)
_SAMPLES: Final[dict[str, Any]] = {
    "start": 0,
    "stop": 0,
    "first": 0,
    "partitions": 1,
    "partition": 0,
    "buffer": _read_only(64),
    "columns": np.zeros((record_batches.ROWS, 1), np.int64),
    "envelopes": np.zeros((envelopes.ROWS, 1), np.int64),
    "run": np.zeros((settling.ROWS_OF_RUN, 1), np.int64),
    "slots": np.zeros(8, np.int64),
    "sent": np.zeros(8, np.int64),
    "counts": np.zeros(64, np.int64),
    "text8": np.zeros(64, np.uint8),
    "block8": np.zeros(64, np.uint8),
}
"""By name of parameter; all others are arrays of words."""


def warm_bundle(path: str) -> None:
    """Compile a bundle's two loops."""
    module = load_module(Path(path))
    for loop in (module.find_pages, module.lower):
        call_idle(loop)


def call_idle(loop: Callable[..., Any]) -> None:
    """Call a loop over a stretch of no records."""
    loop(*(_SAMPLES.get(name, _WORDS) for name in inspect.signature(loop).parameters))


def warm_kernels() -> None:
    """Compile what all bundles share."""
    state = ArrayState(Genesis(bytes(range(16)), "warming", window=16))
    _warm_state(state)
    module = make_module(make_bundle("warming", 1, 1, (), ()))
    stepper = Stepper(Compiled(module, lambda *_: None, lambda *_: (0, outcomes.CUT)), state)
    records = read_batches(
        encode_batch(0, [Record(None, pack_intent(1, b"", id=bytes(16))), Record(None, b'{"@type":"None"}')])
    )
    stepper.open()
    stepper.run(records, 0)
    stepper.add(Judgement(Status.NOOP, 1), rises=True)
    block_builder.add_delta(stepper.block, stepper.counts, 0, 0, np.uint64(0), 0, 0)
    stepper.checksum(records, 1)
    stepper.sections()


def _warm_state(state: ArrayState) -> None:
    """What is done to state one thing at a time."""
    state.begin()
    state.settle(0, Status.APPLIED, bytes(range(16)), Source(OUTSIDE, bytes(16), 1, 0))
    for key in range(600):  # enough that the index grows
        state.write_page(1, key.to_bytes(8, "little"), 1, bytes(8))
    state.write_page(1, bytes(8), 2, None)
    state.rollback()


def main(part: str, path: str) -> None:
    if part == "bundle":
        warm_bundle(path)
    else:
        warm_kernels()


if __name__ == "__main__":
    main(*sys.argv[1:])
