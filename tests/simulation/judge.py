"""What must be true of an engine whatever happens, held against tests.model: every receipt, every read, every start.

The judge hears what clients were told, looks at the disk with its own eyes (watch.py), and after each process replays
the intents log through the model. What it finds wrong it names; docs/developing.md lists the names.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from mmsb.processors.receipts import Receipts
from mmsb.schemas.events import Event
from mmsb.schemas.limits import PAGES_PER_INTENT_MAX
from mmsb.schemas.tlog.claims import Durability
from mmsb.state.pages import PageId
from mmsb.streams.checkpoints.folder import CHECKPOINTS, MANIFEST
from mmsb.streams.checkpoints.keeping import KEPT
from mmsb.streams.checkpoints.manifest import Manifest, name_of
from mmsb.streams.events import events
from mmsb.streams.stats import PartitionStats
from mmsb.streams.tickets import Receipt
from tests.model import fold as model_fold
from tests.model.constants import DUPLICATE
from tests.model.intents import FOLLOW_UP, read_envelope
from tests.model.rows import Rejected
from tests.simulation.claims import require
from tests.simulation.disk import VirtualFiles
from tests.simulation.heard import Page, Read, Secured, State, Told, state_of
from tests.simulation.kept import listed, settled_in
from tests.simulation.past import Look, Subscription
from tests.simulation.releases import Changed, Migration, Release, releases_in
from tests.simulation.replaying import Replay
from tests.simulation.watch import Watch


class PartitionJudge(Replay):
    """One partition, over all processes that a simulation lets run on it."""

    def __init__(self, releases: Sequence[Release], number: int, partitions: int, window: int) -> None:
        super().__init__(releases, number, partitions, window)
        self.released = -1  # the last intent of which somebody was told that it settled
        self.fixed = 0  # records below this offset were told, and stay what they are
        self._secured = Secured(0, -1)
        self._told: list[Told] = []
        self._reads: list[Read] = []
        self._looks: list[Look] = []
        self.subscriptions: list[Subscription] = []
        self._opened = True
        self._spoken = 0  # so many changes of release consumers have gone along with
        self.harmed = False  # whether a checkpoint was damaged, so that one more has to be kept

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
        self._speak(releases_in(disk.tlog, self._releases))
        self.fixed = max(self.fixed, state.logged + 1)
        self.released = self._started_at = state.settled
        self._secured = Secured(self.fixed, self.released)
        self.says(state)

    def _speak(self, changed: list[Changed]) -> None:
        """Consumers come from the release that runs now; what it has made of the pages is there for good."""
        for old, new in pairwise(changed[max(self._spoken - 1, 0) :]):
            migration = Migration(self._releases[old.release], self._releases[new.release])
            self.subscriptions = [each for each in self.subscriptions if each.migrate(migration)]
        self._spoken = len(changed)

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
        if after is None:  # it fell behind, from a place that nobody knows exactly
            self._judge_trimmed(subscription.lower + 1)
        else:
            more_of_it = after.offset >= 0 and after.ordinal < PAGES_PER_INTENT_MAX - 1
            self._judge_trimmed(after.offset if more_of_it else after.offset + 1)
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
        for subscription in self.subscriptions if self._opened else ():
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

    # Follow-ups

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
