"""`mmsb.Logbook`: what became of intents, and why, for programs. Read beside whoever runs the folder, or alone."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from mmsb.schemas.envelopes import HEADER
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue
from mmsb.schemas.events import EventKind
from mmsb.schemas.ids import id_text
from mmsb.schemas.layouts import PageLayout
from mmsb.schemas.rejections import Rejection
from mmsb.schemas.statuses import Status
from mmsb.schemas.types import I64_MAX
from mmsb.schemas.upserts import MUTATE, UPSERT
from mmsb.streams.asking.causes import EFFECTS_MAX, Chains, Effect
from mmsb.streams.asking.filters import Filter, ids_meant, microseconds, types_named
from mmsb.streams.asking.searching import search
from mmsb.streams.checkpoints.bases import CheckpointBases
from mmsb.streams.files import RealFiles
from mmsb.streams.folder import MARK
from mmsb.streams.log import MarkReader
from mmsb.streams.past.entries import Entry
from mmsb.streams.past.folding import list_partitions
from mmsb.streams.past.past import Past
from mmsb.streams.world import RealWorld


@dataclass(frozen=True, slots=True)
class TouchedPage:
    """A page that an intent created, changed or deleted."""

    page: str
    key: Any  # a tuple, where the key has several parts
    kind: EventKind
    before: int  # the page's epoch before; 0: there was none


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What became of one intent."""

    partition: int
    offset: int
    status: Status
    intent: str | None  # the name of its class, as far as it is known
    time: int  # the partition clock: microseconds, UTC
    id: str | None
    actor: str | None
    reason: str | None
    correlation: str | None
    causation: str | None
    first_offset: int | None  # of a duplicate
    rejection: Rejection | None
    why: str | None  # it was rejected, in words
    pages: tuple[TouchedPage, ...]
    follow_ups: tuple[str, ...]  # the classes of what it emitted
    generation: int  # of the code that decided


@dataclass(frozen=True, slots=True)
class Why:
    """An intent, with what led to it, the nearest cause first, and what it led to."""

    entry: LogEntry
    causes: tuple[LogEntry, ...]
    begins: str | None  # why there is no cause before the last, where somebody named one
    effects: tuple["Why", ...]  # in which causes are left out
    missing: tuple[str, ...]  # follow-ups that have not arrived
    cut: bool  # whether there are more effects than asked for


class Logbook:
    """`with mmsb.Logbook("./data") as book:` reads a data folder's TLogs as far as they are durable. For one thread."""

    def __init__(self, data: str | Path) -> None:
        self._open = ExitStack()
        files = RealFiles()
        try:
            folders = list_partitions(files, Path(data))
            self._pasts = {number: self._past(files, folder) for number, folder in folders.items()}
        except BaseException:
            self.close()
            raise

    def _past(self, files: RealFiles, folder: Path) -> Past:
        mark = MarkReader(files, folder / MARK)
        self._open.callback(mark.close)
        if not mark.read().tlog:
            raise EnvironmentFailed(f"{folder}: nothing durable is in it yet; start it with `mmsb run`")
        past = Past(files, folder, lambda: mark.read().tlog, CheckpointBases(RealWorld(), folder))
        self._open.callback(past.close)
        return past

    def __enter__(self) -> "Logbook":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._open.close()

    def log(
        self,
        *,
        type: str | None = None,
        actor: str | None = None,
        id: str | None = None,
        correlation: str | None = None,
        status: Status | None = None,
        first: int = 0,
        last: int = I64_MAX,
        since: datetime | None = None,
        until: datetime | None = None,
        partition: int = 0,
        newest_first: bool = False,
    ) -> Iterator[LogEntry]:
        """The intents of a partition that fit all of this, in order; only what fits becomes an object.

        `last` is included, `until` is not; a time without a zone is UTC.
        """
        past = self._of(partition)
        wanted = Filter(
            types=None if type is None else types_named(past.outline, type),
            actor=actor,
            ids=None if id is None else ids_meant(id),
            correlations=None if correlation is None else ids_meant(correlation),
            statuses=None if status is None else frozenset({status}),
            first=first,
            last=last,
            since=None if since is None else microseconds(since),
            until=None if until is None else microseconds(until),
        )
        return (self._told(entry) for entry in search(past, wanted, newest_first=newest_first))

    def why(self, offset: int, partition: int = 0, *, effects_max: int = EFFECTS_MAX) -> Why:
        """What led to an intent, back to the first, and what it led to, through all partitions."""
        entry = self._of(partition).outcome_at(offset)
        if entry is None:
            raise InvalidValue(
                f"partition {partition}: nothing is known of offset {offset}; it has not settled, or was trimmed"
            )
        story = Chains(self._pasts.values()).story(entry, effects_max)
        causes, begins = tuple(map(self._told, story.causes.entries)), story.causes.begins
        return self._effect(story.effect, causes, None if begins is None else begins.words, story.cut is not None)

    def _effect(self, effect: Effect, causes: tuple[LogEntry, ...], begins: str | None, cut: bool) -> Why:
        below = tuple(self._effect(each, (), None, False) for each in effect.effects)
        missing = tuple(each.words for each in effect.missing)
        return Why(self._told(effect.entry), causes, begins, below, missing, cut)

    def _of(self, partition: int) -> Past:
        if partition not in self._pasts:
            raise InvalidValue(f"partition: expected one of {', '.join(map(str, self._pasts))}, found {partition}")
        return self._pasts[partition]

    def _told(self, entry: Entry) -> LogEntry:
        past = self._pasts[entry.partition]
        layouts = past.descriptor_at(entry.tlog).layouts_by_type
        names = {type_id: layout.name for type_id, layout in layouts.items()}
        names |= {layout.type_id: layout.name for layout in (MUTATE, UPSERT)}
        about = entry.metadata
        return LogEntry(
            partition=entry.partition,
            offset=entry.offset,
            status=entry.status,
            intent=None if entry.intent_type is None else names.get(entry.intent_type),
            time=entry.time,
            id=_text(entry.id),
            actor=about.actor,
            reason=about.reason,
            correlation=_text(about.correlation),
            causation=_text(about.causation),
            first_offset=entry.first_offset,
            rejection=entry.rejection,
            why=past.explain(entry),
            pages=tuple(
                _touched(cast(PageLayout, layouts[page.page[0]]), page.page[1], page.kind, page.before)
                for page in entry.pages
            ),
            follow_ups=tuple(names[HEADER.unpack_from(sent.intent)[-1]] for sent in entry.follow_ups),
            generation=entry.generation,
        )


def _touched(layout: PageLayout, key: bytes, kind: EventKind, before: int) -> TouchedPage:
    return TouchedPage(layout.name, layout.unpack_key(key), kind, before)


def _text(id: bytes | None) -> str | None:
    return None if id is None else id_text(id)
