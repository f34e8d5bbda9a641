"""`mmsb checkpoint`: makes, lists, verifies, exports and imports checkpoints."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mmsb.cli.command import Command, add_json
from mmsb.cli.exits import Exit
from mmsb.cli.owner import owner_of
from mmsb.cli.screen import Screen, counted
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue, MmsbError

if TYPE_CHECKING:
    from mmsb.streams.checkpoints.listing import Listed
    from mmsb.streams.checkpoints.manifest import Manifest

MAKE: Final = "make"
NAMING: Final = ("verify", "export")  # those that --name chooses a checkpoint for


def checkpoint(asked: Namespace, screen: Screen) -> int:
    words = list(asked.words)
    action = words.pop(0) if words[0] in ACTIONS else MAKE
    run, names = ACTIONS[action]
    if len(words) != len(names):
        expected = " ".join(("mmsb checkpoint", *([] if action == MAKE else [action]), *names))
        raise InvalidValue(f"expected `{expected}`, found {counted(len(words), 'name')} behind it")
    if asked.name is not None and action not in NAMING:
        raise InvalidValue(f"--name is of `mmsb checkpoint {'` and `'.join(NAMING)}`; `{action}` chooses none")
    return run(asked, screen, *map(Path, words))


def _make(asked: Namespace, screen: Screen, data: Path) -> int:
    owner = owner_of(data)
    if owner is None:
        made = list(_made_here(asked, screen, data))
    else:
        with screen.progress("checkpoint") as progress:
            progress.say("its owner flushes, links and verifies")
            try:
                made = owner.checkpoint()
            finally:
                owner.close()
        made = [manifest for manifest in made if asked.partition in (None, manifest.facts.partition)]
    _show(screen, made)
    return Exit.DONE


def _made_here(asked: Namespace, screen: Screen, data: Path) -> "Iterator[Manifest]":
    """Of what was flushed: nobody runs it, and the log behind that has not been folded."""
    from mmsb.streams.checkpoints.creating import create_checkpoint
    from mmsb.streams.checkpoints.folder import clear_leftovers, read_manifest
    from mmsb.streams.checkpoints.manifest import Cause
    from mmsb.streams.folder import HOME
    from mmsb.streams.world import RealWorld

    world, partitions = RealWorld(), _partitions(asked, data)
    lock = world.lock(data)
    try:
        for partition in partitions:
            if not (partition / HOME).exists():
                raise EnvironmentFailed(f"{partition / HOME}: nothing was ever flushed here; start it with `mmsb run`")
            clear_leftovers(world.files, partition)
            store = world.store(partition / HOME)
            try:
                with screen.progress("checkpoint") as progress:
                    progress.say("linking and verifying")
                    yield read_manifest(world.files, create_checkpoint(world, partition, store, Cause("command")))
            finally:
                store.close()
    finally:
        lock.close()


def _list(asked: Namespace, screen: Screen, data: Path) -> int:
    found = [listed for partition in _partitions(asked, data) for listed in _listed(partition)]
    if screen.machine:
        for listed in found:
            screen.record(_record(listed.folder, listed.manifest, listed.problem))
    else:
        head = ("partition", "checkpoint", "settled", "made at", "cause", "pages", "MB", "generation")
        screen.table(head, [_row(listed.manifest) for listed in found if listed.manifest is not None])
        for listed in found:
            if listed.problem is not None:
                screen.line(f"UNUSABLE {listed.folder}: {listed.problem}")
    return Exit.FOUND if any(listed.problem for listed in found) else Exit.DONE


def _verify(asked: Namespace, screen: Screen, data: Path) -> int:
    from mmsb.streams.checkpoints.verifying import verify_checkpoint
    from mmsb.streams.world import RealWorld

    world, problems = RealWorld(), 0
    with screen.progress("verifying") as progress:
        for partition in _partitions(asked, data):
            for folder in _wanted(asked, partition):
                problem = None
                try:
                    verify_checkpoint(world, folder, progress.tell)
                except MmsbError as error:
                    problem = str(error)
                progress.clear()
                problems += problem is not None
                _show_verdict(screen, folder, problem)
    return Exit.FOUND if problems else Exit.DONE


def _show_verdict(screen: Screen, folder: Path, problem: str | None) -> None:
    if screen.machine:
        screen.record({"path": str(folder), "sound": problem is None, "problem": problem})
    else:
        screen.line(f"{folder}: sound" if problem is None else f"PROBLEM {folder}: {problem}")


def _export(asked: Namespace, screen: Screen, data: Path, target: Path) -> int:
    from mmsb.streams.checkpoints.archive import export_checkpoint
    from mmsb.streams.files import RealFiles

    partitions = _partitions(asked, data)
    if len(partitions) != 1:
        raise InvalidValue(f"an archive has one partition, and {data} has {len(partitions)}: name one with --partition")
    folders = _wanted(asked, partitions[0])
    if not folders:
        raise EnvironmentFailed(f"{partitions[0]}: there is no checkpoint yet; make one with `mmsb checkpoint {data}`")
    begun = time.monotonic()
    with screen.progress("exporting") as progress:
        manifest = export_checkpoint(RealFiles(), folders[0], target, progress.tell)
    _show_moved(screen, "exported", manifest, target, target.stat().st_size, time.monotonic() - begun)
    return Exit.DONE


def _import(asked: Namespace, screen: Screen, archive: Path, data: Path) -> int:
    from mmsb.streams.checkpoints.installing import import_checkpoint
    from mmsb.streams.world import RealWorld

    begun = time.monotonic()
    with screen.progress("importing") as progress:
        manifest = import_checkpoint(RealWorld(), archive, data, progress.tell)
    target = data / str(manifest.facts.partition)
    _show_moved(screen, "imported", manifest, target, archive.stat().st_size, time.monotonic() - begun)
    return Exit.DONE


def _partitions(asked: Namespace, data: Path) -> list[Path]:
    from mmsb.streams.files import RealFiles
    from mmsb.streams.past.folding import list_partitions

    found = list_partitions(RealFiles(), data)
    if asked.partition is None:
        return [*found.values()]
    if asked.partition not in found:
        raise InvalidValue(f"--partition {asked.partition}: {data} has partition {', '.join(map(str, found))}")
    return [found[asked.partition]]


def _listed(partition: Path) -> "Iterator[Listed]":
    from mmsb.streams.checkpoints.listing import list_checkpoints
    from mmsb.streams.files import RealFiles

    return list_checkpoints(RealFiles(), partition)


def _wanted(asked: Namespace, partition: Path) -> list[Path]:
    """The folders of its checkpoints, newest first, or of the one that was named."""
    found = [listed.folder for listed in _listed(partition)]
    if asked.name is None:
        return found
    chosen = [folder for folder in found if folder.name == asked.name]
    if not chosen:
        raise InvalidValue(
            f"--name {asked.name}: {partition} has no checkpoint of that name; `mmsb checkpoint list` shows"
        )
    return chosen


def _show(screen: Screen, made: "list[Manifest]") -> None:
    from mmsb.streams.checkpoints.manifest import name_of

    for manifest in made:
        if screen.machine:
            screen.record(_record(Path(name_of(manifest.facts)), manifest, None))
        else:
            partition, name, settled, *_ = _row(manifest)
            size = f"{sum(manifest.facts.pages.values()):,} pages, {manifest.size / 1e6:,.1f} MB"
            screen.line(f"partition {partition}: checkpoint {name}, up to intent {settled}, {size}, verified")


def _row(manifest: "Manifest") -> tuple[object, ...]:
    from mmsb.streams.checkpoints.manifest import name_of

    facts, cause = manifest.facts, manifest.cause
    made_at = datetime.fromtimestamp(manifest.time_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    why = cause.kind if cause.offset is None else f"{cause.kind} {cause.offset}"
    pages, size = f"{sum(facts.pages.values()):,}", f"{manifest.size / 1e6:,.1f}"
    return facts.partition, name_of(facts), f"{facts.settled:,}", made_at, why, pages, size, facts.generation


def _record(folder: Path, manifest: "Manifest | None", problem: str | None) -> dict[str, Any]:
    if manifest is None:
        return {"name": folder.name, "problem": problem}
    facts, cause = manifest.facts, manifest.cause
    return {
        "name": folder.name,
        "partition": facts.partition,
        "settled": facts.settled,
        "tlog": facts.accepted_at,
        "digest": facts.digest.hex(),
        "head": facts.head.hex(),
        "generation": facts.generation,
        "bundle": facts.bundle.hex(),
        "pages": dict(facts.pages),
        "cause": {"kind": cause.kind, "offset": cause.offset},
        "time_ms": manifest.time_ms,
        "files": len(manifest.files),
        "bytes": manifest.size,
        "problem": problem,
    }


def _show_moved(screen: Screen, done: str, manifest: "Manifest", target: Path, size: int, seconds: float) -> None:
    from mmsb.streams.checkpoints.manifest import name_of

    facts = manifest.facts
    if screen.machine:
        screen.record(
            {
                "event": done, "path": str(target), "name": name_of(facts), "partition": facts.partition,
                "settled": facts.settled, "digest": facts.digest.hex(), "bytes": manifest.size, "archive_bytes": size,
                "seconds": round(seconds, 3),
            }
        )  # fmt: skip
        return
    sizes = f"{manifest.size / 1e6:,.1f} MB of rows, {size / 1e6:,.1f} MB as an archive"
    screen.line(
        f"{done} {target}: partition {facts.partition} up to intent {facts.settled:,}, {sizes}, {seconds:.1f} s"
    )


ACTIONS: Final[dict[str, tuple[Callable[..., int], tuple[str, ...]]]] = {
    MAKE: (_make, ("DATA",)),
    "list": (_list, ("DATA",)),
    "verify": (_verify, ("DATA",)),
    "export": (_export, ("DATA", "FILE")),
    "import": (_import, ("FILE", "DATA")),
}


def _add_checkpoint(parser: ArgumentParser) -> None:
    parser.add_argument("words", metavar="…", nargs="+", help="what to do, and with which folder and file, as above")
    parser.add_argument("--partition", type=int, metavar="N", help="only this partition")
    parser.add_argument("--name", metavar="NAME", help="verify, export: this checkpoint, as `list` shows it")
    add_json(parser, "an object for each checkpoint")


CHECKPOINT = Command(
    "checkpoint",
    "[make] DATA | list DATA | verify DATA | export DATA FILE | import FILE DATA",
    "make, list, verify, export and import checkpoints",
    "A checkpoint is all of a partition's state at one moment, in its folder `checkpoints`; it takes room only as the "
    "state goes on from it. `make` asks the process that runs the folder; if none does, it takes what was flushed "
    "last. Each is reopened, read and digested before it is listed. `verify` does that again, for all or for the one "
    "that --name names.\n\n"
    "`export` writes one, the newest or that of --name, into one compressed and sealed FILE; `import` makes a "
    "partition of it in a folder that has none of its number, and replaces nothing. What came before the checkpoint is "
    "not in it: the logs begin there. Exit code 1: list or verify found one that cannot be used.",
    (
        "mmsb checkpoint ./data/bank",
        "mmsb checkpoint list ./data/bank",
        "mmsb checkpoint verify ./data/bank --json",
        "mmsb checkpoint export ./data/bank bank.zst",
        "mmsb checkpoint import bank.zst ./elsewhere/bank",
    ),
    _add_checkpoint,
    checkpoint,
)
