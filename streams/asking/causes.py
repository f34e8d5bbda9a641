"""What led to an intent, back to the first one, and what it led to.

An intent says by an id what caused it; a follow-up's is that of the intent that emitted it, in whatever partition. What
an intent caused is looked for in all partitions, one level of the tree after the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mmsb.schemas.ids import id_text, position_id
from mmsb.schemas.metadata import Metadata
from mmsb.schemas.sources import FOLLOW_UP
from mmsb.schemas.statuses import Status
from mmsb.schemas.tlog.blocks import FollowUpRow
from mmsb.streams.asking.filters import Filter, offset_of
from mmsb.streams.asking.matching import entry_of, rows_with_entries
from mmsb.streams.asking.searching import Tell, first_there, search, walk
from mmsb.streams.past.entries import Entry
from mmsb.streams.past.past import Past

EFFECTS_MAX: Final = 1_000  # that a tree has


@dataclass(frozen=True, slots=True)
class Missing:
    """What should be in the tree and is not there, in words; `follow_up` if it is one that did not arrive."""

    words: str
    follow_up: FollowUpRow | None = None


def _nothing() -> "list[Effect]":
    return []


@dataclass(slots=True)
class Effect:
    """An intent with all that it caused. One that stands in the tree already is not followed again."""

    entry: Entry
    effects: "list[Effect]" = field(default_factory=_nothing)
    missing: list[Missing] = field(default_factory=list[Missing])
    again: bool = False


@dataclass(frozen=True, slots=True)
class Causes:
    """The nearest cause first. `begins` says why there is none before the last."""

    entries: list[Entry]
    begins: Missing | None


@dataclass(frozen=True, slots=True)
class Story:
    """`cut` is how many levels were looked at, if there was no room for more."""

    causes: Causes
    effect: Effect
    cut: int | None


class Chains:
    """Over the pasts of all partitions, in order; of a worker, of those that it has."""

    def __init__(self, pasts: Iterable[Past], tell: Tell = lambda _, __: None) -> None:
        self._pasts = {past.outline.genesis.partition: past for past in pasts}
        self._tell = tell

    def story(self, entry: Entry, effects_max: int = EFFECTS_MAX) -> Story:
        causes = self.causes(entry)
        effect, cut = self.effects(entry, effects_max)
        return Story(causes, effect, cut)

    def find(self, ids: frozenset[bytes]) -> list[Entry]:
        """The intents with one of these ids: those that counted first, the newest before older ones."""
        found = [entry for past in self._pasts.values() for entry in search(past, Filter(ids=ids), tell=self._tell)]
        return sorted(found, key=lambda entry: (entry.status.remembers, entry.time), reverse=True)

    # Back

    def causes(self, entry: Entry) -> Causes:
        found: list[Entry] = []
        seen = {(entry.partition, entry.offset)}
        while True:
            cause = self._cause(entry)
            if not isinstance(cause, Entry):
                return Causes(found, cause)
            if (cause.partition, cause.offset) in seen:
                where = f"partition {cause.partition}, offset {cause.offset}"
                return Causes(found, Missing(f"it goes round in a circle: its cause is {where} again"))
            seen.add((cause.partition, cause.offset))
            found.append(cause)
            entry = cause

    def _cause(self, entry: Entry) -> Entry | Missing | None:
        id = entry.metadata.causation
        if id is None:
            return None
        for number, past in self._pasts.items():
            offset = offset_of(past.outline.genesis, id)
            if offset is not None:
                cause = past.outcome_at(offset)
                return cause or self._missing(f"its cause, partition {number}, offset {offset}")
        known = [cause for cause in self.find(frozenset({id})) if cause.status.remembers]
        return _most_likely(entry, known) or self._missing(f"its cause has the id {id_text(id)}, and no intent with it")

    def _missing(self, what: str) -> Missing:
        trimmed = ", ".join(
            f"partition {number} below offset {first}"
            for number, past in self._pasts.items()
            if (first := first_there(past))
        )
        return Missing(f"{what} is in these logs" if not trimmed else f"{what} is in what was not trimmed ({trimmed})")

    # Forward

    def effects(self, entry: Entry, effects_max: int) -> tuple[Effect, int | None]:
        """The tree below an intent, and at how many levels it was cut."""
        root = Effect(entry)
        seen, level, depth = {(entry.partition, entry.offset)}, [root], 0
        while level:
            if len(seen) > effects_max:
                return root, depth
            self._add_effects(level)
            for each in level:
                each.missing = [
                    self._missing_follow_up(sent)
                    for sent in each.entry.follow_ups
                    if not any(_is_follow_up(effect.entry, sent) for effect in each.effects)
                ]
            level = [effect for each in level for effect in each.effects if _is_new(effect, seen)]
            depth += 1
        return root, None

    def _missing_follow_up(self, sent: FollowUpRow) -> Missing:
        why = "has not arrived there" if sent.target in self._pasts else "is in logs that are not here"
        return Missing(f"follow-up {sent.number} to partition {sent.target} {why}", sent)

    def _add_effects(self, level: Sequence[Effect]) -> None:
        """What all of a level caused, in one walk."""
        by_id = {id: effect for effect in reversed(level) for id in self._ids_of(effect.entry)}
        entries = [entry_of(Metadata(causation=id)) for id in by_id]
        for past in self._pasts.values() if entries else ():
            for _, block, outcomes in walk(past, Filter(), tell=self._tell):
                for row in rows_with_entries(block, outcomes, entries).tolist():
                    entry = past.outcome_at(block.header.first + row)
                    assert entry is not None, "its block is there"
                    assert entry.metadata.causation is not None, "that is what was looked for"
                    by_id[entry.metadata.causation].effects.append(Effect(entry))

    def _ids_of(self, entry: Entry) -> list[bytes]:
        """By what others name it; who only repeats an id is not meant by it."""
        genesis = self._pasts[entry.partition].outline.genesis
        own = [] if entry.id is None or entry.status == Status.DUPLICATE else [entry.id]
        return [*own, position_id(genesis.log_id, genesis.partition, entry.offset)]


def _is_new(effect: Effect, seen: set[tuple[int, int]]) -> bool:
    """Takes note of it, either way."""
    place = effect.entry.partition, effect.entry.offset
    effect.again = place in seen
    seen.add(place)
    return not effect.again


def _is_follow_up(entry: Entry, sent: FollowUpRow) -> bool:
    source = entry.source
    return (
        source is not None
        and source.kind == FOLLOW_UP
        and (entry.partition, source.number) == (sent.target, sent.number)
    )


def _most_likely(entry: Entry, known: Sequence[Entry]) -> Entry | None:
    """Which of those that had an id caused an intent: who emitted it, else the newest that was there before it."""
    for cause in known:
        if any(_is_follow_up(entry, sent) for sent in cause.follow_ups):
            return cause
    before = [cause for cause in known if cause.time <= entry.time and _is_before(cause, entry)]
    return next(iter(before or known), None)


def _is_before(cause: Entry, entry: Entry) -> bool:
    return cause.partition != entry.partition or cause.offset < entry.offset
