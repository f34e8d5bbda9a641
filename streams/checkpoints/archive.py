"""A checkpoint as one file, to carry to another machine (docs/formats.md, "Checkpoint archive").

    zstd frame [ head, manifest, the files that the manifest names, in its order ]  zstd skippable frame [ seal ]

The manifest says how long each file is and what its hash is, so nothing is read or written that it does not name, and
a small archive cannot become more than it says. The seal is the hash of the compressed bytes: whatever is cut off or
changed is noticed, even where decompressing would not care.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, cast

import zstandard
from blake3 import blake3

from mmsb.schemas.errors import CorruptState, InvalidValue, MalformedBytes, NewerFormat
from mmsb.streams.checkpoints.folder import MANIFEST, ROWS, read_manifest
from mmsb.streams.checkpoints.manifest import HEADER_BYTES, Manifest, StoredFile, decode_manifest, manifest_size
from mmsb.streams.checkpoints.verifying import CHUNK_BYTES
from mmsb.streams.files import File, Files
from mmsb.streams.folder import Progress

ARCHIVE_BYTES_MAX: Final = 1 << 40
"""What an archive may become when it is decompressed; more is refused before anything is written."""

WINDOW_BYTES_MAX: Final = 1 << 27
"""How much memory decompressing may ask for."""

LEVEL: Final = 3  # of zstd: more takes far longer for little
THREADS: Final = 2

_HEAD: Final = struct.Struct("<4s4x")
_MAGIC: Final = b"MMA\x01"
_SEAL: Final = struct.Struct("<II32s")  # zstd's magic of a frame to skip, its size, BLAKE3 of all before it
_SKIPPABLE: Final = 0x184D2A50
_SEAL_BYTES: Final = 32


def export_checkpoint(files: Files, folder: Path, target: Path, tell: Progress = lambda _, __: None) -> Manifest:
    """Write an archive of a checkpoint into a file that does not exist. The checkpoint is checked while it is read.

    `tell` hears how many bytes of rows are in it, of how many.
    """
    manifest = read_manifest(files, folder)
    if files.exists(target):
        raise InvalidValue(f"{target}: expected no file, since an archive replaces none; name another")
    draft = target.with_name(f"{target.name}.new")
    if files.exists(draft):
        files.remove(draft)  # of an export that was cut short
    file = files.create(draft)
    try:
        _write(file, _contents(files, folder, manifest, tell))
        file.sync()
    finally:
        file.close()
    files.replace(draft, target)
    files.sync_folder(target.parent)
    return manifest


def _write(file: File, parts: Iterator[bytes]) -> None:
    position, summed = 0, blake3()
    for compressed in _compressed(parts):
        file.write(position, compressed)
        summed.update(compressed)
        position += len(compressed)
    file.write(position, _SEAL.pack(_SKIPPABLE, _SEAL_BYTES, summed.digest()))


def _compressed(parts: Iterator[bytes]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=LEVEL, threads=THREADS).compressobj()
    for part in parts:
        yield compressor.compress(part)
    yield compressor.flush()


def _contents(files: Files, folder: Path, manifest: Manifest, tell: Progress) -> Iterator[bytes]:
    yield _HEAD.pack(_MAGIC)
    file = files.open(folder / MANIFEST, read_only=True)
    try:
        yield file.read(0, file.size())
    finally:
        file.close()
    done = 0
    for stored in manifest.files:
        file = files.open(folder / ROWS / stored.name, read_only=True)
        try:
            summed = blake3()
            for at in range(0, stored.size, CHUNK_BYTES):
                part = file.read(at, min(CHUNK_BYTES, stored.size - at))
                summed.update(part)
                yield part
                tell(done := done + len(part), manifest.size)
            if file.size() != stored.size or summed.digest() != stored.blake3:
                path = folder / ROWS / stored.name
                raise CorruptState(f"{path}: expected what its manifest says, found other; use another checkpoint")
        finally:
            file.close()


class Archive:
    """An archive that is read from front to back, once. Close it in the end."""

    def __init__(self, files: Files, path: Path, bytes_max: int = ARCHIVE_BYTES_MAX) -> None:
        self._path = path
        self._file = files.open(path, read_only=True)
        try:
            self._source = _Source(self._file, _sealed_size(path, self._file))
            decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
            self._plain = decompressor.stream_reader(cast(IO[bytes], self._source))
            self._read = 0  # bytes of what was compressed
            self.manifest = self._read_manifest(bytes_max)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def extract(self, write: Callable[[StoredFile, Iterator[bytes]], None], tell: Progress) -> None:
        """Hand over each file in parts, hashed on the way; raises CorruptState at the first that is not as it was."""
        done = 0

        def parts(stored: StoredFile) -> Iterator[bytes]:
            nonlocal done
            summed = blake3()
            for at in range(0, stored.size, CHUNK_BYTES):
                part = self._take(min(CHUNK_BYTES, stored.size - at), stored.name)
                summed.update(part)
                yield part
                tell(done := done + len(part), self.manifest.size)
            if summed.digest() != stored.blake3:
                raise self._damaged(f"content of {stored.name} that its hash fits", "other")

        for stored in self.manifest.files:
            write(stored, parts(stored))
        if self._some(1):
            raise self._damaged("its end after the last file", "more")
        self._source.check(self._path)

    def _read_manifest(self, bytes_max: int) -> Manifest:
        (magic,) = _HEAD.unpack(self._take(_HEAD.size, "its head"))
        if magic != _MAGIC:
            if magic[:3] == _MAGIC[:3]:
                raise NewerFormat(
                    f"{self._path}: expected version {_MAGIC[3]} of archives, found {magic[3]}; use the release that "
                    "wrote it"
                )
            raise self._damaged(f"an archive of a checkpoint, which begins with {_MAGIC!r}", repr(magic))
        head = self._take(HEADER_BYTES, "its manifest")
        try:
            manifest = decode_manifest(head + self._take(manifest_size(head) - HEADER_BYTES, "its manifest"))
        except MalformedBytes as error:
            raise CorruptState(f"{self._path}: {error}; take the archive again from its source") from error
        if manifest.size > bytes_max:
            raise InvalidValue(
                f"{self._path}: expected at most ARCHIVE_BYTES_MAX = {bytes_max} bytes of rows, found {manifest.size}"
            )
        return manifest

    def _take(self, size: int, what: str) -> bytes:
        """Just so many of the compressed bytes."""
        data = self._some(size)
        if len(data) != size:
            raise self._damaged(f"{size} bytes of {what}", f"the end after {len(data)}")
        return data

    def _some(self, size: int) -> bytes:
        parts, missing = list[bytes](), size
        while missing:
            try:
                part = self._plain.read(missing)
            except zstandard.ZstdError as error:
                raise self._damaged("zstd data", str(error)) from error
            if not part:
                break
            parts.append(part)
            missing -= len(part)
            self._read += len(part)
        return b"".join(parts)

    def _damaged(self, expected: str, found: str) -> CorruptState:
        return CorruptState(
            f"{self._path} near byte {self._source.position}, {self._read} bytes decompressed: expected {expected}, "
            f"found {found}; take the archive again from its source"
        )


class _Source:
    """What zstd reads compressed bytes from; it has `read`, as a file of Python's has."""

    def __init__(self, file: File, size: int) -> None:
        self._file = file
        self._size = size
        self._summed = blake3()
        self.position = 0

    def read(self, size: int = -1) -> bytes:
        rest = self._size - self.position
        data = self._file.read(self.position, rest if size < 0 else min(size, rest))
        self._summed.update(data)
        self.position += len(data)
        return data

    def check(self, path: Path) -> None:
        """Read on to the end; is it what was sealed?"""
        while self.read(CHUNK_BYTES):
            pass
        *_, sealed = _SEAL.unpack(self._file.read(self._size, _SEAL.size))
        if self._summed.digest() != sealed:
            raise CorruptState(
                f"{path} at byte {self._size}: expected a seal that fits the bytes before it, found another; take the "
                "archive again from its source"
            )


def _sealed_size(path: Path, file: File) -> int:
    """How many bytes there are before the seal, which must be there."""
    size = file.size() - _SEAL.size
    seal = file.read(max(size, 0), _SEAL.size)
    if len(seal) < _SEAL.size or _SEAL.unpack(seal)[:2] != (_SKIPPABLE, _SEAL_BYTES):
        raise CorruptState(
            f"{path} at byte {max(size, 0)}: expected the seal of an archive, found other bytes: it is cut short, or "
            "no archive of a checkpoint; take it again from its source"
        )
    return size
