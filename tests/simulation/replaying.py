"""The model, which replays an intents log as far as its TLog says, in the releases that ran."""

from collections.abc import Sequence

from mmsb.state.pages import PageId
from tests.model.batch import Record
from tests.model.intents import FOLLOW_UP
from tests.model.layout import follow_up_source
from tests.model.machine import Machine, Outcome
from tests.model.state import State
from tests.model.tlog import decode_genesis
from tests.simulation.claims import require
from tests.simulation.heard import Page
from tests.simulation.past import Past
from tests.simulation.releases import Changed, Migration, Release, releases_in
from tests.simulation.watch import Watch


class Replay:
    """One partition. It begins anew when a log has other intents, or another release took over, than it had."""

    def __init__(self, releases: Sequence[Release], number: int, partitions: int, window: int) -> None:
        self.number = number
        self._releases = releases
        self._partitions = partitions
        self._window = window
        self._log_id = bytes(16)
        self.log: list[Record] = []
        self._digests: dict[int, tuple[int, int]] = {}  # what the engine said its state has, by last settled offset
        self._begin()

    def _begin(self) -> None:
        """The model, before everything."""
        self.outcomes: list[Outcome] = []
        self.emitted: dict[tuple[int, int], bytes] = {}  # follow-ups, by target and number
        self._versions: dict[PageId, list[tuple[int, Page]]] = {}
        self.past = Past()
        self._machine: Machine | None = None
        self._changed: list[Changed] = []  # the releases that ran

    def _take(self, watch: Watch, settled: int) -> None:
        """Replay what a log holds now."""
        if watch.tlog:
            self._log_id = decode_genesis(watch.tlog[0].value or b"").log_id
        changed = releases_in(watch.tlog, self._releases)
        beyond = any(each.settled + 1 < len(self.outcomes) for each in changed[len(self._changed) :])
        same = changed[: len(self._changed)] == self._changed and not beyond  # what was lost settled under another one
        if not same or watch.intents[: len(self.outcomes)] != self.log[: len(self.outcomes)]:
            self._begin()
        self.log = watch.intents
        self._change(changed)
        for record in self.log[len(self.outcomes) : settled + 1]:
            self._replay(record)
            self._change(changed)
            self._judge_digest(record.offset)

    def _change(self, changed: list[Changed]) -> None:
        """Have the pages of the release that comes after the last outcome, if one does."""
        for each in changed[len(self._changed) :]:
            if each.settled >= len(self.outcomes):
                return
            state = self._model().state if self._changed else None
            if state is not None:
                self._migrate(state, Migration(self._release, self._releases[each.release]))
            self._changed.append(each)
            self._machine = None if state is None else self._make_machine(state)

    def _migrate(self, state: State, migration: Migration) -> None:
        migration.pages(state)
        self.past.migrate(migration)
        for page, version in state.pages.items():
            self._versions.setdefault(page, []).append((len(self.outcomes) - 1, version))

    @property
    def _release(self) -> Release:
        """The one that runs."""
        return self._releases[self._changed[-1].release if self._changed else 0]

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

    def _judge_digest(self, offset: int) -> None:
        if offset in self._digests:
            digest = self._model().digest()
            require("state is the model's", digest == self._digests[offset], f"not after offset {offset}")

    def _model(self) -> Machine:
        if self._machine is None:
            self._machine = self._make_machine()
        return self._machine

    def _make_machine(self, state: State | None = None) -> Machine:
        return Machine(
            self._release.app.description,
            partition=self.number,
            partitions=self._partitions,
            window=self._window,
            log_id=self._log_id,
            state=state,
        )

    def counted(self, source: int) -> int:
        """The highest number of a partition's follow-ups that counted here, says the model."""
        return self._model().state.marks.get((FOLLOW_UP, follow_up_source(source, self._log_id)), 0)
