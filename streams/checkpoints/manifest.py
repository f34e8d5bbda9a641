"""What a checkpoint says of itself: one file beside its rows (docs/formats.md, "Checkpoint manifest").

JSON, because it has many fields, is read rarely, and people want to look at it when something is wrong; canonical and
behind a hash, because it is what decides whether a checkpoint is used.
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from blake3 import blake3

from mmsb.schemas.canonical import canonical, parse_canonical
from mmsb.schemas.descriptors import unpack_descriptor
from mmsb.schemas.errors import InvalidValue, MalformedBytes, NewerFormat
from mmsb.schemas.json_text import JsonValue
from mmsb.schemas.types import I64_MAX, U64_MAX

MANIFEST_BYTES_MAX: Final = 16 << 20
"""A manifest has an entry for each file and each layout; more than this is none."""

HEADER_BYTES: Final = 40
_MAGIC: Final = b"MMC\x01"
_HEADER: Final = struct.Struct("<4sI32s")  # magic, size of the JSON, its BLAKE3
_FILE_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Facts:
    """What rows say of themselves, once all of them have been read."""

    app: str
    log_id: bytes
    partition: int
    partition_count: int
    window: int
    generation: int
    bundle: bytes
    layouts: bytes
    """A descriptor of the page types."""
    settled: int
    """The last intent offset that has an outcome in it."""
    block_first: int
    """The first intent that the last block settled; `settled` + 1 if there was no block."""
    accepted_at: int
    """The TLog offset of the last record that counts in it."""
    next: int
    """The TLog offset after all records that it knows."""
    relaying: int
    """Blocks with follow-ups that may not all have arrived yet; they are in the TLog alone."""
    head: bytes
    digest: bytes
    pages: Mapping[str, int]
    """How many there are of each page type, by name."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why it was made: `command`, `schedule`, or `intent` with its offset."""

    kind: str
    offset: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("command", "schedule", "intent") or (self.kind == "intent") == (self.offset is None):
            raise InvalidValue(f"cause: expected command, schedule, or intent and its offset; found {self}")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the rows."""

    name: str
    size: int
    blake3: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    facts: Facts
    cause: Cause
    time_ms: int
    files: tuple[StoredFile, ...]
    """By name, rising."""

    @property
    def size(self) -> int:
        """Of all rows, in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What whoever asked for a checkpoint is told: `name` finds it again, `settled` is the last intent that it has."""

    partition: int
    name: str
    settled: int
    digest: str
    bytes: int


def name_of(facts: Facts) -> str:
    """Together they name one state for ever, and sort as states follow each other."""
    return f"{facts.settled + 1:020}-{facts.accepted_at:020}"


def checkpoint_of(manifest: Manifest) -> Checkpoint:
    facts = manifest.facts
    return Checkpoint(facts.partition, name_of(facts), facts.settled, facts.digest.hex(), manifest.size)


def encode_manifest(manifest: Manifest) -> bytes:
    text = canonical(_values(manifest))
    if len(text) > MANIFEST_BYTES_MAX:
        raise InvalidValue(f"manifest: expected at most {MANIFEST_BYTES_MAX} bytes, found {len(text)}")
    return _HEADER.pack(_MAGIC, len(text), blake3(text).digest()) + text + bytes(-len(text) % 8)


def decode_manifest(data: bytes) -> Manifest:
    """Read all of a file; refuses what `encode_manifest` would not have written."""
    size = manifest_size(data)
    if len(data) != size:
        raise _malformed(f"{size} bytes", len(data), len(data))
    _, text_size, found = _HEADER.unpack_from(data)
    text = data[HEADER_BYTES : HEADER_BYTES + text_size]
    if blake3(text).digest() != found:
        raise _malformed("JSON that its hash fits", "other", 8)
    try:
        manifest = _manifest(cast(dict[str, Any], parse_canonical(text)))
        again = encode_manifest(manifest)
    except (InvalidValue, MalformedBytes, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _malformed("a manifest", f"{type(error).__name__}: {error}", HEADER_BYTES) from None
    if again != data:
        raise _malformed("the bytes that an encoder writes", "others", HEADER_BYTES)
    return manifest


def decode_manifests(data: bytes) -> list[Manifest]:
    """Several, one after another."""
    found: list[Manifest] = []
    while data:
        size = manifest_size(data)
        found.append(decode_manifest(data[:size]))
        data = data[size:]
    return found


def manifest_size(start: bytes) -> int:
    """How long a manifest is that begins so, padding included."""
    if len(start) < HEADER_BYTES:
        raise _malformed(f"{HEADER_BYTES} bytes", len(start), 0)
    magic, text_size = cast(tuple[bytes, int], _HEADER.unpack_from(start)[:2])
    if magic != _MAGIC:
        if magic[:3] == _MAGIC[:3]:
            raise NewerFormat(
                f"manifest: expected version {_MAGIC[3]}, found {magic[3]}; use the release that wrote it"
            )
        raise _malformed(repr(_MAGIC), repr(magic), 0)
    if text_size > MANIFEST_BYTES_MAX:
        raise _malformed(f"at most {MANIFEST_BYTES_MAX} bytes", text_size, 4)
    return HEADER_BYTES + text_size + -text_size % 8


def _values(manifest: Manifest) -> dict[str, JsonValue]:
    facts = manifest.facts
    return {
        "accepted_at": facts.accepted_at,
        "app": facts.app,
        "block_first": facts.block_first,
        "bundle": facts.bundle.hex(),
        "cause": {"kind": manifest.cause.kind, "offset": manifest.cause.offset},
        "digest": facts.digest.hex(),
        "files": [{"blake3": file.blake3.hex(), "name": file.name, "size": file.size} for file in manifest.files],
        "generation": facts.generation,
        "head": facts.head.hex(),
        "layouts": parse_canonical(facts.layouts),
        "log_id": facts.log_id.hex(),
        "next": facts.next,
        "pages": dict(facts.pages),
        "partition": facts.partition,
        "partition_count": facts.partition_count,
        "relaying": facts.relaying,
        "settled": facts.settled,
        "time_ms": manifest.time_ms,
        "window": facts.window,
    }


def _manifest(values: dict[str, Any]) -> Manifest:
    layouts = canonical(values["layouts"])
    unpack_descriptor(layouts)
    files = tuple(
        StoredFile(_file_name(file["name"]), _number(file["size"]), _bytes(file["blake3"], 32))
        for file in values["files"]
    )
    names = [file.name for file in files]
    if names != sorted(set(names)):
        raise InvalidValue("files: expected names that rise")
    cause = values["cause"]
    return Manifest(
        Facts(
            app=_text(values["app"]),
            log_id=_bytes(values["log_id"], 16),
            partition=_number(values["partition"]),
            partition_count=_number(values["partition_count"]),
            window=_number(values["window"]),
            generation=_number(values["generation"], most=U64_MAX),
            bundle=_bytes(values["bundle"], 32),
            layouts=layouts,
            settled=_number(values["settled"], -1),
            block_first=_number(values["block_first"]),
            accepted_at=_number(values["accepted_at"]),
            next=_number(values["next"]),
            relaying=_number(values["relaying"]),
            head=_bytes(values["head"], 32),
            digest=_bytes(values["digest"], 16),
            pages={_text(name): _number(count) for name, count in values["pages"].items()},
        ),
        Cause(_text(cause["kind"]), None if cause["offset"] is None else _number(cause["offset"])),
        _number(values["time_ms"]),
        files,
    )


def _number(value: object, least: int = 0, most: int = I64_MAX) -> int:
    if type(value) is not int or not least <= value <= most:
        raise InvalidValue(f"expected a number from {least} to {most}, found {value!r}")
    return value


def _text(value: object) -> str:
    if type(value) is not str:
        raise InvalidValue(f"expected text, found {value!r}")
    return value


def _bytes(value: object, size: int) -> bytes:
    found = bytes.fromhex(_text(value))
    if len(found) != size:
        raise InvalidValue(f"expected {size} bytes, found {len(found)}")
    return found


def _file_name(value: object) -> str:
    """A name within the folder: an archive comes from anywhere, so none may lead out of it."""
    name = _text(value)
    if not _FILE_NAME.fullmatch(name):
        raise InvalidValue(f"expected the name of a file in the folder, found {name!r}")
    return name


def _malformed(expected: str, found: object, position: int) -> MalformedBytes:
    return MalformedBytes("manifest", expected, found, position)
