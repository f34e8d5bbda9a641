"""What must be true of an engine whatever happens, held against tests.model: every receipt, every read, every start.

The judge hears what clients were told, looks at the disk with its own eyes (watch.py), and after each process replays
the intents log through the model. What it finds wrong it names; docs/developing.md lists the names.
"""

from dataclasses import replace
from pathlib import Path

from mmsb.processors.receipts import Receipts
from mmsb.schemas.events import Event
from mmsb.schemas.tlog.claims import Durability
from mmsb.state.pages import PageId
from mmsb.streams.checkpoints.folder import CHECKPOINTS, MANIFEST
from mmsb.streams.checkpoints.keeping import KEPT
from mmsb.streams.checkpoints.manifest import Manifest, name_of
from mmsb.streams.events import events
from mmsb.streams.stats import PartitionStats
from mmsb.streams.tickets import Receipt
from tests.model import bundle as model_bundle
from tests.model import fold as model_fold
from tests.model.batch import Record
from tests.model.constants import DUPLICATE
from tests.model.intents import FOLLOW_UP, read_envelope
from tests.model.layout import follow_up_source
from tests.model.machine import Machine, Outcome
from tests.model.rows import Rejected
from tests.model.tlog import decode_genesis
from tests.simulation.claims import require
from tests.simulation.disk import VirtualFiles
from tests.simulation.heard import Page, Read, Secured, State, Told, state_of
from tests.simulation.kept import listed, settled_in
from tests.simulation.past import Look, Past, Subscription
from tests.simulation.watch import Watch


class PartitionJudge:
    """One partition, over all processes that a simulation lets run on it."""

    def __init__(self, description: model_bundle.Bundle, number: int, partitions: int, window: int) -> None:
        self.number = number
        self._description = description
        self._partitions = partitions
        self._window = window
        self._log_id = bytes(16)
        self.released = -1  # the last intent of which somebody was told that it settled
        self.fixed = 0  # records below this offset were told, and stay what they are
        self._secured = Secured(0, -1)
        self.log: list[Record] = []
        self._told: list[Told] = []
        self._reads: list[Read] = []
        self._looks: list[Look] = []
        self.subscriptions: list[Subscription] = []
        self.harmed = False  # whether a checkpoint was damaged, so that one more has to be kept
        self._digests: dict[int, tuple[int, int]] = {}  # what the engine said its state has, by last settled offset
        self._begin()

    def _begin(self) -> None:
        """The model, before everything."""
        self.outcomes: list[Outcome] = []
        self.emitted: dict[tuple[int, int], bytes] = {}  # follow-ups, by target and number
        self._versions: dict[PageId, list[tuple[int, Page]]] = {}
        self.past = Past()
        self._machine: Machine | None = None

    # What clients and engine say

    def start(self, files: VirtualFiles, folder: Path, durability: Durability) -> None:
        """Another process begins on what is on the disk."""
        self._files, self._folder = files, folder
        self._strong = durability != Durability.PROCESS
        self._now = Watch(files, folder, durable=self._strong)
        self._opened = False

    def opened(self, state: State) -> None:
        """The engine has mended both logs, folded the TLog, and is about to serve."""
        disk = Watch(self._files, self._folder, durable=True)
        mended = disk.logged == state.logged and disk.settled >= state.settled
        require("what was mended is durable", mended, f"{state}, and on disk for good {disk.logged}, {disk.settled}")
        stays = state.settled >= self.released
        require("what settled stays settled", stays, f"up to {self.released}, and now to {state.settled}")
        self._opened = True
        self.fixed = max(self.fixed, state.logged + 1)
        self.released = self._started_at = state.settled
        self._secured = Secured(self.fixed, self.released)
        self.says(state)

    def told_logged(self, offset: int, value: bytes) -> None:
        require("what is told logged is durable", self._now.logged >= offset, f"offset {offset}: {self._seen()}")
        self._told.append(Told(offset, value))

    def told_settled(self, receipt: Receipt, value: bytes) -> None:
        assert receipt.status is not None, "it says that it settled"
        self._settled(Told(receipt.offset, value, int(receipt.status), receipt.rejection, receipt.first_offset))

    def told_row(self, receipts: Receipts, row: int, value: bytes) -> None:
        """One of many at once."""
        status, rejection = int(receipts.statuses[row]), receipts.rejection(row)
        first = int(receipts.first_offsets[row]) if status == DUPLICATE else None
        self._settled(Told(int(receipts.offsets[row]), value, status, rejection, first))

    def _settled(self, told: Told) -> None:
        require("what settled is durable", self._now.settled >= told.offset, f"offset {told.offset}: {self._seen()}")
        self.released = max(self.released, told.offset)
        self._told.append(told)

    def told_read(self, lower: int, pages: dict[PageId, Page]) -> None:
        newest = max((page[0] - 1 for page in pages.values() if page is not None), default=-1)
        self._reads.append(Read(lower, self._shows(newest), pages))

    def told_past(self, look: Look) -> None:
        """`look.upper` is not known to whoever looked."""
        self._judge_trimmed(look.begin - 1)
        newest = max((change.offset for change in look.found), default=-1)
        self._looks.append(replace(look, upper=self._shows(newest)))

    def told_events(self, subscription: Subscription, found: list[Event]) -> None:
        require("no empty list of events", found, f"for {subscription.wanted}")
        subscription.seen += found
        self._shows(subscription.last)

    def refuses_events(self, subscription: Subscription) -> None:
        """Events behind a place are gone with the log that had them: a consumer begins again with what comes."""
        after = subscription.after
        assert after is not None, "what comes is never trimmed"
        self._judge_trimmed(after.offset + 1)
        subscription.begin, subscription.seen = None, []

    def _judge_trimmed(self, offset: int) -> None:
        """Somebody was told that what happened up to an offset is not there any more."""
        first, newest = Watch(self._files, self._folder, durable=False).first, listed(self._files, self._folder)
        needed = newest[0 if self.harmed else 1 :][:1]  # from which the log has to tell
        trimmed = offset < 0 or (first.tlog > 0 and all(offset <= settled_in(each) for each in needed))
        require("only what was trimmed is refused", trimmed, f"up to {offset}: the logs begin at {first}, {newest}")

    def told_checkpoint(self, lower: int, manifest: Manifest) -> None:
        """`lower` was settled before it was asked for."""
        settled = manifest.facts.settled
        require("a checkpoint has what was settled", lower <= settled, f"up to {settled}, and {lower} was before")
        folder = self._folder / CHECKPOINTS / name_of(manifest.facts)
        surplus = sum(each > folder for each in listed(self._files, self._folder)) >= KEPT
        durable = folder / MANIFEST in self._files._durable or surplus
        require("a checkpoint that is told of is durable", durable, f"{folder} is not")
        self._shows(settled)

    def told_stats(self, lower: int, stats: PartitionStats) -> None:
        settled = stats.settled
        order = lower <= settled <= min(stats.logged, self._now.settled)
        require("stats are true", order, f"{stats}, {self._seen()}, and settled was {lower} before")
        relayed = all(count <= stats.emitted.get(target, 0) for target, count in stats.relayed.items())
        require("stats are true", relayed, f"more follow-ups relayed than emitted: {stats}")
        counted = sum(stats.outcomes.values())
        require("stats are true", counted == settled - self._started_at, f"since offset {self._started_at}: {stats}")
        self.says(state_of(stats))

    def _shows(self, newest: int) -> int:
        """Somebody was shown the effect of an offset; gives the last that may have been shown."""
        upper = self._now.settled
        require("reads show what is accepted", newest <= upper, f"something of offset {newest}: {self._seen()}")
        self.released = max(self.released, newest)
        return upper

    def says(self, state: State) -> None:
        self._digests[state.settled] = state.digest

    def _seen(self) -> str:
        now = self._now
        return f"on disk for good: logged up to {now.logged}, settled up to {now.settled}"

    # What the logs say

    def judge(self, watch: Watch) -> None:
        """Hold all that was told since the last time against the logs."""
        settled, end = watch.settled, watch.logged + 1
        self.fixed = max(self.fixed, max((told.offset for told in self._told), default=-1) + 1)
        require("what was told survives", end >= self.fixed, f"the log ends at {end}, expected {self.fixed} or more")
        kept = min(self.fixed, len(self.log))
        for ours, theirs in zip(self.log[:kept], watch.intents[:kept], strict=True):
            require("an offset keeps its intent", ours == theirs, f"it was {ours!r}, and is {theirs!r}")
        self._take(watch, settled)
        for told in self._told:
            self._judge_told(told)
        for read in self._reads:
            self._judge_read(read)
        for look in self._looks:
            self.past.judge_look(look)
        for subscription in self.subscriptions:
            self.past.judge_subscription(subscription)
            if subscription.ended and len(watch.tlog) <= events.LAG_MAX:
                missing = self.past.missing(subscription)
                require("who keeps up sees all before the end", missing is None, f"{subscription.wanted}: {missing!r}")
            subscription.ended = False
        self._told, self._reads, self._looks, self._digests = [], [], [], {}

    def lose(self, watch: Watch) -> None:
        """Power was lost: this is what the disk has now."""
        if self._strong and self._opened:
            self._secured = Secured(self.fixed, self.released)
        settled, end, fixed = watch.settled, watch.logged + 1, self._secured.fixed
        require("what was told survives", end >= fixed, f"the log ends at {end}, expected {fixed} or more")
        require("an offset keeps its intent", watch.intents[:fixed] == self.log[:fixed], f"below {fixed}")
        self.fixed, self.released = self._secured
        self.subscriptions = [each for each in self.subscriptions if each.last <= self.released]
        self._take(watch, settled)

    def _take(self, watch: Watch, settled: int) -> None:
        """Replay what a log holds now."""
        if watch.tlog:
            self._log_id = decode_genesis(watch.tlog[0].value or b"").log_id
        if watch.intents[: len(self.outcomes)] != self.log[: len(self.outcomes)]:
            self._begin()
        self.log = watch.intents
        for record in self.log[len(self.outcomes) : settled + 1]:
            self._replay(record)

    def _judge_told(self, told: Told) -> None:
        record = self.log[told.offset]
        require("an offset holds what was told", record.value == told.value, f"{told!r}, found {record!r}")
        if told.status is None:
            return
        outcome = self.outcomes[told.offset]
        rejection = told.rejection and told.rejection.pack()
        first = outcome.first if outcome.status == DUPLICATE else None
        expected = (outcome.status, outcome.row and outcome.row.encode(), first)
        found = (told.status, rejection, told.first_offset)
        require("receipts say what happened", found == expected, f"{told!r}, the model has {outcome!r}")

    def _judge_read(self, read: Read) -> None:
        starts = {offset for page in read.pages for offset, _ in self._versions.get(page, ())}
        boundaries = [read.lower, *(at for at in starts if read.lower < at <= read.upper)]
        found = any(all(self._at(page, at) == body for page, body in read.pages.items()) for at in boundaries)
        require("reads are of one moment, never an earlier one", found, f"{read!r}")

    def _at(self, page: PageId, boundary: int) -> Page:
        """A page after an offset has settled, says the model."""
        return next((body for at, body in reversed(self._versions.get(page, [])) if at <= boundary), None)

    def _replay(self, record: Record) -> None:
        outcome = self._model().judge(record)
        self.outcomes.append(outcome)
        self.past.add(outcome, self._model())
        for delta, body in zip(outcome.deltas, outcome.bodies, strict=True):
            versions = self._versions.setdefault((delta.type_id, delta.key), [])
            versions.append((record.offset, None if body is None else (record.offset + 1, body)))
        for follow_up in outcome.follow_ups:
            self.emitted[follow_up.target, follow_up.number] = follow_up.value
        if record.offset in self._digests:
            digest = self._model().digest()
            require("state is the model's", digest == self._digests[record.offset], f"not after offset {record.offset}")

    def _model(self) -> Machine:
        if self._machine is None:
            self._machine = Machine(
                self._description,
                partition=self.number,
                partitions=self._partitions,
                window=self._window,
                log_id=self._log_id,
            )
        return self._machine

    # Follow-ups

    def counted(self, source: int) -> int:
        """The highest number of a partition's follow-ups that counted here, says the model."""
        return self._model().state.marks.get((FOLLOW_UP, follow_up_source(source, self._log_id)), 0)

    def arrived(self) -> list[tuple[int, int, bytes]]:
        """Follow-ups in the log, whether they count or not: source, number, value."""
        found: list[tuple[int, int, bytes]] = []
        for record in self.log:
            if record.value is not None and (source := source_in(record.value)) is not None:
                found.append((*source, record.value))
        return found

    def finish(self, watch: Watch) -> None:
        """Nothing is on its way any more."""
        settled = watch.settled
        require("everything settles in the end", settled == watch.logged, f"{settled} of {watch.logged}")
        fold = model_fold.Fold()
        for record in watch.tlog:
            fold.feed(record.key, record.value)
            require("the model folds the TLog", not fold.stopped, f"offset {record.offset}: {fold.stopped}")
        require("the model folds the TLog", fold.settled == settled, f"it settles up to {fold.settled}, not {settled}")
        if settled >= 0:
            require("state is the model's", fold.digest == self._model().digest(), "the TLog comes to something else")


def source_in(value: bytes) -> tuple[int, int] | None:
    """Partition and number of a follow-up; None for what is none."""
    try:
        source = read_envelope(value).source
    except Rejected:
        return None
    if source is None or source.kind != FOLLOW_UP:
        return None
    return int.from_bytes(source.source[:4], "little"), source.number
