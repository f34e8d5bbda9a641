"""Begins a partition with a checkpoint from elsewhere: all of it under another name, and renamed when it is durable.

Its logs have nothing in them: they begin at the offsets where the checkpoint ends. The checkpoint stays beside the
home that is made of it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mmsb.schemas.errors import InvalidValue
from mmsb.streams.checkpoints.archive import ARCHIVE_BYTES_MAX, Archive
from mmsb.streams.checkpoints.creating import publish
from mmsb.streams.checkpoints.facts import read_facts
from mmsb.streams.checkpoints.folder import (
    CHECKPOINTS,
    MAKING,
    ROWS,
    remove_tree,
)
from mmsb.streams.checkpoints.manifest import Facts, Manifest, StoredFile, name_of
from mmsb.streams.checkpoints.verifying import ReadFacts, compare_facts, facts_of
from mmsb.streams.files import Files, make_folders
from mmsb.streams.folder import HOME, INTENTS, MARK, TLOG, Progress
from mmsb.streams.log import Durable, Mark
from mmsb.streams.log.begin import write_begin
from mmsb.streams.world import World

IMPORTING: Final = ".importing"
_SHARED: Final = ".sst"  # RocksDB never changes a file of rows, so one file can have a name in both places


def import_checkpoint(
    world: World,
    archive: Path,
    data: Path,
    tell: Progress = lambda _, __: None,
    read: ReadFacts = read_facts,
    bytes_max: int = ARCHIVE_BYTES_MAX,
) -> Manifest:
    """Make the partition of an archive in a data folder, where it must not exist. Holds the folder's lock."""
    files = world.files
    opened = Archive(files, archive, bytes_max)
    try:
        make_folders(files, data)
        lock = world.lock(data)
        try:
            return _import(world, opened, data, tell, read)
        finally:
            lock.close()
    finally:
        opened.close()


def _import(world: World, archive: Archive, data: Path, tell: Progress, read: ReadFacts) -> Manifest:
    facts = archive.manifest.facts
    if facts.relaying:
        raise InvalidValue(
            f"checkpoint {name_of(facts)}: expected no follow-ups on their way, since they are in the TLog, which is "
            f"not in an archive; found {facts.relaying} blocks of them: export one that was made when all had arrived"
        )
    return place(world, archive, data, tell, read)


def place(world: World, archive: Archive, data: Path, tell: Progress, read: ReadFacts = read_facts) -> Manifest:
    """Make the partition of an archive in a data folder whose lock the caller holds."""
    files, facts = world.files, archive.manifest.facts
    target = data / str(facts.partition)
    if files.exists(target):
        raise InvalidValue(f"{target}: expected no partition there, since an import replaces none; name another folder")
    draft = data / (target.name + IMPORTING)
    if files.exists(draft):
        remove_tree(files, draft)  # of an import that was cut short
    checkpoint = draft / CHECKPOINTS / (name_of(facts) + MAKING)
    make_folders(files, checkpoint / ROWS)
    archive.extract(lambda stored, parts: _write(files, checkpoint / ROWS, stored, parts), tell)
    compare_facts(checkpoint, facts, facts_of(world, checkpoint, read))
    publish(files, checkpoint, archive.manifest)
    install(files, checkpoint.with_name(name_of(facts)), draft / HOME, archive.manifest)
    begin_logs(files, draft, facts)
    files.sync_folder(draft)
    files.replace(draft, target)
    files.sync_folder(data)
    return archive.manifest


def install(files: Files, checkpoint: Path, home: Path, manifest: Manifest) -> None:
    """Make a store of a checkpoint's rows in a folder that does not exist, and leave the checkpoint as it is."""
    files.make_folder(home)
    for stored in manifest.files:
        source, target = checkpoint / ROWS / stored.name, home / stored.name
        if stored.name.endswith(_SHARED):
            files.link(source, target)
        else:
            file = files.open(source, read_only=True)
            try:
                _write(files, home, stored, iter([file.read(0, stored.size)]))
            finally:
                file.close()
    files.sync_folder(home)
    files.sync_folder(home.parent)


def begin_logs(files: Files, partition: Path, facts: Facts) -> None:
    """Logs and mark of a partition that goes on from a checkpoint, with nothing before it."""
    for name, offset in ((INTENTS, facts.settled + 1), (TLOG, facts.next)):
        files.make_folder(partition / name)
        write_begin(files, partition / name, offset)
    mark = Mark.open(files, partition / MARK)
    try:
        mark.write(Durable(facts.settled + 1, facts.next))
    finally:
        mark.close()


def _write(files: Files, folder: Path, stored: StoredFile, parts: Iterator[bytes]) -> None:
    file = files.create(folder / stored.name)
    try:
        position = 0
        for part in parts:
            file.write(position, part)
            position += len(part)
        file.sync()
    finally:
        file.close()
