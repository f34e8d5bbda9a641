"""Golden descriptors: what a claim says of its bundle."""

from mmsb.schemas.descriptors import Descriptor, unpack_descriptor
from tests.golden.tlog import DESCRIPTOR

FILES = {
    "empty.json": Descriptor("a", 1, (), (), ()).pack,
    "everything.json": DESCRIPTOR.pack,
}


def again(data: bytes) -> bytes:
    return unpack_descriptor(data).pack()
