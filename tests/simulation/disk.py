"""A file system in memory that forgets at a crash what nobody synced, and fails when told to; a seed decides the rest.

What is modelled, as badly as a real disk may behave:

- *Contents* reach the disk in pages of 4 KiB, in any order, before a sync or never. At a crash each unsynced page is
  there, or not, or torn between sectors of 512 bytes. The file's size is any from the synced one to the current one;
  pages of it that never came are zeros, or what was there before.
- *Names* reach the disk when their folder is synced; at a crash, each change of a name since then has happened or not.
- *A failed sync* leaves its pages readable and clean, as Linux does: a later sync that succeeds does not write them.
  Only writing them again does.
- *A full disk* takes as much of a write as fits.

`crash` is loss of power, `kill` is SIGKILL: then everything written stays, with what a failed sync left behind.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from mmsb.schemas.records import Buffer
from mmsb.streams.files import File, failed

PAGE = 4096
SECTOR = 512

NameChange = dict[Path, "Inode | None"]  # what names stand for from now on, all at once


@dataclass(eq=False)
class Inode:
    """A file's content: as programs see it, and as the disk has it."""

    seen: bytearray = field(default_factory=bytearray)
    disk: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)  # pages that the next sync will write

    def write(self, position: int, data: Buffer) -> None:
        if position > len(self.seen):
            self.seen.extend(bytes(position - len(self.seen)))
        self.seen[position : position + len(data)] = data
        if len(data):
            self.dirty.update(range(position // PAGE, (position + len(data) - 1) // PAGE + 1))

    def truncate(self, size: int) -> None:
        if size > len(self.seen):
            self.seen.extend(bytes(size - len(self.seen)))
        del self.seen[size:]
        self.dirty = {page for page in self.dirty if page * PAGE < size}

    def sync(self) -> None:
        self.disk = self._resized(len(self.seen))
        for page in self.dirty:
            self.disk[page * PAGE : (page + 1) * PAGE] = self.seen[page * PAGE : (page + 1) * PAGE]
        self.dirty.clear()

    def crashed(self, random: Random) -> "Inode":
        """What a crash leaves of it."""
        least, most = sorted((len(self.disk), len(self.seen)))
        size = random.choice((least, most, random.randint(least, most)))
        # Pages are written at their place whatever becomes of the size, which only cuts what is seen of them.
        image = self._resized(max(least, most))
        for page in sorted(self.dirty):
            for start in self._arrived(page, random):
                data = self.seen[start : start + SECTOR]
                image[start : start + len(data)] = data
        del image[size:]
        return Inode(bytearray(image), image)

    def _arrived(self, page: int, random: Random) -> list[int]:
        """The sectors of a page that reach the disk."""
        sectors = list(range(page * PAGE, (page + 1) * PAGE, SECTOR))
        fate = random.random()
        if fate < 0.4:
            return sectors
        return [] if fate < 0.8 else [sector for sector in sectors if random.random() < 0.5]

    def _resized(self, size: int) -> bytearray:
        return bytearray(self.disk[:size].ljust(size, b"\0"))


@dataclass
class Fault:
    """The `number`-th of these operations fails, counted from 1; with `for_ever`, all from it on do."""

    number: int
    operations: frozenset[str]
    for_ever: bool
    error: int


class VirtualFiles:
    """Implements mmsb.streams.files.Files."""

    def __init__(self, seed: int = 0, capacity: int | None = None) -> None:
        self.random = Random(seed)
        self.capacity = capacity
        self.operations: list[str] = []  # all that happened, in order
        self._names: dict[Path, Inode] = {}
        self._durable: dict[Path, Inode] = {}
        self._changes: list[NameChange] = []  # of names, not durable yet
        self._folders: set[Path] = {Path("/")}
        self._fault: Fault | None = None
        self._seen = 0  # operations that the fault has counted
        self._running = True
        self.removed: dict[Path, Inode] = {}  # what was in files that are no more, for whoever judges

    def fail(self, number: int, *operations: str, for_ever: bool = False, error: int = errno.EIO) -> None:
        """Have an operation fail: the n-th from now on of those named, or of all."""
        self._fault, self._seen = Fault(number, frozenset(operations), for_ever, error), 0

    def crash(self) -> "VirtualFiles":
        """The disk after loss of power; whatever had files open is gone."""
        after = self._successor()
        names = dict(self._durable)
        for change in self._changes:
            if self.random.random() < 0.5:
                _name(names, change)
        images = {id(inode): inode.crashed(self.random) for inode in names.values()}
        after._names = {path: images[id(inode)] for path, inode in names.items()}
        after._durable = dict(after._names)
        after._folders = after._folders.union(*(path.parents for path in names))  # of a rename that did not happen
        return after

    def kill(self) -> "VirtualFiles":
        """The same running system after the process was killed."""
        after = self._successor()
        after._names, after._durable, after._changes = self._names, self._durable, self._changes
        return after

    def _successor(self) -> "VirtualFiles":
        after = type(self)(self.random.getrandbits(64), self.capacity)
        after._folders = self._folders
        after.removed = self.removed
        self._running = False
        return after

    def content(self, path: Path) -> bytes:
        return bytes(self._names[path].seen)

    def damage(self, path: Path, content: bytes) -> None:
        """Put other bytes in a file's place, on the disk as in memory, or make a file of them."""
        self._names[path] = self._durable[path] = Inode(bytearray(content), bytearray(content))

    # What Files says.

    def open(self, path: Path, *, read_only: bool = False) -> File:
        self.operate(path, "open")
        return self.handle(path, self._find(path))

    def create(self, path: Path) -> File:
        self.operate(path, "create")
        self._need_folder(path.parent)
        if path in self._names:
            raise failed(path, "create it", _error(errno.EEXIST))
        inode = Inode()
        self._change({path: inode})
        return self.handle(path, inode)

    def exists(self, path: Path) -> bool:
        return path in self._names or path in self._folders

    def is_folder(self, path: Path) -> bool:
        return path in self._folders

    def names(self, folder: Path) -> list[str]:
        self.operate(folder, "names")
        self._need_folder(folder)
        within = f"{str(folder).rstrip('/')}/"
        paths = (str(path) for path in (*self._names, *self._folders))
        rests = {path[len(within) :] for path in paths if path.startswith(within)}
        return sorted(rest for rest in rests if rest and "/" not in rest)

    def make_folder(self, path: Path) -> None:
        self.operate(path, "make_folder")
        self._need_folder(path.parent)
        self._folders.add(path)

    def sync_folder(self, path: Path) -> None:
        self.operate(path, "sync_folder")
        self._need_folder(path)
        rest: list[NameChange] = []
        for change in self._changes:
            if next(iter(change)).parent == path:
                _name(self._durable, change)
            else:
                rest.append(change)
        self._changes = rest

    def replace(self, source: Path, target: Path) -> None:
        self.operate(source, "replace")
        if source in self._folders:
            self._move(source, target)
        else:
            self._change({target: self._find(source), source: None})

    def _move(self, source: Path, target: Path) -> None:
        """A folder with all that is in it. Its own name comes first: syncing the folder above makes it durable."""
        if self.exists(target):
            raise failed(target, "rename to it", _error(errno.EEXIST))
        change: NameChange = {target: None}
        for path, inode in self._names.items():
            if path.is_relative_to(source):
                change |= {target / path.relative_to(source): inode, path: None}
        self._change(change)
        self._folders = {
            target / folder.relative_to(source) if folder.is_relative_to(source) else folder for folder in self._folders
        }

    def link(self, source: Path, target: Path) -> None:
        self.operate(target, "link")
        if self.exists(target):
            raise failed(target, "make it one more name", _error(errno.EEXIST))
        self._change({target: self._find(source)})

    def remove(self, path: Path) -> None:
        self.operate(path, "remove")
        self.removed[path] = self._find(path)
        self._change({path: None})

    def remove_folder(self, path: Path) -> None:
        self.operate(path, "remove_folder")
        if self.names(path):
            raise failed(path, "remove it", _error(errno.ENOTEMPTY))
        self._folders.discard(path)

    def handle(self, path: Path, inode: Inode) -> "VirtualFile":
        return VirtualFile(self, path, inode)

    # What files of it ask.

    def operate(self, path: Path, operation: str, on_failure: Callable[[], None] = lambda: None) -> None:
        """Count an operation, and fail it if its turn has come."""
        if not self._running:
            raise AssertionError(f"{path}: {operation} by a process that has ended")
        self.operations.append(operation)
        fault = self._fault
        if fault is None or (fault.operations and operation not in fault.operations):
            return
        self._seen += 1
        if self._seen == fault.number or (fault.for_ever and self._seen > fault.number):
            on_failure()
            raise failed(path, operation, _error(fault.error))

    def room(self) -> int | None:
        """How many bytes still fit; None: any number."""
        if self.capacity is None:
            return None
        return max(0, self.capacity - sum(len(inode.seen) for inode in self._names.values()))

    def _find(self, path: Path) -> Inode:
        if path not in self._names:
            raise failed(path, "open it", _error(errno.ENOENT))
        return self._names[path]

    def _need_folder(self, path: Path) -> None:
        if path not in self._folders:
            raise failed(path, "find the folder", _error(errno.ENOENT))

    def _change(self, change: NameChange) -> None:
        _name(self._names, change)
        self._changes.append(change)


class VirtualFile:
    """Implements mmsb.streams.files.File."""

    def __init__(self, files: VirtualFiles, path: Path, inode: Inode) -> None:
        self._files = files
        self._path = path
        self._inode = inode
        self._open = True

    def write(self, position: int, data: Buffer) -> None:
        def write_some() -> None:
            self._inode.write(position, data[: self._files.random.randint(0, len(data))])

        self._operate("write", write_some)
        room = self._files.room()
        growth = max(0, position + len(data) - len(self._inode.seen))
        if room is not None and growth > room:
            self._inode.write(position, data[: len(data) - growth + room])
            raise failed(self._path, "write", _error(errno.ENOSPC))
        self._inode.write(position, data)

    def read(self, position: int, size: int) -> bytes:
        self._operate("read")
        return bytes(memoryview(self._inode.seen)[position : position + size])

    def map(self) -> Buffer:
        self._operate("read")
        return bytes(self._inode.seen)

    def size(self) -> int:
        self._operate("size")
        return len(self._inode.seen)

    def sync(self) -> None:
        self._operate("sync", self._inode.dirty.clear)
        self._inode.sync()

    def truncate(self, size: int) -> None:
        self._operate("truncate")
        self._inode.truncate(size)

    def close(self) -> None:
        self._open = False

    def _operate(self, operation: str, on_failure: Callable[[], None] = lambda: None) -> None:
        assert self._open, f"{self._path}: {operation} on a closed file"
        self._files.operate(self._path, operation, on_failure)


def _name(names: dict[Path, Inode], change: NameChange) -> None:
    for path, inode in change.items():
        if inode is None:
            names.pop(path, None)
        else:
            names[path] = inode


def _error(number: int) -> OSError:
    return OSError(number, {errno.EIO: "Input/output error", errno.ENOSPC: "No space left on device"}.get(number, "?"))
