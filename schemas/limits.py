"""Every named limit and its value; docs/formats.md, section 14, says what happens above each.

The values are part of the formats: two readers with different limits would disagree about the same log.
"""

from typing import Final

INTENT_BYTES_MAX: Final = 262_144
OUTCOME_BYTES_MAX: Final = 262_144
BLOCK_BYTES_MAX: Final = 917_504  # leaves a broker's default message limit (1 MiB) room for the batch around it
BLOCK_INTENTS_MAX: Final = 65_536
BATCH_BYTES_MAX: Final = 16_777_216
BATCH_RECORDS_MAX: Final = 1_048_576
PAGE_BYTES_MAX: Final = 65_536
KEY_BYTES_MAX: Final = 256
FIELDS_MAX: Final = 1_024
PAGES_PER_INTENT_MAX: Final = 8
FOLLOW_UPS_PER_INTENT_MAX: Final = 16
HOPS_MAX: Final = 255
HOPS_DEFAULT: Final = 8
SOURCES_MAX: Final = 65_536
UPSERT_CLAUSES_MAX: Final = 64
ACTOR_BYTES_MAX: Final = 256
REASON_BYTES_MAX: Final = 1_024
TRACE_BYTES_MAX: Final = 512
ID_TEXT_BYTES_MAX: Final = 256
JSON_DEPTH_MAX: Final = 8
TIME_MS_MAX: Final = 253_402_300_799_999  # the last millisecond of the year 9999
WINDOW_MAX: Final = 16_777_216
WINDOW_DEFAULT: Final = 1_048_576
PARTITIONS_MAX: Final = 65_536
APP_NAME_BYTES_MAX: Final = 200
DESCRIPTOR_BYTES_MAX: Final = 524_288

# Limits of the language alone (docs/language.md); nothing on disk depends on them.
LOOP_STEPS_MAX: Final = 65_536
IR_NODES_MAX: Final = 20_000
IR_DEPTH_MAX: Final = 128  # nodes inside nodes; the interpreter needs two frames of Python's stack for each
