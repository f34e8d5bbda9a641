"""`mmsb replay` and `mmsb verify`: prove what a folder holds, from its logs alone."""

import time
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsb.cli.command import Command, add_data, add_json
from mmsb.cli.exits import Exit
from mmsb.cli.owner import owner_of
from mmsb.cli.screen import Progress, Screen, counted

if TYPE_CHECKING:
    from mmsb.cli.stored import Stored
    from mmsb.state.array_fold import ArrayFold
    from mmsb.streams.past.problems import Problem
    from mmsb.streams.past.verifying import Summary


def replay(asked: Namespace, screen: Screen) -> int:
    from mmsb.cli.stored import Stored

    stored = Stored(Path(asked.data))
    with screen.progress("folding") as progress:
        found = [_replay_partition(stored, number, progress) for number in range(len(stored.partitions))]
    for row in found:
        _show_replay(screen, row)
    return Exit.FOUND if any(row["live"] == "differs" for row in found) else Exit.DONE


def _replay_partition(stored: "Stored", partition: int, progress: Progress) -> dict[str, Any]:
    begun = time.monotonic()
    fold = stored.fold(partition, progress.tell)
    progress.clear()
    return {
        "partition": partition,
        "settled": fold.settled,
        "records": fold.next,
        "discarded": sum(fold.discarded.values()),
        "digest": fold.digest.pack().hex(),
        "live": _held_against_owner(stored.folder, partition, fold),
        "seconds": round(time.monotonic() - begun, 3),
    }


def _held_against_owner(folder: Path, partition: int, fold: "ArrayFold") -> str | None:
    """Whether the state of the process that runs it agrees; None if nobody does, or it has gone on meanwhile."""
    owner = owner_of(folder)
    if owner is None:
        return None
    try:
        live = owner.stats().partitions[partition]
    finally:
        owner.close()
    if live.settled != fold.settled:
        return "went on"
    return "agrees" if live.digest == fold.digest.pack().hex() else "differs"


_LIVE = {
    None: "nobody runs it",
    "agrees": "that of the running process is the same",
    "differs": "THE RUNNING PROCESS HAS ANOTHER: stop it, keep the folder, and report this",
    "went on": "the running process has gone on meanwhile",
}


def _show_replay(screen: Screen, row: dict[str, Any]) -> None:
    if screen.machine:
        screen.record(row)
        return
    intents, seconds = row["settled"] + 1, max(row["seconds"], 1e-3)
    how = f"{intents:,} intents replayed in {seconds:.1f} s, {intents / seconds:,.0f}/s"
    screen.line(f"partition {row['partition']}: {how}")
    screen.line(f"  digest {row['digest']}")
    screen.line(f"  each block's own digest agrees; {_LIVE[row['live']]}")


def verify(asked: Namespace, screen: Screen) -> int:
    from mmsb.streams.files import RealFiles
    from mmsb.streams.past.problems import Problem
    from mmsb.streams.past.verifying import verify as check

    problems = 0
    with screen.progress("verifying") as progress:
        for found in check(RealFiles(), Path(asked.data), progress.tell):
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
    add_json(parser, "an object for each partition")


def _add_verify(parser: ArgumentParser) -> None:
    add_data(parser)
    add_json(parser, "an object for each problem, and one for each partition")


REPLAY = Command(
    "replay",
    "DATA",
    "rebuild the state from the log alone, and compare digests",
    "The TLog says what was done, so no code of the application is needed. The digest of the state after each block is "
    "held against the one that the block says, and the last one against the running process, if there is one. It "
    "writes nothing. Exit code 1: they differ.",
    ("mmsb replay ./data/bank",),
    _add_replay,
    replay,
)
VERIFY = Command(
    "verify",
    "DATA",
    "check every byte of a folder: checksums, offsets, chain, digests",
    "It trusts nothing: both logs from front to back, the chain of hashes, the intents that each block settled, the "
    "digests, the indexes, and the mark. Each problem names its file and byte, what was expected, what was found, and "
    "what to do. It writes nothing. Exit code 1: there is one.",
    ("mmsb verify ./data/bank", "mmsb verify ./copy --json"),
    _add_verify,
    verify,
)
