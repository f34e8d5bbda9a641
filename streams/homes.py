"""Opens the home of a partition; one that is damaged is set aside, and the newest sound checkpoint takes its place.

Nothing is removed by that: what was damaged keeps its files under another name, for somebody to look at. Where there is
no sound checkpoint the state is folded from the log's first record, if the log still has it.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmsb.schemas.errors import CorruptState
from mmsb.state.home.home import Home
from mmsb.state.home.meta import Meta
from mmsb.state.home.restoring import RestoredFold, read_meta, restore
from mmsb.state.store import Store
from mmsb.streams.checkpoints.folder import clear_leftovers, list_names, remove_tree
from mmsb.streams.checkpoints.installing import install
from mmsb.streams.checkpoints.listing import newest_sound
from mmsb.streams.files import Files
from mmsb.streams.folder import HOME, TLOG
from mmsb.streams.log.begin import read_begin
from mmsb.streams.log.segments import list_bases
from mmsb.streams.world import World

DISTRUSTED: Final = "home.distrusted"
"""This file says that the home told something wrong while it was used, so that it is not asked again."""

_MAKING: Final = "home.making"
_DAMAGED: Final = "home.damaged-"
_REASON_BYTES: Final = 4_096


@dataclass(frozen=True)
class Housed:
    """A store, and what was made of its rows; None if it has none."""

    store: Store
    meta: Meta | None
    restored: tuple[RestoredFold, Home] | None


def open_home(world: World, partition: Path, memory: int) -> Housed:
    """The store, and the state that it has, whose pages may take so many bytes of memory."""
    files = world.files
    clear_leftovers(files, partition)
    if files.exists(partition / _MAKING):
        remove_tree(files, partition / _MAKING)  # links and copies of a checkpoint, which has them all
    damage = _distrusted(files, partition)
    if damage is None:
        try:
            housed = _open(world, partition / HOME, memory)
        except CorruptState as error:
            damage = str(error)
        else:
            if housed.meta is not None or not list_names(files, partition):
                return housed
            housed.store.close()
            damage = "it is empty, and there are checkpoints"
    _replace(world, partition, damage)
    return _open(world, partition / HOME, memory)


def distrust(files: Files, partition: Path, reason: str) -> None:
    """Have the next start set the home aside."""
    if not files.exists(partition / DISTRUSTED):
        file = files.create(partition / DISTRUSTED)
        try:
            file.write(0, reason.encode()[:_REASON_BYTES])
            file.sync()
        finally:
            file.close()
        files.sync_folder(partition)


def _distrusted(files: Files, partition: Path) -> str | None:
    if not files.exists(partition / DISTRUSTED):
        return None
    file = files.open(partition / DISTRUSTED, read_only=True)
    try:
        return file.read(0, _REASON_BYTES).decode(errors="replace")
    finally:
        file.close()


def _open(world: World, home: Path, memory: int) -> Housed:
    if not world.files.exists(home):
        world.files.make_folder(home)
        world.files.sync_folder(home.parent)
    store = world.store(home)
    try:
        meta = read_meta(store)
        return Housed(store, meta, None if meta is None else restore(store, meta, memory))
    except BaseException:
        store.close()
        raise


def _replace(world: World, partition: Path, damage: str) -> None:
    """Let a checkpoint's rows be the home, or none; what was there keeps its files."""
    files, home = world.files, partition / HOME
    found, skipped = newest_sound(world, partition)
    passed = "".join(f" Checkpoint {one.name} was passed over: {one.reason}." for one in skipped)
    begin, reached = _begin_of(files, partition), found.manifest.facts.next if found and found.manifest else 0
    if reached < begin:
        raise CorruptState(
            f"{home}: {damage}.{passed} Expected a sound checkpoint that the TLog goes on from, which begins at offset "
            f"{begin}, found none; restore a good copy, or begin elsewhere with mmsb checkpoint import"
        )
    if found is not None and found.manifest is not None:
        install(files, found.folder, partition / _MAKING, found.manifest)
    aside = _set_aside(files, partition)
    if found is not None:
        files.replace(partition / _MAKING, home)
        files.sync_folder(partition)
    if files.exists(partition / DISTRUSTED):
        files.remove(partition / DISTRUSTED)
        files.sync_folder(partition)
    instead = f"checkpoint {found.folder.name}" if found is not None else "the log alone"
    warnings.warn(
        f"{home}: {damage}.{passed} The partition begins with {instead}; what was there is in {aside}, and may be "
        "removed once nobody wants to look at it",
        RuntimeWarning,
        stacklevel=2,
    )


def _begin_of(files: Files, partition: Path) -> int:
    """Where the TLog begins, which was trimmed if that is not 0."""
    return min([*list_bases(files, partition / TLOG), read_begin(files, partition / TLOG)])


def _set_aside(files: Files, partition: Path) -> Path:
    number = 1
    while files.exists(partition / f"{_DAMAGED}{number}"):
        number += 1
    aside = partition / f"{_DAMAGED}{number}"
    if files.exists(partition / HOME):
        files.replace(partition / HOME, aside)
        files.sync_folder(partition)
    return aside
