"""Reads through a door, whatever there is to be read: pages, all of them, their past, and figures."""

import re
from random import Random

from mmsb.schemas.classes import page_layout_of
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.layouts import PageLayout
from mmsb.state.pages import PageId
from mmsb.streams.door import Door
from tests.simulation.apps import SimApp, pages_of, pages_together
from tests.simulation.claims import require
from tests.simulation.court import Court
from tests.simulation.past import Look, culprit, newest

UNKNOWN = -1  # an upper boundary that the judge will tell
TRIMMED = re.compile(r"altered before intent offset (\d+), and that was trimmed")


class Reader:
    def __init__(self, app: SimApp, court: Court, door: Door, random: Random) -> None:
        self._app, self._court, self._door, self._random = app, court, door, random
        self._layout: PageLayout = page_layout_of(app.page)

    async def look(self) -> str:
        """Ask something; gives what was found, in words."""
        ask = self._random.choices((self._get, self._scan, self._history, self._blame, self._stats), (6, 2, 2, 2, 1))[0]
        return await ask()

    async def _get(self) -> str:
        partition, pages = pages_together(self._app, len(self._court.partitions), self._random)
        judge = self._court.partitions[partition]
        lower = judge.released
        found = await self._door.get(partition, pages)
        require("a page for each", len(found) == len(pages), f"{len(found)} for {len(pages)}")
        judge.told_read(lower, dict(zip(pages, found, strict=True)))
        return f"reads epochs {[page and page[0] for page in found]} of partition {partition}"

    async def _scan(self) -> str:
        """All pages, those that are not there, too."""
        partition = self._random.randrange(len(self._court.partitions))
        judge = self._court.partitions[partition]
        pages = pages_of(self._app, partition, len(self._court.partitions))
        type_id, lower = self._layout.type_id, judge.released
        found = [page async for some in self._door.scan(partition, type_id) for page in some]
        keys = [key for key, _, _ in found]
        require("a scan is in the order of keys", keys == sorted(set(keys)), f"{keys}")
        there = {(type_id, key): (epoch, body) for key, epoch, body in found}
        judge.told_read(lower, {**dict.fromkeys(pages), **there})
        return f"scans {len(found)} pages of partition {partition}"

    async def _history(self) -> str:
        partition, page = self._page()
        judge, limit = self._court.partitions[partition], self._random.choice((1, 3, 1000))
        lower = judge.released
        found = await self._door.history(partition, page, limit)
        judge.told_past(Look(lower, UNKNOWN, page, found, newest(limit), found.trimmed or 0))
        return f"finds {len(found)} of {limit} changes of a page of partition {partition}"

    async def _blame(self) -> str:
        partition, page = self._page()
        judge = self._court.partitions[partition]
        field, lower = self._random.choice((None, *range(len(self._layout.fields)))), judge.released
        try:
            found = await self._door.blame(partition, page, field)
        except InvalidValue as error:
            begin = int(TRIMMED.findall(str(error))[0])
            judge.told_past(Look(lower, UNKNOWN, page, [], culprit(field), begin, refused=True))
            return f"hears who gave field {field} of a page of partition {partition} its value was trimmed: {error}"
        judge.told_past(Look(lower, UNKNOWN, page, [found] if found else [], culprit(field)))
        return f"blames {found and found.offset} for field {field} of a page of partition {partition}"

    async def _stats(self) -> str:
        before = [judge.released for judge in self._court.partitions]
        stats = await self._door.stats()
        for each in stats.partitions:
            self._court.partitions[each.partition].told_stats(before[each.partition], each)
        return f"hears that up to {[each.settled for each in stats.partitions]} all is settled"

    def _page(self) -> tuple[int, PageId]:
        partition, pages = pages_together(self._app, len(self._court.partitions), self._random)
        return partition, pages[0]
