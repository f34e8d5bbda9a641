"""Golden durable page rows."""

from mmsb.state.page_rows import pack_page, unpack_page

TYPE_ID = 0x0123_4567_89AB_CDEF

FILES = {
    "smallest.bin": lambda: pack_page(1, bytes(8), 1, bytes(8)),
    "account.bin": lambda: pack_page(TYPE_ID, bytes(range(8)), 42, bytes(range(40))),
    "largest_epoch.bin": lambda: pack_page(2**64 - 1, b"\xff" * 256, 2**63 - 1, b"\xff" * 64),
}


def again(data: bytes) -> bytes:
    row = unpack_page(data)
    return pack_page(row.type_id, row.key, row.epoch, row.body)
