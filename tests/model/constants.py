"""Limits, rejection codes, delta statuses and operators: formats.md, sections 6, 7 and 14."""

INTENT_BYTES_MAX = 262_144
OUTCOME_BYTES_MAX = 262_144
BLOCK_BYTES_MAX = 917_504
BLOCK_INTENTS_MAX = 65_536
BATCH_BYTES_MAX = 16_777_216
BATCH_RECORDS_MAX = 1_048_576
PAGE_BYTES_MAX = 65_536
KEY_BYTES_MAX = 256
FIELDS_MAX = 1_024
PAGES_PER_INTENT_MAX = 8
FOLLOW_UPS_PER_INTENT_MAX = 16
HOPS_MAX = 255
SOURCES_MAX = 65_536
UPSERT_CLAUSES_MAX = 64
ACTOR_BYTES_MAX = 256
REASON_BYTES_MAX = 1_024
TRACE_BYTES_MAX = 512
ID_TEXT_BYTES_MAX = 256
JSON_DEPTH_MAX = 8
TIME_MS_MAX = 253_402_300_799_999
WINDOW_MAX = 16_777_216
PARTITIONS_MAX = 65_536
APP_NAME_BYTES_MAX = 200
DESCRIPTOR_BYTES_MAX = 524_288

CODES = {
    "not_an_intent": 1,
    "intent_too_large": 2,
    "malformed": 3,
    "unknown_version": 4,
    "metadata_version": 5,
    "malformed_metadata": 6,
    "transactional": 7,
    "foreign_source": 8,
    "too_many_sources": 9,
    "json_syntax": 10,
    "json_encoding": 11,
    "json_duplicate_key": 12,
    "json_non_finite": 13,
    "json_lone_surrogate": 14,
    "json_depth": 15,
    "json_integer_range": 16,
    "bad_member": 17,
    "unknown_type": 20,
    "wrong_size": 21,
    "missing_field": 22,
    "unknown_field": 23,
    "wrong_type": 24,
    "out_of_range": 25,
    "bound": 26,
    "bad_text": 27,
    "text_too_long": 28,
    "bad_blob": 29,
    "bad_enum": 30,
    "bad_bool": 31,
    "bad_float": 32,
    "bad_padding": 33,
    "predicate": 40,
    "refused": 41,
    "overflow": 42,
    "division_by_zero": 43,
    "non_finite": 44,
    "store_range": 45,
    "invariant": 46,
    "index_out_of_range": 47,
    "store_text_too_long": 48,
    "hops_exceeded": 49,
    "wrong_partition": 50,
    "too_large": 51,
    "too_many_follow_ups": 52,
    "conflict": 60,
    "bad_delta": 61,
    "condition": 62,
    "bad_upsert": 63,
}
CODE_NAMES = {code: name for name, code in CODES.items()}

GE, GT, LE, LT, EQ, NE = 1, 2, 3, 4, 5, 6
OPS = {"ge": GE, "gt": GT, "le": LE, "lt": LT, "eq": EQ, "ne": NE}

APPLIED, REJECTED, DUPLICATE, NOOP, QUARANTINED = 1, 2, 3, 4, 5
STATUS_NAMES = {1: "applied", 2: "rejected", 3: "duplicate", 4: "noop", 5: "quarantined"}

DELTA_STATUSES = {
    "ok": 0,
    "truncated": 1,
    "magic": 2,
    "kind": 3,
    "zero": 4,
    "type": 5,
    "key": 6,
    "base": 7,
    "payload": 8,
    "order": 9,
    "bounds": 10,
    "empty": 11,
    "conflict": 12,
    "value": 13,
    "invariant": 14,
}

INTEGER_RANGES = {
    "i8": (-(2**7), 2**7 - 1),
    "i16": (-(2**15), 2**15 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "i64": (-(2**63), 2**63 - 1),
    "time": (-(2**63), 2**63 - 1),
    "u8": (0, 2**8 - 1),
    "u16": (0, 2**16 - 1),
    "u32": (0, 2**32 - 1),
    "u64": (0, 2**64 - 1),
}
I64_MIN, I64_MAX, U64_MAX = -(2**63), 2**63 - 1, 2**64 - 1
