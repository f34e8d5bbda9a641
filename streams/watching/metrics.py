"""The table of all metrics, and their figures: read off what runs, at any moment, without waiting for a step.

A step that hangs must not silence whoever would tell of it. So offsets and counts are those of the moment and may be
of different blocks; `mmsb stats` gives those of one boundary.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mmsb.schemas.rejections import Code
from mmsb.schemas.statuses import Status
from mmsb.streams.edges.delivering import Counts
from mmsb.streams.partition import Partition
from mmsb.streams.reading import sent
from mmsb.streams.watching.counting import Counter
from mmsb.streams.watching.exposition import Exposition, Metric
from mmsb.streams.watching.process import PROCESS_METRICS, add_process
from mmsb.streams.watching.progress import Progress
from mmsb.streams.watching.watchable import Seen

_BUILD: Final = ("app", "version", "generation", "bundle", "durability")
_APP: Final = ("app",)
_PART: Final = ("app", "partition")

METRICS: Final = (
    Metric("mmsb_build_info", "gauge", _BUILD, "1, with what runs; absent until it is at work"),
    Metric("mmsb_ready", "gauge", _APP, "1 if /ready answers 200, else 0"),
    Metric("mmsb_progressing", "gauge", _APP, "1 if /progressing answers 200, else 0"),
    Metric("mmsb_event_loop_lag_seconds", "histogram", _APP, "how late the event loop was, asked 4 times a second"),
    Metric("mmsb_partition_owned", "gauge", _PART, "1 if this process owns it, 0 if it follows"),
    Metric("mmsb_logged_offset", "gauge", _PART, "the last intent in the log; -1 is none"),
    Metric("mmsb_settled_offset", "gauge", _PART, "the last intent with an accepted outcome"),
    Metric("mmsb_flushed_offset", "gauge", _PART, "the last intent whose effects are in the home"),
    Metric("mmsb_tlog_offset", "gauge", _PART, "the last TLog record that is accepted"),
    Metric("mmsb_lag_intents", "gauge", _PART, "intents that are logged and not settled"),
    Metric("mmsb_still_seconds", "gauge", _PART, "how long intents have waited without one that settled"),
    Metric("mmsb_in_flight_bytes", "gauge", _PART, "submitted here and not settled; 0 behind Kafka"),
    Metric("mmsb_intents_settled_total", "counter", (*_PART, "type", "status"), "intents that settled here"),
    Metric("mmsb_intents_rejected_total", "counter", (*_PART, "type", "code"), "those that were rejected, by reason"),
    Metric("mmsb_settle_seconds", "histogram", _PART, "from an intent's time in the log to its accepted outcome"),
    Metric("mmsb_flush_seconds", "histogram", _PART, "flushes, from the copy to the written rows"),
    Metric("mmsb_flushed_bytes_total", "counter", _PART, "bytes that flushes wrote"),
    Metric("mmsb_checkpoints_total", "counter", _PART, "checkpoints that were made"),
    Metric("mmsb_checkpoint_failures_total", "counter", _PART, "those by schedule or by an intent that were not"),
    Metric("mmsb_log_bytes", "gauge", (*_PART, "log"), "a log on disk: intents or tlog"),
    Metric("mmsb_pages", "gauge", (*_PART, "type"), "pages that exist"),
    Metric("mmsb_page_memory_bytes", "gauge", _PART, "arenas in use: pages in memory and their indexes"),
    Metric("mmsb_page_memory_limit_bytes", "gauge", _PART, "what these may take, of memory="),
    Metric("mmsb_page_hits_total", "counter", _PART, "stretches of pages that were in memory, while not all were"),
    Metric("mmsb_page_misses_total", "counter", _PART, "those that came from the home"),
    Metric("mmsb_page_evictions_total", "counter", _PART, "those that left memory"),
    Metric("mmsb_follow_ups_emitted_total", "counter", (*_PART, "target"), "follow-ups for each partition, ever"),
    Metric("mmsb_follow_ups_relayed_total", "counter", (*_PART, "target"), "those that it has been handed"),
    Metric(
        "mmsb_processor_messages_total", "counter", (*_APP, "processor"), "messages that processors here dealt with"
    ),
    Metric("mmsb_processor_set_aside_total", "counter", (*_APP, "processor"), "those that were set aside"),
    Metric(
        "mmsb_processor_intents_total", "counter", (*_APP, "processor", "status"), "what they submitted, as it settled"
    ),
    *PROCESS_METRICS,
)


@dataclass(frozen=True)
class Build:
    """What runs."""

    version: str
    generation: int
    bundle: str
    durability: str


@dataclass(frozen=True)
class Own:
    """What the application's own code counts and does in this process."""

    counters: Mapping[str, Counter]
    processed: dict[str, list[Counts]] = field(default_factory=dict[str, list[Counts]])
    """By the names of processors: each time that one was at work."""


@dataclass(frozen=True)
class Figures:
    """All that an exposition is made from."""

    app: str
    build: Build | None
    ready: bool
    progressing: bool
    progress: Progress
    seen: list[Seen]
    own: Own

    def text(self) -> bytes:
        counters = self.own.counters.values()
        declared = [Metric(each.name, "counter", (*_APP, *each.labels), each.meaning) for each in counters]
        to = Exposition((*METRICS, *declared))
        if self.build is not None:
            build = self.build
            to.add("mmsb_build_info", 1, self.app, build.version, str(build.generation), build.bundle, build.durability)
        to.add("mmsb_ready", int(self.ready), self.app)
        to.add("mmsb_progressing", int(self.progressing), self.app)
        to.add_histogram("mmsb_event_loop_lag_seconds", self.progress.loop_seconds, self.app)
        for each in self.seen:
            _add_partition(to, self.app, each, self.progress.still_seconds(each.partition))
        for name, counts in self.own.processed.items():
            _add_processor(to, (self.app, name), counts)
        for counter in counters:
            for labels, count in list(counter.counts.items()):
                to.add(counter.name, count, self.app, *labels)
        add_process(to)
        return to.text()


def _add_processor(to: Exposition, labels: tuple[str, str], counts: list[Counts]) -> None:
    to.add("mmsb_processor_messages_total", sum(each.messages for each in counts), *labels)
    to.add("mmsb_processor_set_aside_total", sum(each.rejected for each in counts), *labels)
    for status in sorted({status for each in counts for status in each.outcomes}):
        outcomes = sum(each.outcomes.get(status, 0) for each in counts)
        to.add("mmsb_processor_intents_total", outcomes, *labels, str(status))


def _add_partition(to: Exposition, app: str, seen: Seen, still_seconds: float) -> None:
    part = seen.partition
    labels = app, str(part.number)
    settled = part.settled.at  # once, for the lag is of the same moment
    logged = max(part.journal.logged - 1, settled)
    for name, value in (
        ("mmsb_partition_owned", int(seen.owned)),
        ("mmsb_logged_offset", logged),
        ("mmsb_settled_offset", settled),
        ("mmsb_flushed_offset", part.flushing.flushed),
        ("mmsb_tlog_offset", part.tlog_end - 1),
        ("mmsb_lag_intents", logged - settled),
        ("mmsb_still_seconds", still_seconds),
        ("mmsb_in_flight_bytes", part.journal.in_flight),
        ("mmsb_flushed_bytes_total", part.flushing.written_bytes),
        ("mmsb_checkpoints_total", part.checkpoints.count),
        ("mmsb_checkpoint_failures_total", part.checkpoints.failures),
    ):
        to.add(name, value, *labels)
    to.add_histogram("mmsb_flush_seconds", part.flushing.seconds, *labels)
    to.add("mmsb_log_bytes", part.opened.intents.size, *labels, "intents")
    to.add("mmsb_log_bytes", part.opened.tlog.size, *labels, "tlog")
    _add_pages(to, part, labels)
    _add_counted(to, part, labels)
    for target, count in sent(part.opened.fold.state).items():
        to.add("mmsb_follow_ups_emitted_total", count, *labels, str(target))
        to.add("mmsb_follow_ups_relayed_total", seen.handed.get(target, 0), *labels, str(target))


def _add_pages(to: Exposition, part: Partition[Any], labels: tuple[str, str]) -> None:
    home = part.opened.home
    for name, count in part.reads.page_counts().items():
        to.add("mmsb_pages", count, *labels, name)
    for name, value in (
        ("mmsb_page_memory_bytes", home.memory_bytes),
        ("mmsb_page_memory_limit_bytes", home.budget),
        ("mmsb_page_hits_total", home.use.hits),
        ("mmsb_page_misses_total", home.use.misses),
        ("mmsb_page_evictions_total", home.use.evictions),
    ):
        to.add(name, value, *labels)


def _add_counted(to: Exposition, part: Partition[Any], labels: tuple[str, str]) -> None:
    if part.meter is None:
        return
    for (type_name, status), count in part.meter.settled.items():
        to.add("mmsb_intents_settled_total", count, *labels, type_name, str(Status(status)))
    for (type_name, code), count in part.meter.rejected.items():
        to.add("mmsb_intents_rejected_total", count, *labels, type_name, Code(code).name.lower())
    to.add_histogram("mmsb_settle_seconds", part.meter.settle_seconds, *labels)
