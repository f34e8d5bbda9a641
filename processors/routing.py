"""Which partition an intent belongs to: that of the first page it names, as for follow-ups.

What names no page (garbage, an unknown type, arguments out of range) is rejected wherever it goes, so it goes to
partition 0. Pages of other partitions are not looked for here: the machine rejects such an intent as wrong_partition.
"""

from mmsb.processors.bundle import Bundle
from mmsb.processors.judging import pages_named
from mmsb.processors.lowering import Surroundings
from mmsb.schemas.partitions import partition_of


def partition_for(bundle: Bundle, partition_count: int, value: bytes) -> int:
    """The partition of a packed or JSON intent."""
    if partition_count == 1:
        return 0
    around = Surroundings(bundle, 0, partition_count, 0, 0, lambda type_id, key: None)
    named = pages_named(around, value)
    if not named:
        return 0
    layout, key = named[0]
    return partition_of(layout.partition_parts(key), partition_count)
