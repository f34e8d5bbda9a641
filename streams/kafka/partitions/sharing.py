"""Checkpoints where all workers find them: archives in a folder that they share, so state can move without its log.

SHARED/APP/PARTITION/SETTLED-ACCEPTED.checkpoint

An archive has its name once it is whole and durable. A worker that has no state of a partition, or state from before
where its TLog begins, starts with the newest one that is sound.
"""

from pathlib import Path
from typing import Final

from mmsb.schemas.errors import EnvironmentFailed, MmsbError
from mmsb.streams.checkpoints.archive import Archive, export_checkpoint
from mmsb.streams.checkpoints.installing import place
from mmsb.streams.checkpoints.keeping import KEPT, trimmable
from mmsb.streams.checkpoints.manifest import Manifest
from mmsb.streams.files import Files, make_folders
from mmsb.streams.folder import Progress
from mmsb.streams.log import Durable
from mmsb.streams.world import World

SUFFIX: Final = ".checkpoint"


class Shared:
    """The archives of one partition."""

    def __init__(self, world: World, folder: Path, app: str, partition: int) -> None:
        self._world = world
        self._folder = folder / app / str(partition)

    @property
    def _files(self) -> Files:
        return self._world.files

    def paths(self) -> list[Path]:
        """The newest first."""
        names = self._files.names(self._folder) if self._files.exists(self._folder) else []
        return [self._folder / name for name in sorted(names, reverse=True) if name.endswith(SUFFIX)]

    def put(self, checkpoint: Path) -> None:
        """Have a checkpoint here, and not more than KEPT of them."""
        target = self._folder / (checkpoint.name + SUFFIX)
        make_folders(self._files, self._folder)
        if not self._files.exists(target):
            export_checkpoint(self._files, checkpoint, target)
        for path in self.paths()[KEPT:]:
            self._files.remove(path)

    def trimmable(self, needed: Durable) -> Durable:
        """Below which offsets topics may be trimmed, so that two archives still lead to the state of now."""
        newest = list[Manifest]()
        for path in self.paths():
            try:
                newest.append(self._manifest(path))
            except MmsbError:
                continue  # it leads nowhere, so it is not counted
        return trimmable(newest, needed)

    def restore(self, data: Path, tell: Progress) -> Manifest | None:
        """Make the partition of the newest archive that is sound, in a folder whose lock the caller holds."""
        problems = list[str]()
        for path in self.paths():
            try:
                archive = Archive(self._files, path)
                try:
                    return place(self._world, archive, data, tell)
                finally:
                    archive.close()
            except MmsbError as error:
                problems.append(str(error))
        if problems:
            raise EnvironmentFailed(f"{self._folder}: expected a sound checkpoint, found none: {'; '.join(problems)}")
        return None

    def _manifest(self, path: Path) -> Manifest:
        archive = Archive(self._files, path)
        try:
            return archive.manifest
        finally:
            archive.close()
