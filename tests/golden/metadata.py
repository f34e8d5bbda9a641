"""Golden metadata blocks."""

from mmsb.schemas.metadata import Metadata, unpack_metadata

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ALL = Metadata("alice", "rent für März", bytes(range(16)), bytes(range(16, 32)), TRACE)

FILES = {
    "actor.bin": lambda: Metadata(actor="alice").pack(),
    "causation.bin": lambda: Metadata(causation=bytes(range(16))).pack(),
    "everything.bin": ALL.pack,
    "longest.bin": lambda: Metadata("a" * 256, "é" * 512, bytes(16), b"\xff" * 16, "t" * 512).pack(),
}


def again(data: bytes) -> bytes:
    return unpack_metadata(data).pack()
