"""Makes a checkpoint of a store as it is now: linked, reopened, read, hashed, and only then given its name.

Blocks; it belongs on a thread of its own that nothing else of the store is called on meanwhile but `read`. Rows are
shared with the store by hard links, so it takes no room until the store changes. A kill on the way leaves a folder
whose name does not count.
"""

from pathlib import Path

from mmsb.schemas.errors import CorruptState
from mmsb.state.store import Store
from mmsb.streams.checkpoints.facts import read_facts
from mmsb.streams.checkpoints.folder import (
    CHECKPOINTS,
    MAKING,
    MANIFEST,
    ROWS,
    remove_checkpoint,
    remove_tree,
)
from mmsb.streams.checkpoints.manifest import Cause, Facts, Manifest, encode_manifest, name_of
from mmsb.streams.checkpoints.verifying import ReadFacts, facts_of, hash_files, verify_checkpoint
from mmsb.streams.files import Files, make_folders
from mmsb.streams.folder import Progress
from mmsb.streams.world import World

_DRAFT = "next" + MAKING


def create_checkpoint(world: World, partition: Path, store: Store, cause: Cause, read: ReadFacts = read_facts) -> Path:
    """The folder of a checkpoint of the store's rows; if there is one of the same state already, that one's."""
    return seal_checkpoint(world, partition, link_checkpoint(world, partition, store), cause, read)


def link_checkpoint(world: World, partition: Path, store: Store) -> Path:
    """The first and short half: the rows as they are now, in a folder that is not listed."""
    files, folder = world.files, partition / CHECKPOINTS
    make_folders(files, folder)
    draft = folder / _DRAFT
    if files.exists(draft):
        remove_tree(files, draft)  # of an attempt that failed in this process
    files.make_folder(draft)
    store.checkpoint(draft / ROWS)
    return draft


def seal_checkpoint(
    world: World,
    partition: Path,
    draft: Path,
    cause: Cause,
    read: ReadFacts = read_facts,
    tell: Progress = lambda _, __: None,
) -> Path:
    """The second half, which looks at nothing but the draft: rows are verified, and get the name that counts.

    `tell` hears of each part that was hashed, and may take its time.
    """
    files = world.files
    facts = facts_of(world, draft, read)
    target = draft.parent / name_of(facts)
    if files.exists(target):
        if _is_sound(world, target, facts, read):
            remove_tree(files, draft)
            return target
        remove_checkpoint(files, partition, target.name)  # its state is this one's, which is sound
    manifest = Manifest(facts, cause, world.time_ms(), hash_files(files, draft / ROWS, tell, 0))
    publish(files, draft, manifest)
    return target


def publish(files: Files, draft: Path, manifest: Manifest) -> None:
    """Make all of a checkpoint durable, then give it the name that counts."""
    for stored in manifest.files:
        file = files.open(draft / ROWS / stored.name)
        try:
            file.sync()
        finally:
            file.close()
    file = files.create(draft / MANIFEST)
    try:
        file.write(0, encode_manifest(manifest))
        file.sync()
    finally:
        file.close()
    for folder in (draft / ROWS, draft):
        files.sync_folder(folder)
    files.replace(draft, draft.parent / name_of(manifest.facts))
    files.sync_folder(draft.parent)


def _is_sound(world: World, folder: Path, facts: Facts, read: ReadFacts) -> bool:
    """Whether nothing is wrong with a checkpoint, and nothing has changed since: follow-ups may have arrived."""
    try:
        return verify_checkpoint(world, folder, read=read).facts == facts
    except CorruptState:
        return False
