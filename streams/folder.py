"""What lies where in a data folder, and how much of a log is read at once.

DATA/lock  DATA/socket           one process owns the folder, and serves others
DATA/0/intents/  DATA/0/tlog/    a partition's two logs
DATA/0/mark                      up to where they are durable
DATA/0/home/                     its pages and all else of its state, as of some moment before
DATA/0/topic                     behind Kafka: which topics the logs mirror
"""

from collections.abc import Callable
from typing import Final

INTENTS: Final = "intents"
TLOG: Final = "tlog"
MARK: Final = "mark"
HOME: Final = "home"
TOPIC: Final = "topic"
MEMORY_MIN: Final = 4 << 20  # bytes that the pages of a partition and their indexes may always take
FOLD_BYTES: Final = 8 << 20  # of TLog read at once

Progress = Callable[[int, int], None]
"""Told how many TLog records were folded, of how many."""
