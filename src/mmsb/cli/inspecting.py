"""`mmsb inspect`: what a data folder, or a file in it, is."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsb.cli.command import Command, add_json
from mmsb.cli.exits import Exit
from mmsb.cli.screen import Screen
from mmsb.schemas.errors import EnvironmentFailed, InvalidValue

if TYPE_CHECKING:
    from mmsb.cli.stored import Stored


def inspect(asked: Namespace, screen: Screen) -> int:
    path = Path(asked.path)
    if path.is_file():
        from mmsb.cli.segment import inspect_segment

        if path.suffix != ".log":
            raise InvalidValue(f"{path}: expected a data folder or a segment, which ends in .log; name one of those")
        return inspect_segment(path, screen)
    from mmsb.cli.stored import Stored

    stored = Stored(path)
    try:
        found = _folder_json(stored)
    finally:
        stored.close()
    if screen.machine:
        screen.record(found)
    else:
        _show(screen, found)
    return Exit.DONE


def _folder_json(stored: "Stored") -> dict[str, Any]:
    from mmsb.streams.folder import INTENTS, TLOG

    genesis, reigns = stored.outline.genesis, stored.outline.reigns
    descriptor: dict[str, Any] = reigns[-1].claim.descriptor.to_json() if reigns else {"pages": [], "intents": []}
    return {
        "data": str(stored.folder),
        "app": genesis.app,
        "partitions": genesis.partition_count,
        "window": genesis.window,
        "mirror": stored.is_mirror,
        "running": _runs(stored.folder),
        "reigns": [
            {
                "tlog": reign.tlog,
                "generation": reign.claim.generation,
                "bundle": reign.claim.bundle.hex(),
                "durability": reign.claim.durability.name.lower(),
            }
            for reign in reigns
        ],
        "pages": descriptor["pages"],
        "intents": descriptor["intents"],
        "logs": [
            {
                "partition": number,
                "log": log,
                "log_id": stored.past(number).outline.genesis.log_id.hex(),
                "durable": end,
                "segments": [{"file": name, "bytes": size} for name, size in stored.segments(number, log)],
            }
            for number in stored.partitions
            for log, end in ((INTENTS, stored.durable(number).intents), (TLOG, stored.durable(number).tlog))
        ],
    }


def _runs(folder: Path) -> bool:
    """Whether a process serves it."""
    from mmsb.cli.owner import owner_of

    try:
        owner = owner_of(folder)
    except EnvironmentFailed:
        return True  # there is one, that is too busy to answer
    if owner is None:
        return False
    owner.close()
    return True


def _show(screen: Screen, found: dict[str, Any]) -> None:
    running = "a process runs it" if found["running"] else "nobody runs it"
    kind = "a copy of topics" if found["mirror"] else "a data folder"
    screen.line(f"{found['data']}: {kind} of {found['app']!r}; {running}")
    screen.line(f"partitions {found['partitions']}, ids are known for {found['window']:,} offsets")
    screen.line()
    screen.table(("partition", "log", "durable records", "segments", "MB", "log id"), map(_log_row, found["logs"]))
    screen.line()
    rows = [(each["generation"], each["tlog"], each["durability"], each["bundle"]) for each in found["reigns"]]
    screen.table(("generation", "since TLog offset", "durability", "bundle"), rows)
    for kind in ("pages", "intents"):
        screen.line()
        second = "key" if kind == "pages" else "on_rejected"
        screen.table((kind, second, "fields"), [_layout_row(each) for each in found[kind]])


def _log_row(log: dict[str, Any]) -> tuple[object, ...]:
    megabytes = sum(segment["bytes"] for segment in log["segments"]) / 1e6
    return (
        log["partition"], log["log"], f"{log['durable']:,}", len(log["segments"]), f"{megabytes:,.1f}", log["log_id"],
    )  # fmt: skip


def _layout_row(layout: dict[str, Any]) -> tuple[object, ...]:
    fields = ", ".join(f"{field['name']}: {field['type']}" for field in layout["fields"])
    return layout["name"], ",".join(layout["key"]) if "key" in layout else layout["on_rejected"], fields


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="a data folder, or a segment of a log in it (….log)")
    add_json(parser, "one object; of a segment, an object for each batch")


INSPECT = Command(
    "inspect",
    "PATH",
    "show what a data folder, or a segment, is",
    "Of a folder: its application, partitions, logs and their sizes, which code reigned since when, and the layouts of "
    "pages and intents. Of a segment: its batches, as far as they are sound.",
    ("mmsb inspect ./data/bank", "mmsb inspect ./data/bank/0/tlog/00000000000000000000.log"),
    _add,
    inspect,
)
