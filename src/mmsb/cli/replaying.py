"""`mmsb replay` and `mmsb verify`: prove what a folder holds, from its logs alone."""

import time
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsb.cli.command import Command, add_data, add_json
from mmsb.cli.exits import Exit
from mmsb.cli.logs import add_partition, partitions_of
from mmsb.cli.owner import owner_of
from mmsb.cli.screen import Progress, Screen, counted
from mmsb.cli.values import fields_json, shown, shown_key
from mmsb.schemas.errors import InvalidValue
from mmsb.schemas.json_values import json_key
from mmsb.schemas.layouts import PageLayout

if TYPE_CHECKING:
    from mmsb.cli.stored import Stored
    from mmsb.state.array_fold import ArrayFold
    from mmsb.streams.past.problems import Problem
    from mmsb.streams.past.verifying import Summary


def replay(asked: Namespace, screen: Screen) -> int:
    from mmsb.cli.stored import Stored

    stored = Stored(Path(asked.data))
    try:
        partitions = one_partition_for(asked, stored, "--to") if asked.to is not None else partitions_of(asked, stored)
        with screen.progress("folding") as progress:
            found = [_replay_partition(asked, screen, stored, number, progress) for number in partitions]
    finally:
        stored.close()
    return Exit.FOUND if any(row["live"] == "differs" for row in found) else Exit.DONE


def one_partition_for(asked: Namespace, stored: "Stored", option: str) -> list[int]:
    """Offsets are those of one partition."""
    found = partitions_of(asked, stored)
    if len(found) > 1:
        raise InvalidValue(
            f"{option}: an offset is one of a partition, and there are {len(found)}; name one with --partition N"
        )
    return found


def _replay_partition(
    asked: Namespace, screen: Screen, stored: "Stored", partition: int, progress: Progress
) -> dict[str, Any]:
    from mmsb.streams.past.folding import fold_partition

    begun = time.monotonic()
    bases = stored.bases(partition)
    fold = fold_partition(stored.files, stored.folder_of(partition), progress.tell, asked.to, bases)
    progress.clear()
    live = None if asked.to is not None else _held_against_owner(stored.folder, partition, fold)
    row: dict[str, Any] = {
        "partition": partition,
        "settled": fold.settled,
        "records": fold.next,
        "discarded": sum(fold.discarded.values()),
        "pages": _page_counts(fold),
        "digest": fold.digest.pack().hex(),
        "live": live,
        "seconds": round(time.monotonic() - begun, 3),
    }
    then = f"this is the state after offset {asked.to}"
    if asked.to is None:
        then = "a copy of topics" if stored.is_mirror and live is None else _LIVE[live]
    _show_replay(screen, row, then)
    if asked.pages:
        _show_pages(screen, partition, fold)
    return row


def _page_counts(fold: "ArrayFold") -> dict[str, int]:
    from mmsb.state.arrays import ArrayState

    assert isinstance(fold.state, ArrayState), "an ArrayFold has one"
    types = fold.state.array_pages.types
    return {
        layout.name: len(types[layout.type_id]) if layout.type_id in types else 0
        for layout in fold.state.layouts.values()
    }


def _show_pages(screen: Screen, partition: int, fold: "ArrayFold") -> None:
    """Every page, in the order of types' names and then of keys' bytes."""
    layouts = sorted(fold.state.layouts.values(), key=lambda layout: layout.name)
    found: dict[int, list[tuple[bytes, int, bytes]]] = {layout.type_id: [] for layout in layouts}
    for (type_id, key), epoch, body in fold.state.pages:
        found[type_id].append((key, epoch, body))
    for layout in layouts:
        rows = [
            (shown_key(layout, key), epoch, page_json(layout, partition, key, epoch, body))
            for key, epoch, body in sorted(found[layout.type_id])
        ]
        if screen.machine:
            for *_, page in rows:
                screen.record(page)
        elif rows:
            head = (layout.name, "epoch", *(field.name for field in layout.fields))
            screen.table(head, [(key, epoch, *map(shown, page["fields"].values())) for key, epoch, page in rows])


def page_json(layout: PageLayout, partition: int, key: bytes, epoch: int, body: bytes) -> dict[str, Any]:
    """As `mmsb get` has it."""
    key_json, fields = json_key(layout, key), fields_json(layout, body)
    return {"page": layout.name, "key": key_json, "partition": partition, "epoch": epoch, "fields": fields}


def _held_against_owner(folder: Path, partition: int, fold: "ArrayFold") -> str | None:
    """Whether the state of the process that runs it agrees; None if nobody does, or it has gone on meanwhile."""
    owner = owner_of(folder)
    if owner is None:
        return None
    try:
        live = owner.stats_of(partition)
    finally:
        owner.close()
    if live is None:
        return None
    if live.settled != fold.settled:
        return "went on"
    return "agrees" if live.digest == fold.digest.pack().hex() else "differs"


_LIVE = {
    None: "nobody runs it",
    "agrees": "that of the running process is the same",
    "differs": "THE RUNNING PROCESS HAS ANOTHER: stop it, keep the folder, and report this",
    "went on": "the running process has gone on meanwhile",
}


def _show_replay(screen: Screen, row: dict[str, Any], then: str) -> None:
    if screen.machine:
        screen.record(row)
        return
    intents, seconds = row["settled"] + 1, max(row["seconds"], 1e-3)
    how = f"{intents:,} intents replayed in {seconds:.1f} s, {intents / seconds:,.0f}/s"
    screen.line(f"partition {row['partition']}: {how}")
    screen.line(f"  pages  {', '.join(f'{count:,} {name}' for name, count in row['pages'].items()) or 'none'}")
    screen.line(f"  digest {row['digest']}")
    screen.line(f"  each block's own digest agrees; {then}")


def verify(asked: Namespace, screen: Screen) -> int:
    from mmsb.streams.checkpoints.checking import Kept
    from mmsb.streams.past.problems import Problem
    from mmsb.streams.past.verifying import verify as check
    from mmsb.streams.world import RealWorld

    problems, world = 0, RealWorld()
    with screen.progress("verifying") as progress:
        for found in check(world.files, Path(asked.data), progress.tell, lambda partition: Kept(world, partition)):
            progress.clear()
            if isinstance(found, Problem):
                problems += 1
                _show_problem(screen, found)
            else:
                _show_summary(screen, found)
    return Exit.FOUND if problems else Exit.DONE


def _show_problem(screen: Screen, problem: "Problem") -> None:
    if screen.machine:
        screen.record({**asdict(problem), "path": str(problem.path)})
    else:
        screen.line(f"PROBLEM {problem}")


def _show_summary(screen: Screen, summary: "Summary") -> None:
    if screen.machine:
        hashes = {"head": summary.head.hex(), "digest": summary.digest.hex()}
        screen.record({**asdict(summary), "partition": str(summary.partition), **hashes})
        return
    verdict = counted(summary.problems, "problem") if summary.problems else "sound"
    screen.line(f"{summary.partition}: {verdict}")
    size = f"{summary.size / 1e6:,.1f} MB, {summary.intents:,} intents, {summary.records:,} TLog records"
    screen.line(f"  {size}, {summary.blocks:,} blocks that count")
    screen.line(f"  chain  {summary.head.hex()}")
    screen.line(f"  digest {summary.digest.hex()}")


def _add_replay(parser: ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--to", type=int, metavar="OFFSET", help="up to this intent offset, itself included")
    add_partition(parser)
    parser.add_argument("--pages", action="store_true", help="show every page, too, as it was then")
    add_json(parser, "an object for each partition, and with --pages one for each page")


def _add_verify(parser: ArgumentParser) -> None:
    add_data(parser)
    add_json(parser, "an object for each problem, and one for each partition")


REPLAY = Command(
    "replay",
    "DATA [--to OFFSET] [--partition N] [--pages]",
    "rebuild the state from the log alone, and compare digests",
    "The TLog says what was done, so no code of the application is needed. The digest of the state after each block is "
    "held against the one that the block says, and the last one against the running process, if there is one. It "
    "writes nothing. Exit code 1: they differ.\n\n"
    "With --to it stops behind an intent, also in the middle of a block: what it shows is the state as it was then.",
    (
        "mmsb replay ./data/bank",
        "mmsb replay ./data/bank --to 1000",
        "mmsb replay ./data/bank --to 1000 --pages --json",
    ),
    _add_replay,
    replay,
)
VERIFY = Command(
    "verify",
    "DATA",
    "check every byte of a folder: checksums, offsets, chain, digests",
    "It trusts nothing: both logs from front to back, the chain of hashes, the intents that each block settled, the "
    "digests, the indexes, the mark, and every row of the home and of each checkpoint. Each problem names its file and "
    "byte, what was expected, what was found, and what to do. It writes nothing. Exit code 1: there is one.",
    ("mmsb verify ./data/bank", "mmsb verify ./copy --json"),
    _add_verify,
    verify,
)
