"""Bugs planted into the engine, and the claim of the simulation that each breaks (docs/developing.md lists those)."""

from typing import Final

from tests.planted.bugs import Bug

SEEDS: Final = ("simulate", "0", "60")
MORE_SEEDS: Final = ("simulate", "0", "200")

SEALED: Final = (
    "        elif tlog.durable > self.opened.mark.durable.tlog:\n"
    "            intents.sync()  # a full segment was sealed, so durable: "
    "what it settles must not be lost before it is\n"
)

ENGINE_BUGS: Final = (
    Bug(
        "intents are not synced",
        "streams/partition.py",
        "        if self._durability != Durability.PROCESS:\n            log.sync()\n",
        "        log._durable = log.end\n",
        SEEDS,
        "[what is told logged is durable]",
        "with durability fsync, logged means that no loss of power undoes it",
    ),
    Bug(
        "the TLog is not synced",
        "streams/partition.py",
        "            tlog.sync()\n        elif",
        "            tlog._durable = tlog.end\n        elif",
        SEEDS,
        "[what settled is durable]",
        "an outcome is accepted before anyone is told, and accepted is durable",
    ),
    Bug(
        "receipts are released before their block is accepted",
        "streams/partition.py",
        "            await self._appender.run(self._write_blocks, blocks, self._world.time_ms())\n",
        "            writing = asyncio.ensure_future(\n"
        "                self._appender.run(self._write_blocks, blocks, self._world.time_ms())\n"
        "            )\n"
        "            writing.add_done_callback(lambda done: done.exception())\n",
        SEEDS,
        "[what settled is durable]",
        "nobody is told before the block is on disk",
    ),
    Bug(
        "logged is told before the sync",
        "streams/partition.py",
        "            group = await self._logger.run(",
        "            for ticket in tickets:\n"
        "                ticket.tell_logged()\n"
        "            group = await self._logger.run(",
        SEEDS,
        "[what is told logged is durable]",
        "logged means durable",
    ),
    Bug(
        "what was logged before a start is stepped over",
        "streams/partition.py",
        "        while first < self._logged_before:\n",
        "        while first < 0:\n",
        SEEDS,
        "[it runs on]",
        "an intent that is in the log settles, whoever logged it",
    ),
    Bug(
        "a group is lost between two stages",
        "streams/partition.py",
        "            await self._groups.put(group)\n",
        "            if len(self._waiting) != 3:\n                await self._groups.put(group)\n",
        SEEDS,
        "[it runs on]",
        "blocks settle one intent after another, without a gap",
    ),
    Bug(
        "a start believes no more than its mark",
        "streams/log/recovery.py",
        "        fault = extend(segment, file)\n",
        "        fault = extend(segment, file, durable) if durable > base else extend(segment, file)\n",
        SEEDS,
        "[what settled stays settled]",
        "whole batches above the mark were perhaps told of: their offsets are taken",
    ),
    Bug(
        "a start does not write again what a failed sync left",
        "streams/log/mending.py",
        "        while position < segment.size:\n",
        "        while position < 0:\n",
        MORE_SEEDS,
        "[what was mended is durable]",
        "after a failed fdatasync pages read well and are not on the disk",
    ),
    Bug(
        "a torn tail is taken for a batch",
        "streams/log/frames.py",
        "    return int(wrong[0]) if len(wrong) else len(actual)\n",
        "    return len(actual)\n",
        MORE_SEEDS,
        "[it starts again]",
        "a batch counts if its checksum is right",
    ),
    Bug(
        "the mark is written before the sync",
        "streams/partition.py",
        "        if self._durability != Durability.PROCESS:\n            tlog.sync()\n"
        + SEALED
        + "        self.opened.mark.write(Durable(intents.durable, tlog.durable))\n",
        "        self.opened.mark.write(Durable(intents.durable, tlog.end))\n"
        "        if self._durability != Durability.PROCESS:\n            tlog.sync()\n" + SEALED,
        SEEDS,
        "[it starts again]",
        "a mark says what is durable, or a healthy disk looks damaged",
    ),
    Bug(
        "the name of a new segment is not synced",
        "streams/log/log.py",
        "            self._files.sync_folder(self._folder)\n            self._segments.append(",
        "            self._segments.append(",
        SEEDS,
        "[what settled is durable]",
        "a file whose name is lost is lost",
    ),
    Bug(
        "reads show what is not accepted",
        "streams/reading.py",
        "            found = [self._state.pages.get(page) for page in pages]\n"
        "        await self._settled.reach(boundary)\n",
        "            found = [self._state.pages.get(page) for page in pages]\n",
        SEEDS,
        "[reads show what is accepted]",
        "a read is answered when its boundary is accepted",
    ),
    Bug(
        "a waiting reader is forgotten",
        "streams/watermark.py",
        "        for turn, offset in self._waiting.items():\n",
        "        waiting, self._waiting = self._waiting, {}\n        for turn, offset in waiting.items():\n",
        SEEDS,
        "[nobody waits for ever]",
        "who waits for a later block waits on",
    ),
    Bug(
        "room is never given back",
        "streams/partition.py",
        "        self.inbox.release(released)\n",
        "",
        SEEDS,
        "[nobody waits for ever]",
        "what has settled makes room for others",
    ),
    Bug(
        "an engine that has stopped still takes intents",
        "streams/inbox.py",
        "        self._failure = error\n        while self._room",
        "        while self._room",
        ("simulate", "60", "160"),
        "[nobody waits for ever]",
        "whoever was on the way to the inbox when it failed hears of it",
    ),
    Bug(
        "what is on its way counts as withdrawn",
        "streams/submitting.py",
        "        if ticket.taken:\n",
        "        if not ticket.taken:\n",
        SEEDS,
        "[only what was submitted is logged]",
        "a time-out is certain only if nothing was logged",
    ),
    Bug(
        "a sealed segment settles what is not durable",
        "streams/partition.py",
        SEALED,
        "",
        ("simulate", "150", "250"),
        "[it starts again]",
        "with durability process a loss of power takes intents; no durable block may be left that settles them",
    ),
    Bug(
        "follow-ups that were handed over count as arrived",
        "streams/relay.py",
        "        self.handed = {number: target.counted(source.number) for number, target in enumerate(targets)}\n",
        "        self.handed = {number: source.emitted.get(number, 0) for number, _ in enumerate(targets)}\n",
        SEEDS,
        "[follow-ups arrive]",
        "what a crash took on the way is sent again",
    ),
    Bug(
        "a follow-up goes out before its cause is durable",
        "streams/relay.py",
        "        await source.make_durable()\n",
        "",
        ("simulate", "200", "300"),
        "[a follow-up has its cause]",
        "the effect of what can vanish must not stay",
    ),
    Bug(
        "what left for the owner counts as not submitted",
        "streams/serving/client.py",
        "            if not call.request:\n",
        "            if call.request:\n",
        SEEDS,
        "[only what was submitted is logged]",
        "what was sent may be logged, whoever lost patience",
    ),
    Bug(
        "a connection that ends says that nothing happened",
        "streams/serving/calls.py",
        "        if isinstance(call, Submission):\n            return OutcomeUnknown(",
        "        if isinstance(call, Submission):\n            return EnvironmentFailed(",
        SEEDS,
        "[only what was submitted is logged]",
        "the outcome of what was sent is unknown, not that it failed",
    ),
    Bug(
        "a client is never told to read on",
        "streams/serving/session.py",
        "            else:\n                self._transport.resume_reading()\n",
        "",
        MORE_SEEDS,
        "[nobody waits for ever]",
        "a session that stopped reading goes on when its client takes answers",
    ),
    Bug(
        "the rest of a frame is forgotten",
        "streams/serving/frames.py",
        "            self._pieces, self._held = [data[rest:]], len(data) - rest\n",
        "            self._pieces, self._held = [data[rest:][:16]], min(len(data) - rest, 16)\n",
        SEEDS,
        "[nothing fails without a reason]",
        "a stream is cut into frames wherever its pieces end",
    ),
    Bug(
        "a consumer that goes on sees its last event again",
        "streams/events/events.py",
        "        place = now if after is None else place_of(after.offset, after.ordinal)\n",
        "        place = now if after is None else place_of(after.offset, after.ordinal) - 1\n",
        SEEDS,
        "[events are those of the log, in order, each once]",
        "events come behind the position that was named",
    ),
    Bug(
        "a consumer that changes to another feed leaves events out",
        "streams/events/feed.py",
        "return self._first + bisect_right(",
        "return self._first + (place >= 0) + bisect_right(",
        SEEDS,
        "[events are those of the log, in order, each once]",
        "no event is left out between two pieces",
    ),
    Bug(
        "events begin when the first is waited for",
        "streams/serving/client.py",
        "        self._calls.begin(question)\n"
        "        return self._events(question)\n\n"
        "    async def _events(self, question: Question) -> AsyncGenerator[list[Event]]:\n",
        "        return self._events(question)\n\n"
        "    async def _events(self, question: Question) -> AsyncGenerator[list[Event]]:\n"
        "        self._calls.begin(question)\n",
        MORE_SEEDS,
        "[events begin where they were asked for]",
        "what is submitted behind the call is seen",
    ),
    Bug(
        "an engine closes on those who read its events",
        "streams/events/events.py",
        "                if not self._lags(feed):\n                    await feed.catch_up()\n",
        "                pass\n",
        SEEDS,
        "[who keeps up sees all before the end]",
        "a consumer that keeps up finds all that was accepted",
    ),
    Bug(
        "a scan shows what is not accepted",
        "streams/reading.py",
        "            copied = await complete(self._stepper.run(self._copy_pages, type_id))\n"
        "        await self._settled.reach(boundary)\n",
        "            copied = await complete(self._stepper.run(self._copy_pages, type_id))\n",
        SEEDS,
        "[reads show what is accepted]",
        "a scan is answered when its boundary is accepted",
    ),
    Bug(
        "whoever touched a page last is blamed for all of it",
        "streams/past/blaming.py",
        "told.bodies[1:, slot] != told.bodies[:-1, slot]",
        "told.bodies[1:] != told.bodies[:-1]",
        SEEDS,
        "[the past is what happened]",
        "blame names the intent that gave the field its value",
    ),
    Bug(
        "stats count what is stepped as settled",
        "streams/partition.py",
        "            settled=self.settled.at,\n",
        "            settled=self.opened.writer.machine.settled,\n",
        MORE_SEEDS,
        "[stats are true]",
        "settled means accepted, in figures as well",
    ),
)
