"""Golden events, packed and as JSON."""

from mmsb.schemas.events import Event, EventKind, event_json, field_mask, unpack_event
from tests.schemas.pages import ACCOUNT, EVERY, EVERY_BODY, EVERY_KEY

TIME = 1_700_000_000_000_000
INTENT = 0x0123_4567_89AB_CDEF
CAUSE = bytes(range(16))
BEFORE = ACCOUNT.pack(["ann", 100, 2])
AFTER = ACCOUNT.pack(["ann", 90, 3])
KEY = ACCOUNT.pack_key(1)

CREATED = Event(
    EventKind.CREATED,
    partition=3,
    offset=0,
    ordinal=1,
    page_type=EVERY.type_id,
    key=EVERY_KEY,
    epoch=1,
    before=0,
    time=TIME,
    intent_type=INTENT,
    cause=CAUSE,
    hops=2,
    mask=field_mask(EVERY, None, EVERY_BODY),
    body=EVERY_BODY,
)
CHANGED = Event(
    EventKind.CHANGED,
    partition=0,
    offset=41,
    ordinal=0,
    page_type=ACCOUNT.type_id,
    key=KEY,
    epoch=42,
    before=17,
    time=TIME,
    intent_type=INTENT,
    cause=CAUSE,
    hops=0,
    mask=field_mask(ACCOUNT, BEFORE, AFTER),
    body=AFTER,
)
DELETED = Event(
    EventKind.DELETED,
    partition=65_535,
    offset=2**63 - 2,
    ordinal=7,
    page_type=ACCOUNT.type_id,
    key=KEY,
    epoch=0,
    before=42,
    time=0,
    intent_type=INTENT,
    cause=b"\xff" * 16,
    hops=65_535,
    mask=field_mask(ACCOUNT, BEFORE, None),
    body=b"",
)
EVENTS = {"created": (CREATED, EVERY), "changed": (CHANGED, ACCOUNT), "deleted": (DELETED, ACCOUNT)}

FILES = {
    "created.bin": CREATED.pack,
    "changed.bin": CHANGED.pack,
    "deleted.bin": DELETED.pack,
    "created.json": lambda: event_json(CREATED, EVERY, "Transfer"),
    "changed.json": lambda: event_json(CHANGED, ACCOUNT, "Transfer"),
    "deleted.json": lambda: event_json(DELETED, ACCOUNT, "Transfer"),
}


def again(data: bytes) -> bytes:
    if data.startswith(b"{"):  # nothing of ours reads JSON events; the packed one beside it is the same event
        name = data.split(b'"', 4)[3].decode()
        return event_json(*EVENTS[name], "Transfer")
    return unpack_event(data).pack()
