"""Whether a checkpoint is what its manifest says: every file hashed, every row read and digested."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Final

from blake3 import blake3

from mmsb.schemas.errors import CorruptState
from mmsb.state.store import Snapshot
from mmsb.streams.checkpoints.facts import read_facts
from mmsb.streams.checkpoints.folder import ROWS, read_manifest
from mmsb.streams.checkpoints.manifest import Facts, Manifest, StoredFile
from mmsb.streams.files import Files
from mmsb.streams.folder import Progress
from mmsb.streams.world import World

CHUNK_BYTES: Final = 1 << 20  # read and hashed at once

ReadFacts = Callable[[Snapshot], Facts]
"""Reads every row of a store and says what they are; raises CorruptState if they contradict each other.

It is `read_facts` of facts.py but for tests, whose rows are simpler.
"""


def verify_checkpoint(
    world: World, folder: Path, tell: Progress = lambda _, __: None, read: ReadFacts = read_facts
) -> Manifest:
    """The manifest of a checkpoint that is sound; raises CorruptState, with what is not, if it is not sound.

    `tell` hears how many bytes were hashed, of how many.
    """
    manifest = read_manifest(world.files, folder)
    found = hash_files(world.files, folder / ROWS, tell, manifest.size)
    _compare_files(folder, manifest.files, found)
    compare_facts(folder, manifest.facts, facts_of(world, folder, read))
    return manifest


def facts_of(world: World, folder: Path, read: ReadFacts) -> Facts:
    """What the rows of a checkpoint say, all of them read."""
    rows = world.open_checkpoint(folder / ROWS)
    try:
        return read(rows)
    finally:
        rows.close()


def hash_files(files: Files, folder: Path, tell: Progress, total: int) -> tuple[StoredFile, ...]:
    """All files of a folder, by name, with what is in them."""
    found: list[StoredFile] = []
    done = 0
    for name in files.names(folder):
        file = files.open(folder / name, read_only=True)
        try:
            size, summed = file.size(), blake3()
            for at in range(0, size, CHUNK_BYTES):
                summed.update(file.read(at, CHUNK_BYTES))
                tell(done + min(at + CHUNK_BYTES, size), total)
        finally:
            file.close()
        done += size
        found.append(StoredFile(name, size, summed.digest()))
    return tuple(found)


def _compare_files(folder: Path, expected: tuple[StoredFile, ...], found: tuple[StoredFile, ...]) -> None:
    there = {file.name: file for file in found}
    for file in expected:
        path, other = folder / ROWS / file.name, there.pop(file.name, None)
        if other is None:
            raise CorruptState(f"{path}: expected a file of {file.size} bytes, found none; use another checkpoint")
        if other.size != file.size:
            raise CorruptState(f"{path}: expected {file.size} bytes, found {other.size}; use another checkpoint")
        if other != file:
            raise CorruptState(f"{path}: expected content that its hash fits, found other; use another checkpoint")
    for name in there:
        raise CorruptState(f"{folder / ROWS / name}: expected no such file, found one; use another checkpoint")


def compare_facts(folder: Path, expected: Facts, found: Facts) -> None:
    for field in fields(Facts):
        said, read = getattr(expected, field.name), getattr(found, field.name)
        if said != read:
            raise CorruptState(
                f"{folder}: expected rows whose {field.name} is {said!r}, as its manifest says, found {read!r}; use "
                "another checkpoint"
            )
