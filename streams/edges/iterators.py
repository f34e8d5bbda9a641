"""A processor over an async iterator: one source, which begins where it likes."""

from pathlib import Path

from mmsb.streams.door import Door
from mmsb.streams.edges.attempting import Attempts
from mmsb.streams.edges.declaring import Processor, Topic
from mmsb.streams.edges.delivering import Counts, Delivery
from mmsb.streams.edges.reading import units_of_iterator
from mmsb.streams.edges.rejects import RejectsFile
from mmsb.streams.edges.strand import Strand


class IteratorRun:
    """`run` until the iterator ends, or `drain` has it end."""

    def __init__(self, processor: Processor, door: Door, app: str, counts: Counts) -> None:
        assert not isinstance(processor.source, Topic), "those run elsewhere"
        assert processor.rejects is not None, "looked at when it was declared"
        self._iterates = processor.source
        self._processor = processor
        attempts = Attempts(processor, f"{app}/{processor.name}")
        self._rejects = RejectsFile(Path(processor.rejects), processor.name)
        delivery = Delivery(door, self._rejects.put_away, counts)
        work = attempts.of_one if processor.batch is None else attempts.of_many
        self._strand = Strand(work, delivery.deliver, processor.concurrency)

    async def run(self) -> None:
        self._rejects.check()
        await self._strand.run(units_of_iterator(self._iterates, self._processor.name, self._processor.batch))

    def drain(self) -> None:
        self._strand.drain()
