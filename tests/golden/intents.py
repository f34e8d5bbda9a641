"""Golden intents, packed and as JSON."""

from mmsb.schemas.envelopes import read_envelope
from mmsb.schemas.ids import make_id, source_of, source_of_follow_up
from mmsb.schemas.intents import json_intent, pack_intent
from mmsb.schemas.metadata import unpack_metadata
from mmsb.schemas.sources import FOLLOW_UP, OUTSIDE, Source
from tests.golden.metadata import ALL

TYPE_ID = 0x0123_4567_89AB_CDEF
LOG_ID = bytes(range(100, 116))
ARGUMENTS = bytes(range(24))
ORDER = make_id("order-17")
UUID = "5E0C1b2a-0000-4000-8000-0123456789ab"

FILES = {
    "bare.bin": lambda: pack_intent(TYPE_ID, b""),
    "arguments.bin": lambda: pack_intent(TYPE_ID, ARGUMENTS),
    "id.bin": lambda: pack_intent(TYPE_ID, ARGUMENTS, id=ORDER),
    "follow_up.bin": lambda: pack_intent(
        TYPE_ID, ARGUMENTS, source=Source(FOLLOW_UP, source_of_follow_up(LOG_ID, 3), 5, 2), metadata=ALL.pack()
    ),
    "everything.bin": lambda: pack_intent(
        TYPE_ID, ARGUMENTS, id=ORDER, source=Source(OUTSIDE, source_of("bank"), 9, 0), metadata=ALL.pack()
    ),
    "transfer.json": lambda: json_intent("Transfer", {"src": 1, "dst": 2, "amount": 10}, id=UUID.lower()),
    "everything.json": lambda: json_intent(
        "Every", {"text": 'ä"\\\n', "float": -0.5, "list": [1, 2]}, id=ORDER, source="bank", number=9, metadata=ALL
    ),
}


def again(data: bytes) -> bytes:
    envelope = read_envelope(data)
    if isinstance(envelope.arguments, bytes):
        assert envelope.type_id is not None
        return pack_intent(
            envelope.type_id, envelope.arguments, id=envelope.id, source=envelope.source, metadata=envelope.metadata
        )
    assert envelope.type_name is not None
    # The name of a source is hashed away; all golden ones are called the same.
    return json_intent(
        envelope.type_name,
        envelope.arguments,
        id=envelope.id,
        source="bank" if envelope.source else None,
        number=envelope.source.number if envelope.source else None,
        metadata=unpack_metadata(envelope.metadata) if envelope.metadata else None,
    )
