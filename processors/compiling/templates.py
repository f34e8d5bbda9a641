"""What every generated module has in common: its head, and the parameters of its functions."""

from typing import Final

HEAD: Final = '''"""Generated from the bundle {name}; made anew whenever it is missing. Not for editing."""

import math

import numpy as np

from mmsb.kernels.arithmetic import I64_MIN, absolute, add, floordiv, mod, mul, neg, sub, to_i64
from mmsb.kernels.stepping.block_builder import SENT_W, fits, is_new
from mmsb.kernels.stepping.changes import (
    NOTHING, shape_of_change, shape_of_new, words_of_shape, write_change, write_deletion, write_new,
)
from mmsb.kernels.intake.envelopes import (
    ARGUMENTS_AT, ARGUMENTS_SIZE, SOURCE_KIND, TYPE, VERDICT,
)
from mmsb.kernels.stepping.follow_ups import ARGUMENTS, begin_of, count_emitted, emit, hops_of
from mmsb.kernels.jit import branching, inlined, inner
from mmsb.kernels.memory import bits_of, float_of, load_u64
from mmsb.kernels.stepping.outcomes import (
    APPLIED, CUT, GO_ON, GROW, REFUSED, SLOW, add as add_outcome, extra_words, words_of_verdict,
)
from mmsb.kernels.tables.page_index import SALT, candidate, current, has_room, hash_key, prefetch_entry, prefetch_page
from mmsb.kernels.tables.partitioning import partition_of, put_blob, put_decimal, put_length, put_text
from mmsb.kernels.intake.record_batches import VALUE_AT
from mmsb.kernels.intake.rejections import put_rejection, with_ordinal, with_unsigned_kind
from mmsb.kernels.stepping.settling import NOW
from mmsb.kernels.values import (
    bits_of_int, copy_text, get_bits, get_text, is_padded_text, load_bits, load_text, same_text, set_bits, set_text,
    signed, text_size, unsigned,
)

NONE = np.uint64(0)
ONE = np.uint64(1)
EXPONENT = np.uint64(0x7FF0000000000000)
'''

CHECK: Final = "buffer, at, size, rejections, reject_at"
QUERY: Final = "buffer, at, cause, keys, key, scratch, rejections, reject_at"
PARTITION: Final = "keys, key, text8, partitions, partition, rejections, reject_at"
LOWER: Final = (
    "buffer, at, now, epoch, extra, keys, key, slots, slot_at, scratch, rejections, reject_at, block, block8, counts, "
    "digest, envelopes, i, offset, text8, aside, sent, log, partitions, partition"
)
