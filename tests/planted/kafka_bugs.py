"""Bugs planted into what runs behind Kafka, and the claim of the simulation that each breaks (docs/developing.md).

One that several checks notice is asked of one check alone, by a test of it.
"""

from typing import Final

from tests.planted.bugs import Bug

SIMULATE: Final = "simulate-kafka"
SEEDS: Final = (SIMULATE, "0", "100")  # one of the first ten, mostly; they move with whatever changes in the engine
FEW_SEEDS: Final = (SIMULATE, "0", "12")
SAME_TOPICS: Final = "tests/kafka/test_same_topics.py::test_a_start_says_that_the_last_record_is_another"

REIGN: Final = "        if header.reign != self.reign:\n            return Discarded.OTHER_REIGN\n"
FIRST: Final = "        if header.first != self.settled + 1:\n            return Discarded.OTHER_OFFSETS\n"
PREV: Final = "        if header.prev != self.head:\n            return Discarded.OTHER_HEAD\n"

KAFKA_BUGS: Final = (
    Bug(
        "acknowledgements are trusted",
        "streams/kafka/partitions/journal.py",
        "            if got is not None and got == fold.next:\n"
        "                read.append(await self._acknowledged(entry, got, attempt.time_ms))\n",
        "            if got is not None:\n"
        "                read.append(await self._acknowledged(entry, fold.next, attempt.time_ms))\n",
        SEEDS,
        "[what is told was accepted]",
        "an acknowledged block may lie behind another's claim: only the fold knows whether it counts",
    ),
    Bug(
        "neither reign nor prev is checked",
        "state/fold.py",
        REIGN + FIRST + PREV,
        FIRST,
        SEEDS,
        "[what is told was accepted]",
        "a block that lands after a newer claim does not count",
    ),
    Bug(
        "a writer goes on although a newer claim followed its block",
        "streams/kafka/partitions/journal.py",
        "                        yield each\n                    self._check_reigns()\n",
        "                        yield each\n",
        SEEDS,
        "[nobody appends under another's reign]",
        "after every fold it is looked at who reigns",
    ),
    Bug(
        "a block is sent again with another time",
        "streams/kafka/partitions/journal.py",
        "            got = await self._send_once(attempt.batch, attempt.begun)\n\n",
        "            again = await self._attempt(entry, attempt.begun)\n"
        "            attempt, got = again, again.got\n\n",
        SEEDS,
        "[what is sent again is what was sent]",
        "a block is resent byte for byte",
    ),
    Bug(
        "a truncated log is not noticed when appending",
        "streams/kafka/partitions/journal.py",
        "        if got is not None and got < begun:\n",
        "        if got is not None and got < -1:\n",
        SEEDS,
        "[it stops where brokers have lost what they had]",
        "what lies below an offset that was folded has been lost",
    ),
    Bug(
        "a start does not look whether the topic has what its mirror has",
        "streams/kafka/partitions/mirror.py",
        "    if bytes(found.data) != log.read(log.end - 1, 1):\n",
        "    if not found.data:\n",
        ("pytest", f"{SAME_TOPICS}[tlog]"),
        "DID NOT RAISE",
        "a topic that was made anew, or has lost records, is another",
    ),
    Bug(
        "a claim is not folded through",
        "streams/kafka/partitions/journal.py",
        "            await (self.fold_to_end() if got is None else self.fold_to(got + 1))\n"
        "            if got is not None:\n",
        "            if got is not None:\n"
        "                await self._mirrorer.run(\n"
        "                    self._mirror_entry, entry, fold.next, self._world.time_ms()\n"
        "                )\n"
        "                self._opened.writer.read(fold.next, entry.key, entry.value)\n",
        SEEDS,
        "[what is told was accepted]",
        "another's claim may lie before one's own",
    ),
    Bug(
        "a gap in fetched offsets is stepped over",
        "streams/kafka/partitions/mirror.py",
        "    if batches and batches[0].first > end:\n",
        "    if batches and batches[0].first > end + 2**40:\n",
        SEEDS,
        "[it stops where brokers have lost what they had]",
        "offsets of a topic are dense, or it has been compacted",
    ),
)

HARMLESS: Final = (
    Bug(
        "reign is not checked",
        "state/fold.py",
        REIGN + FIRST + PREV,
        FIRST + PREV,
        FEW_SEEDS,
        "[",
        "each claim changes the head, so that `prev` alone suffices",
    ),
    Bug(
        "prev is not checked",
        "state/fold.py",
        REIGN + FIRST + PREV,
        REIGN + FIRST,
        FEW_SEEDS,
        "[",
        "a reign has one writer, whose blocks settle one offset after another, so that `reign` alone suffices",
    ),
)
