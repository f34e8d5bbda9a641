"""Where checkpoints lie, and which names count.

PARTITION/checkpoints/SETTLED-ACCEPTED/store/      the rows, a store of their own
PARTITION/checkpoints/SETTLED-ACCEPTED/manifest    what they are
PARTITION/checkpoints/….making   ….removing        not listed; removed at the next start

SETTLED is the last intent offset that has an outcome, plus 1, ACCEPTED the TLog offset of the last record that counts:
together they name one state for ever, and sort as they follow each other. A checkpoint gets its name when all of it is
durable and verified, and loses it before any of it is removed. So what has such a name is whole or was damaged since,
and is never removed as a left-over; what has another name was never listed, or no more.
"""

import re
from pathlib import Path
from typing import Final

from mmsb.schemas.errors import CorruptState
from mmsb.streams.checkpoints.manifest import MANIFEST_BYTES_MAX, Manifest, decode_manifest, name_of
from mmsb.streams.files import Files

CHECKPOINTS: Final = "checkpoints"
ROWS: Final = "store"
MANIFEST: Final = "manifest"
MAKING: Final = ".making"
REMOVING: Final = ".removing"

_NAME: Final = re.compile(r"\d{20}-\d{20}")


def list_names(files: Files, partition: Path) -> list[str]:
    """The names of a partition's checkpoints, newest first."""
    folder = partition / CHECKPOINTS
    names = files.names(folder) if files.exists(folder) else []
    return sorted((name for name in names if _NAME.fullmatch(name)), reverse=True)


def settled_of(name: str) -> int:
    """The last intent that has an outcome in the checkpoint of a name; -1 if none has."""
    return int(name.partition("-")[0]) - 1


def read_manifest(files: Files, folder: Path) -> Manifest:
    """What the checkpoint in a folder says of itself; verifying.py says whether that is true."""
    path = folder / MANIFEST
    if not files.exists(path):
        raise CorruptState(f"{path}: expected the manifest of a checkpoint, found no file; use another checkpoint")
    file = files.open(path, read_only=True)
    try:
        data = file.read(0, MANIFEST_BYTES_MAX + 1024)
    finally:
        file.close()
    try:
        manifest = decode_manifest(data)
    except CorruptState as error:
        raise CorruptState(f"{path}: {error}; use another checkpoint") from error
    if name_of(manifest.facts) != folder.name.removesuffix(MAKING):
        found = name_of(manifest.facts)
        raise CorruptState(f"{path}: expected the manifest of {folder.name}, found that of {found}; use another")
    return manifest


def clear_leftovers(files: Files, partition: Path) -> list[str]:
    """Remove what is not listed: made half or removed half, so nobody relies on it. Gives the names."""
    folder = partition / CHECKPOINTS
    names = files.names(folder) if files.exists(folder) else []
    left = [name for name in names if name.endswith((MAKING, REMOVING))]
    for name in left:
        remove_tree(files, folder / name)
    return left


def remove_checkpoint(files: Files, partition: Path, name: str) -> None:
    """First from the list, then from the disk."""
    folder = partition / CHECKPOINTS
    files.replace(folder / name, folder / (name + REMOVING))
    files.sync_folder(folder)
    remove_tree(files, folder / (name + REMOVING))


def remove_tree(files: Files, folder: Path) -> None:
    """A folder and all that is in it."""
    for name in files.names(folder):
        if files.is_folder(folder / name):
            remove_tree(files, folder / name)
        else:
            files.remove(folder / name)
    files.remove_folder(folder)
    files.sync_folder(folder.parent)
