"""`mmsb why`: what led to an intent, and what it led to, as a tree."""

import re
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsb.cli.command import Command, add_data, add_json, positive
from mmsb.cli.exits import Exit
from mmsb.cli.logs import partitions_of
from mmsb.cli.past_rows import entry_json, id_json, intent_type, shown_pages, type_name
from mmsb.cli.screen import Screen
from mmsb.schemas.errors import InvalidValue

if TYPE_CHECKING:
    from mmsb.cli.stored import Stored
    from mmsb.streams.asking.causes import Chains, Effect, Missing, Story
    from mmsb.streams.past.entries import Entry

EFFECTS_MAX = 1_000
_PLACE = re.compile(r"(?:(\d+):)?(\d+)")
ROOT = "nobody named a cause: it begins here"


def why(asked: Namespace, screen: Screen) -> int:
    from mmsb.cli.stored import Stored
    from mmsb.streams.asking.causes import Chains

    stored = Stored(Path(asked.data))
    try:
        with screen.progress("searching") as progress:
            chains = Chains([stored.past(number) for number in stored.partitions], progress.tell)
            entry, others = _find(asked, stored, chains)
            story = chains.story(entry, asked.limit)
        told = Told(stored, asked.limit)
        if screen.machine:
            screen.record(told.as_json(story, others))
        else:
            for line in told.lines(story, others):
                screen.line(line)
    finally:
        stored.close()
    return Exit.DONE


def _find(asked: Namespace, stored: "Stored", chains: "Chains") -> "tuple[Entry, list[Entry]]":
    """The intent that is meant, and others with the same id."""
    from mmsb.streams.asking.filters import ids_meant

    place = None if asked.id else _PLACE.fullmatch(asked.what)
    if place is not None:
        return _settled(asked, stored, None if place[1] is None else int(place[1]), int(place[2])), []
    found = chains.find(ids_meant(asked.what))
    if not found:
        raise InvalidValue(f"no intent with the id {asked.what!r} has settled here; `mmsb log` shows ids with --json")
    return found[0], found[1:]


def _settled(asked: Namespace, stored: "Stored", partition: int | None, offset: int) -> "Entry":
    if partition is None:
        [partition, *others] = partitions_of(asked, stored)
        if others:
            raise InvalidValue(
                f"an offset is one of a partition, and there are {1 + len(others)}; write e.g. 0:{offset}"
            )
    elif partition >= stored.partition_count:
        raise InvalidValue(f"expected a partition from 0 to {stored.partition_count - 1}, found {partition}")
    past = stored.past(partition)
    entry = past.outcome_at(offset)
    if entry is None:
        raise InvalidValue(
            f"partition {partition}: nothing is known of offset {offset}: {past.outline.settled} is the "
            "last that has settled, and old ones may have been trimmed; `mmsb log --from 0 --limit 1` shows the first"
        )
    return entry


class Told:
    """A story as JSON, and as lines for people."""

    def __init__(self, stored: "Stored", limit: int) -> None:
        self._stored = stored
        self._limit = limit

    def as_json(self, story: "Story", others: "list[Entry]") -> dict[str, Any]:
        begins = story.causes.begins
        return {
            **self._entry_json(story.effect.entry),
            "causes": [self._entry_json(entry) for entry in story.causes.entries],
            "begins": None if begins is None else begins.words,
            **self._below_json(story.effect),
            "cut": story.cut is not None,
            "same_id": [[entry.partition, entry.offset, str(entry.status)] for entry in others],
        }

    def _below_json(self, effect: "Effect") -> dict[str, Any]:
        effects = [
            {**self._entry_json(each.entry), "again": each.again, **self._below_json(each)} for each in effect.effects
        ]
        return {"effects": effects, "missing": [self._missing_words(effect, each) for each in effect.missing]}

    def _entry_json(self, entry: "Entry") -> dict[str, Any]:
        return entry_json(self._stored.past(entry.partition).descriptor_at(entry.tlog), entry)

    def lines(self, story: "Story", others: "list[Entry]") -> list[str]:
        causes, begins = story.causes.entries[::-1], story.causes.begins
        found = [begins.words] if begins is not None else []
        for depth, entry in enumerate(causes):
            found.append(_branch(depth) + self._line(entry))
        below: list[str] = []
        self._add_below(story.effect, "   " * (len(causes) + 1), below)
        found.append(f"{_branch(len(causes))}{self._line(story.effect.entry)}   ◀")
        found += below
        if not causes and begins is None:
            found.append(ROOT)
        if not story.effect.effects and not story.effect.missing:
            found.append("it caused nothing")
        if story.cut is not None:
            found.append(f"there is more below: {story.cut} levels are shown, --limit {2 * self._limit} shows more")
        found += [f"the same id again: {self._line(entry)}" for entry in others]
        return found

    def _add_below(self, effect: "Effect", indent: str, lines: list[str]) -> None:
        rest = len(effect.effects) + len(effect.missing)
        for each in effect.effects:
            rest -= 1
            again = "   (again: see above)" if each.again else ""
            lines.append(f"{indent}{'├─' if rest else '└─'} {self._line(each.entry)}{again}")
            self._add_below(each, indent + ("│  " if rest else "   "), lines)
        for missing in effect.missing:
            rest -= 1
            lines.append(f"{indent}{'├─' if rest else '└─'} {self._missing_words(effect, missing)}")

    def _missing_words(self, effect: "Effect", missing: "Missing") -> str:
        if missing.follow_up is None:
            return missing.words
        layouts = self._stored.past(effect.entry.partition).descriptor_at(effect.entry.tlog).layouts_by_type
        return f"{type_name(layouts, intent_type(missing.follow_up.intent))}: {missing.words}"

    def _line(self, entry: "Entry") -> str:
        found = self._entry_json(entry)
        place = f"{entry.partition}:{entry.offset}" if self._stored.partition_count > 1 else f"{entry.offset}"
        about = [f"by {found['actor']}"] if found["actor"] else []
        about += [f"“{found['reason']}”"] if found["reason"] else []
        own_id = [f"id {id_json(entry.id)}"] if entry.id is not None else []
        what = [found["why"] or shown_pages(found)]
        return "  ".join(
            filter(None, [f"{place} {found['intent'] or 'unknown'} {found['status']}", *about, *what, *own_id])
        )


def _branch(depth: int) -> str:
    return f"{'   ' * (depth - 1)}└─ " if depth else ""


def _add(parser: ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument(
        "what", metavar="WHAT", help="17, or 1:17 in partition 1; or an id: a UUID, 32 hexadecimal digits, text"
    )
    parser.add_argument("--id", action="store_true", help="WHAT is an id, though it looks like an offset")
    parser.add_argument("--partition", type=int, metavar="N", help="whose offset it is")
    parser.add_argument(
        "--limit",
        type=positive,
        default=EFFECTS_MAX,
        metavar="N",
        help=f"about so many intents below it ({EFFECTS_MAX})",
    )
    add_json(parser, "one object: the intent with its causes, the nearest first, and its effects, each with its own")


WHY = Command(
    "why",
    "DATA OFFSET|PARTITION:OFFSET|ID [--id] [--limit N]",
    "show what led to an intent, and what it led to",
    "An intent names by its causation id what led to it, and a follow-up names the intent that emitted it, wherever "
    "that is. So there is a line back to the first one, and a tree of all that followed, through all partitions: with "
    "outcomes, who asked, and the pages that changed.\n\n"
    "Causes that are in no log, circles, and follow-ups that have not arrived are said in words.",
    (
        "mmsb why ./data/bank 1000",
        "mmsb why ./data/sent 1:17",
        "mmsb why ./data/bank 6f1c0c5e-3f0b-4d43-9d1f-0e2b1b9f7a10 --json",
    ),
    _add,
    why,
)
