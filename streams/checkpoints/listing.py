"""Which checkpoints a partition has, and which of them is the newest that is sound."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmsb.schemas.errors import MmsbError
from mmsb.streams.checkpoints.facts import read_facts
from mmsb.streams.checkpoints.folder import CHECKPOINTS, list_names, read_manifest
from mmsb.streams.checkpoints.manifest import Manifest
from mmsb.streams.checkpoints.verifying import ReadFacts, verify_checkpoint
from mmsb.streams.files import Files
from mmsb.streams.folder import Progress
from mmsb.streams.world import World


@dataclass(frozen=True, slots=True)
class Listed:
    """A checkpoint: its manifest, or what is wrong with it."""

    folder: Path
    manifest: Manifest | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A checkpoint that cannot be used."""

    name: str
    reason: str


def list_checkpoints(files: Files, partition: Path) -> Iterator[Listed]:
    """Newest first, by what their manifests say: nothing else is read."""
    for name in list_names(files, partition):
        folder = partition / CHECKPOINTS / name
        try:
            yield Listed(folder, read_manifest(files, folder))
        except MmsbError as error:
            yield Listed(folder, None, str(error))


def verified(listed: Iterator[Listed]) -> list[Manifest]:
    """The manifests that can be read; each was written after all that it says had been verified."""
    return [one.manifest for one in listed if one.manifest is not None]


def newest_sound(
    world: World, partition: Path, tell: Progress = lambda _, __: None, read: ReadFacts = read_facts
) -> tuple[Listed | None, list[Skipped]]:
    """The newest checkpoint that is sound now, every byte read; and those that are newer and not, with the reason."""
    skipped: list[Skipped] = []
    for name in list_names(world.files, partition):
        folder = partition / CHECKPOINTS / name
        try:
            return Listed(folder, verify_checkpoint(world, folder, tell, read)), skipped
        except MmsbError as error:
            skipped.append(Skipped(name, str(error)))
    return None, skipped
