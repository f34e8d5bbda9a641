"""Golden rejects, packed and as JSON."""

from mmsb.schemas.rejections import Code, Op, Rejection
from mmsb.schemas.rejects import Reject, reject_json, unpack_reject
from tests.golden.tlog import TRANSFER

TIME = 1_700_000_000_000_000

BOUND = Reject(
    partition=3,
    offset=41,
    time=TIME,
    intent_type=TRANSFER.type_id,
    cause=bytes(range(16)),
    hops=2,
    rejection=Rejection(Code.BOUND, TRANSFER.type_id, field=3, value=-1, bound=1, op=Op.GE),
)
UNKNOWN = Reject(
    partition=65_535,
    offset=2**63 - 2,
    time=0,
    intent_type=0,
    cause=b"\xff" * 16,
    hops=0,
    rejection=Rejection(Code.NOT_AN_INTENT, value=7),
)
NAMES = {"bound": (BOUND, "Transfer"), "unknown": (UNKNOWN, None)}
LAYOUTS = {TRANSFER.type_id: TRANSFER}

FILES = {
    "bound.bin": BOUND.pack,
    "unknown.bin": UNKNOWN.pack,
    "bound.json": lambda: reject_json(BOUND, "Transfer", LAYOUTS, ()),
    "unknown.json": lambda: reject_json(UNKNOWN, None, LAYOUTS, ()),
}


def again(data: bytes) -> bytes:
    if data.startswith(b"{"):  # nothing of ours reads JSON rejects
        name = "bound" if b'"bound"' in data else "unknown"
        return reject_json(*NAMES[name], LAYOUTS, ())
    return unpack_reject(data).pack()
