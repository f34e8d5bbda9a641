"""Which partition an intent belongs to: that of the first page it names, as for follow-ups.

What names no page (garbage, an unknown type, arguments out of range) is rejected wherever it goes, so it goes to
partition 0. Pages of other partitions are not looked for here: the machine rejects such an intent as wrong_partition.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from mmsb.kernels.intake import envelopes as envelope
from mmsb.kernels.intake import record_batches
from mmsb.processors.batching import Intents
from mmsb.processors.bundle import Bundle
from mmsb.processors.compiled import CHUNK, Compiled, Stepper
from mmsb.processors.intake import bytes_of
from mmsb.processors.judging import pages_named
from mmsb.processors.lowering import Surroundings
from mmsb.schemas.envelopes import HAS_ID, HAS_SOURCE, HEADER, INTENT_VERSION, MAGIC
from mmsb.schemas.ids import ID_BYTES
from mmsb.schemas.layouts import IntentLayout
from mmsb.schemas.partitions import partition_of
from mmsb.schemas.rejections import Code
from mmsb.schemas.sources import SOURCE_BYTES
from mmsb.schemas.tlog.genesis import Genesis
from mmsb.state.arrays import ArrayState

ALIKE_MIN: Final = 16  # values of one class: fewer are looked at one by one
NOWHERE: Final = -1  # a partition that no page is of: compiled code then rejects every intent, naming the right one
_CODE: Final = np.uint64(0xFFFF)


class Router:
    """Finds partitions for whoever submits. For one thread at a time."""

    def __init__(self, bundle: Bundle, compiled: Compiled | None, genesis: Genesis) -> None:
        self._bundle = bundle
        self._count = genesis.partition_count
        self._stepper = Stepper(compiled, ArrayState(genesis)) if compiled and self._count > 1 else None

    def partition_for(self, value: bytes) -> int:
        """That of one packed or JSON intent."""
        if self._count == 1:
            return 0
        around = Surroundings(self._bundle, 0, self._count, 0, 0, lambda type_id, key: None)
        named = pages_named(around, value)
        if not named:
            return 0
        layout, key = named[0]
        return partition_of(layout.partition_parts(key), self._count)

    def partitions_for(self, intents: Intents) -> NDArray[np.int64]:
        """Those of many."""
        if self._count == 1:
            return np.zeros(len(intents), np.int64)
        stepper = self._stepper
        if stepper is None or intents.layout.type_id not in stepper.compiled.module.queries:
            return np.array([self.partition_for(intents.value(index)) for index in range(len(intents))], np.int64)
        parts = [self._find(stepper, intents.slice(start, start + CHUNK)) for start in range(0, len(intents), CHUNK)]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def partitions_for_values(self, values: Sequence[bytes]) -> NDArray[np.int64]:
        """Those of packed or JSON intents. Packed ones of one class are looked at as columns."""
        found = np.zeros(len(values), np.int64)
        if self._count == 1:
            return found
        rows: dict[bytes, list[int]] = {}
        for row, value in enumerate(values):
            rows.setdefault(value[: HEADER.size], []).append(row)
        for head, some in rows.items():
            alike = self._alike(head, [values[row] for row in some])
            found[some] = (
                [self.partition_for(values[row]) for row in some] if alike is None else self.partitions_for(alike)
            )
        return found

    def _alike(self, head: bytes, values: Sequence[bytes]) -> Intents | None:
        """Values of one head, if their arguments can be taken apart at once."""
        if self._stepper is None or len(values) < ALIKE_MIN or len(head) < HEADER.size or not head.startswith(MAGIC):
            return None
        _, version, parts, _, words, type_id = HEADER.unpack(head)
        layout = self._bundle.descriptor.layouts_by_type.get(type_id)
        at = HEADER.size + ID_BYTES * bool(parts & HAS_ID) + SOURCE_BYTES * bool(parts & HAS_SOURCE)
        end = at + 8 * words
        if version != INTENT_VERSION or not isinstance(layout, IntentLayout) or layout.size != 8 * words:
            return None
        if any(len(value) < end for value in values):
            return None
        arguments = np.frombuffer(b"".join([value[at:end] for value in values]), np.uint64)
        return Intents(layout, arguments.reshape(len(values), words))

    def _find(self, stepper: Stepper, intents: Intents) -> NDArray[np.int64]:
        """The pass that finds keys and partitions, over intents that have no envelopes yet."""
        count, size = len(intents), intents.layout.size
        envelopes: Any = np.zeros((envelope.ROWS, CHUNK), np.int64)
        envelopes[envelope.TYPE] = stepper.compiled.module.intents.index(intents.layout.type_id)
        envelopes[envelope.ARGUMENTS_AT] = size * np.arange(CHUNK)
        envelopes[envelope.ARGUMENTS_SIZE] = size
        columns: Any = np.zeros((record_batches.ROWS, CHUNK), np.int64)
        arguments = bytes_of(memoryview(cast(Any, intents.arguments)))
        rejections = stepper.find_pages(arguments, columns, envelopes, count, self._count, NOWHERE)
        rows = rejections[: 4 * count].reshape(count, 4)
        known = (rows[:, 0] & _CODE) == Code.WRONG_PARTITION
        return np.where(known, rows[:, 2].astype(np.int64), 0)
