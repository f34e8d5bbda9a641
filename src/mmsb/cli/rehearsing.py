"""`mmsb rehearse`: what the code at hand would have done with what was asked. All that it says is hypothetical."""

import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsb.cli.apps import load_app
from mmsb.cli.command import Command, add_data, add_json
from mmsb.cli.differing import page_json, page_rows
from mmsb.cli.exits import Exit
from mmsb.cli.filters import add_about, add_range, filter_of
from mmsb.cli.logs import add_partition, partitions_of
from mmsb.cli.past_rows import type_name
from mmsb.cli.screen import Progress, Screen, counted
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.sentences import sentence

if TYPE_CHECKING:
    from mmsb.cli.stored import Stored
    from mmsb.processors.bundle import Bundle
    from mmsb.schemas.descriptors import Descriptor
    from mmsb.schemas.tlog.blocks import OutcomeRow
    from mmsb.streams.asking.rehearsing import Rehearsed

OUTCOMES = 50  # and
PAGES = 100  # that people are shown
LABEL = "HYPOTHETICAL"
HEAD = ("offset", "intent", "actor", "differs in", "recorded", LABEL)

Write = Callable[[dict[str, Any]], None]


def rehearse(asked: Namespace, screen: Screen) -> int:
    from mmsb.cli.stored import Stored

    with ExitStack() as stack:
        write = _writer(asked, screen, stack)
        bundle = load_app(asked.app).bundle(debug=asked.interpreted)
        stored = Stored(Path(asked.data))
        stack.callback(stored.close)
        progress = stack.enter_context(screen.progress("rehearsing"))
        return _Session(asked, screen, write, stored, bundle, progress).run()


def _writer(asked: Namespace, screen: Screen, stack: ExitStack) -> Write:
    """Where objects go."""
    if asked.output is None:
        return screen.record if screen.machine else lambda _: None
    path = Path(asked.output)
    folder = next((each for each in (path, *path.absolute().parents) if _is_data(each)), None)
    if folder is not None:
        raise InvalidValue(
            f"--output: {path} is in the data folder {folder}; what is hypothetical is never state, and nothing of it "
            "is written there: name a file elsewhere"
        )
    try:
        file = stack.enter_context(path.open("x"))
    except (FileExistsError, IsADirectoryError):
        raise InvalidValue(f"--output: expected a file that is not there yet, found {path}; name another") from None
    return lambda found: print(json.dumps(found, ensure_ascii=False), file=file)


def _is_data(folder: Path) -> bool:
    return folder.is_dir() and any((folder / "0" / name).exists() for name in ("mark", "tlog", "intents"))


class _Session:
    """One rehearsal, told."""

    def __init__(
        self, asked: Namespace, screen: Screen, write: Write, stored: "Stored", bundle: "Bundle", progress: Progress
    ) -> None:
        from mmsb.streams.asking.rehearsing import Rehearsal

        self._asked = asked
        self._screen = screen
        self._write = write
        self._stored = stored
        self._bundle = bundle
        self._progress = progress
        self._partitions = partitions_of(asked, stored)
        self._kept = self._left_out = self._differ = self._shown = 0
        filters: dict[str, Any] = {"only": filter_of(asked, stored.outline)}
        if any(value is not None for name, value in vars(asked).items() if name.startswith("without_")):
            filters["without"] = filter_of(asked, stored.outline, "without_")
        self._rehearsal: Rehearsal = Rehearsal(
            stored.files, [stored.folder_of(number) for number in self._partitions], bundle, self._compiled(),
            tell=progress.tell, **filters,
        )  # fmt: skip

    def _compiled(self) -> Any:
        from mmsb.streams.building import build, build_folding

        if self._asked.interpreted:
            return None
        build_folding()
        return build(self._bundle)

    def run(self) -> int:
        self._say(self._title())
        begun, rows = time.monotonic(), list[tuple[object, ...]]()
        for rehearsed in self._rehearsal.run():
            self._count(rehearsed)
            for found in self._outcomes(rehearsed):
                self._write(found)
                if len(rows) < OUTCOMES and found["differs"]:
                    rows.append(_outcome_row(found, len(self._partitions) > 1))
        seconds = time.monotonic() - begun
        self._progress.clear()
        self._table(HEAD, rows)
        pages = sum(self._pages(number, at) for at, number in enumerate(self._partitions))
        self._sum_up(pages, seconds)
        return Exit.FOUND if self._differ or pages else Exit.DONE

    def _title(self) -> str:
        bundle, reigns = self._bundle, self._stored.outline.reigns
        same = bool(reigns) and reigns[-1].claim.bundle == bundle.hash
        which = "the code that ran last" if same else "other code than ran last"
        return f"{LABEL}: {bundle.app}, generation {bundle.generation}, {which}, over {self._stored.folder}"

    def _count(self, rehearsed: "Rehearsed") -> None:
        kept = int(rehearsed.kept.sum())
        self._kept += kept
        self._left_out += len(rehearsed.kept) - kept
        self._differ += int((rehearsed.differs != 0).sum())

    def _outcomes(self, rehearsed: "Rehearsed") -> Iterator[dict[str, Any]]:
        """Those that differ, or with --list all of them."""
        from mmsb.streams.asking.comparing import What

        if not self._asked.list and not rehearsed.differs.any():
            return
        if not self._asked.list and self._asked.output is None and not self._screen.machine:
            if self._shown >= OUTCOMES:
                return
            self._shown += int((rehearsed.differs != 0).sum())
        recorded = rehearsed.recorded
        descriptor, offset = recorded.claim.descriptor, rehearsed.first
        now = ((block, outcomes, row) for block, outcomes in rehearsed.blocks for row in range(block.count))
        for at, (_, outcomes, row) in enumerate(now):
            what = What(int(rehearsed.differs[at]))
            if what or self._asked.list:
                was = recorded.outcomes.outcome(at)
                yield {
                    "hypothetical": True,
                    "what": "outcome",
                    "partition": rehearsed.partition,
                    "offset": offset + at,
                    "intent": type_name(descriptor.layouts_by_type, was.type_id),
                    "actor": _actor(was),
                    "left_out": not rehearsed.kept[at],
                    "differs": what.names,
                    "recorded": _outcome_json(was, descriptor),
                    "rehearsed": _outcome_json(outcomes.outcome(row), self._bundle.descriptor),
                }

    def _pages(self, partition: int, at: int) -> int:
        """The pages that differ in the end."""
        from mmsb.streams.past.differing import diff, state_of

        rehearsal = self._rehearsal
        if rehearsal.ends_before(at) is not None:
            self._say(
                f"{LABEL}: partition {partition} ends before offset {rehearsal.ends_before(at)}, for a follow-up there "
                "has a cause that is not in the logs yet; its pages are not compared"
            )
            return 0
        differences = diff(state_of(rehearsal.recorded(at)), state_of(rehearsal.hypothetical(at)))
        count, rows = 0, list[tuple[object, ...]]()
        for each in differences:
            count += 1
            wanted = self._screen.machine or self._asked.output is not None
            if wanted or count <= PAGES:
                found = page_json(partition, each)
                self._write({"hypothetical": True, "what": "page", **found})
                rows += page_rows(found, each) if count <= PAGES else []
        self._table(("page", "field", "recorded", LABEL), rows)
        return count

    def _sum_up(self, pages: int, seconds: float) -> None:
        rehearsal, indices = self._rehearsal, range(len(self._partitions))
        digests = [
            [fold(at).digest.pack().hex() for at in indices] for fold in (rehearsal.recorded, rehearsal.hypothetical)
        ]
        self._write({
            "hypothetical": True,
            "what": "summary",
            "partitions": self._partitions,
            "kept": self._kept,
            "left_out": self._left_out,
            "differing_outcomes": self._differ,
            "differing_pages": pages,
            "follow_ups_without_place": rehearsal.without_place,
            "generation": self._bundle.generation,
            "bundle": self._bundle.hash.hex(),
            "recorded_digests": digests[0],
            "digests": digests[1],
            "seconds": round(seconds, 3),
        })  # fmt: skip
        rate = (self._kept + self._left_out) / max(seconds, 1e-3)
        left_out = f"; {self._left_out:,} were left out" if self._left_out else ""
        self._say(f"{LABEL}: {self._differ:,} of {counted(self._kept, 'intent')} have another outcome{left_out}")
        same = "digests agree" if digests[0] == digests[1] else "digests differ"
        self._say(f"{LABEL}: {counted(pages, 'page')} would be another; {same}; {seconds:.1f} s, {rate:,.0f}/s")
        if rehearsal.without_place:
            emitted = counted(rehearsal.without_place, "follow-up")
            self._say(f"{LABEL}: {emitted} found no place in the recorded logs, and did not arrive")

    def _say(self, text: str) -> None:
        if not self._screen.machine:
            self._screen.line(text)

    def _table(self, head: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
        if rows and not self._screen.machine:
            self._screen.table(head, rows)


def _actor(row: "OutcomeRow") -> str | None:
    from mmsb.streams.past.outcomes import read_metadata

    return read_metadata(row.metadata).actor


def _outcome_json(row: "OutcomeRow", descriptor: "Descriptor") -> dict[str, Any]:
    """As `mmsb log` has it."""
    why = row.rejection
    return {
        "status": str(row.status),
        "first_offset": row.first_offset,
        "rejection": None if why is None else why.code.name.lower(),
        "why": None if why is None else sentence(why, {**descriptor.layouts_by_type}, descriptor.messages),
    }


def _outcome_row(found: dict[str, Any], several: bool) -> tuple[object, ...]:
    offset = f"{found['partition']}:{found['offset']}" if several else found["offset"]
    was, now = (_in_words(found[name]) for name in ("recorded", "rehearsed"))
    return offset, found["intent"], found["actor"], ", ".join(found["differs"]), was, now


def _in_words(outcome: dict[str, Any]) -> str:
    return f"{outcome['status']}: {outcome['why']}" if outcome["why"] else str(outcome["status"])


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("app", metavar="APP", help="module:name, or path/to/file.py where there is one mmsb.App in it")
    add_data(parser)
    add_about(parser)
    add_about(parser, "without-", "leave out")
    add_range(parser)
    add_partition(parser)
    parser.add_argument("--list", action="store_true", help="tell every intent's outcome, not only those that differ")
    parser.add_argument("--output", metavar="FILE", help="write the objects of --json into a new file")
    parser.add_argument(
        "--interpreted", action="store_true", help="run the code as plain Python: slow, with breakpoints"
    )
    add_json(parser, "an object for each outcome and page that differs, and a summary")


REHEARSE = Command(
    "rehearse",
    "APP DATA [--actor TEXT] [--without-actor TEXT] [options]",
    "lower the recorded intents with the code at hand: HYPOTHETICAL",
    "What would this code have done, or what if somebody had asked for nothing? The intents log is lowered anew from "
    "its first record on and held against what was recorded: which outcomes differ (status, reason, changes of pages, "
    "follow-ups), and which pages would be another in the end.\n\n"
    "What is left out settles as nothing, at its offset, so that all others keep theirs. Follow-ups arrive as the "
    "rehearsal emits them. It reads the folder, also while somebody runs it, and writes nothing there: what is "
    "hypothetical is never state. Exit code 1: something differs.",
    (
        "mmsb rehearse examples.bank:app ./data/bank",
        "mmsb rehearse examples.bank:app ./data/bank --without-actor bob",
        "mmsb rehearse new_bank.py ./data/bank --type Transfer --json",
    ),
    _add,
    rehearse,
)
