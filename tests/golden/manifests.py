"""Golden manifests of checkpoints."""

from mmsb.schemas.descriptors import Descriptor
from mmsb.schemas.limits import HOPS_MAX
from mmsb.streams.checkpoints.manifest import Cause, Facts, Manifest, StoredFile, decode_manifest, encode_manifest

FACTS = Facts(
    app="bank", log_id=bytes(range(16)), partition=1, partition_count=4, window=1024, generation=3,
    bundle=bytes(range(32)), layouts=Descriptor("bank", HOPS_MAX, (), (), ()).pack(), settled=99, block_first=90,
    accepted_at=40, next=42, relaying=1, head=bytes(range(32, 64)), digest=bytes(range(16, 32)), pages={"Account": 5},
)  # fmt: skip
STORED = (StoredFile("000008.sst", 4711, bytes(range(32))), StoredFile("CURRENT", 16, bytes(range(1, 33))))

FILES = {
    "command.bin": lambda: encode_manifest(Manifest(FACTS, Cause("command"), 1_800_000_000_000, STORED)),
    "intent.bin": lambda: encode_manifest(Manifest(FACTS, Cause("intent", 98), 1_800_000_000_001, STORED)),
}


def again(data: bytes) -> bytes:
    return encode_manifest(decode_manifest(data))
