"""What the error codes of brokers mean to us: data, for each kind of request."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from mmsb.schemas.errors import EnvironmentFailed


class Means(Enum):
    DONE = auto()
    AGAIN = auto()
    """Nothing happened, and it may go better: perhaps somebody else leads or coordinates now."""

    ABSENT = auto()
    """The topic is not there, or this broker has not heard of it yet."""

    OUTSIDE = auto()
    """The offset is not there."""

    OPEN = auto()
    """It happened, or did not, or will yet."""

    REFUSED = auto()
    """Nothing happened, and never will."""


EXISTS: Final = 36

NAMES: Final = {
    -1: "UNKNOWN_SERVER_ERROR",
    0: "NONE",
    1: "OFFSET_OUT_OF_RANGE",
    2: "CORRUPT_MESSAGE",
    3: "UNKNOWN_TOPIC_OR_PARTITION",
    5: "LEADER_NOT_AVAILABLE",
    6: "NOT_LEADER_OR_FOLLOWER",
    7: "REQUEST_TIMED_OUT",
    8: "BROKER_NOT_AVAILABLE",
    9: "REPLICA_NOT_AVAILABLE",
    10: "MESSAGE_TOO_LARGE",
    12: "OFFSET_METADATA_TOO_LARGE",
    13: "NETWORK_EXCEPTION",
    14: "COORDINATOR_LOAD_IN_PROGRESS",
    15: "COORDINATOR_NOT_AVAILABLE",
    16: "NOT_COORDINATOR",
    17: "INVALID_TOPIC_EXCEPTION",
    18: "RECORD_LIST_TOO_LARGE",
    19: "NOT_ENOUGH_REPLICAS",
    20: "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    21: "INVALID_REQUIRED_ACKS",
    22: "ILLEGAL_GENERATION",
    24: "INVALID_GROUP_ID",
    25: "UNKNOWN_MEMBER_ID",
    27: "REBALANCE_IN_PROGRESS",
    28: "INVALID_COMMIT_OFFSET_SIZE",
    29: "TOPIC_AUTHORIZATION_FAILED",
    30: "GROUP_AUTHORIZATION_FAILED",
    31: "CLUSTER_AUTHORIZATION_FAILED",
    32: "INVALID_TIMESTAMP",
    35: "UNSUPPORTED_VERSION",
    EXISTS: "TOPIC_ALREADY_EXISTS",
    37: "INVALID_PARTITIONS",
    38: "INVALID_REPLICATION_FACTOR",
    40: "INVALID_CONFIG",
    41: "NOT_CONTROLLER",
    42: "INVALID_REQUEST",
    43: "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    44: "POLICY_VIOLATION",
    53: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    56: "KAFKA_STORAGE_ERROR",
    73: "TOPIC_DELETION_DISABLED",
    74: "FENCED_LEADER_EPOCH",
    75: "UNKNOWN_LEADER_EPOCH",
    76: "UNSUPPORTED_COMPRESSION_TYPE",
    78: "OFFSET_NOT_AVAILABLE",
    87: "INVALID_RECORD",
    89: "THROTTLING_QUOTA_EXCEEDED",
}

APPENDING: Final = {
    0: Means.DONE,
    # Checked before anything is written, and what is wrong now will be wrong then.
    2: Means.REFUSED,
    10: Means.REFUSED,
    17: Means.REFUSED,
    18: Means.REFUSED,
    21: Means.REFUSED,
    29: Means.REFUSED,
    31: Means.REFUSED,
    32: Means.REFUSED,
    35: Means.REFUSED,
    42: Means.REFUSED,
    43: Means.REFUSED,
    44: Means.REFUSED,
    53: Means.REFUSED,
    76: Means.REFUSED,
    87: Means.REFUSED,
    # Said before anything is written. The first two are said after it, too, if the leader ceases to be one while it
    # waits for the others; then they come with the offset that it had given: see `means_of_append`.
    3: Means.ABSENT,
    6: Means.AGAIN,
    5: Means.AGAIN,
    8: Means.AGAIN,
    9: Means.AGAIN,
    19: Means.AGAIN,
    # All others leave it open: 7 and 20 say that the leader has it and others do not, -1 and 56 say that something
    # failed, perhaps behind the first byte on its disk, and those that we do not know may say anything.
}
"""For an append of one batch with acks=all. What it does not name leaves it open."""

TOO_LARGE: Final = (10, 18)
"""Of those that refuse an append: the batch is larger than the topic's limit for one, or than a segment."""

FETCHING: Final = {
    0: Means.DONE,
    1: Means.OUTSIDE,
    -1: Means.AGAIN,
    3: Means.ABSENT,
    5: Means.AGAIN,
    6: Means.AGAIN,
    7: Means.AGAIN,
    8: Means.AGAIN,
    9: Means.AGAIN,
    13: Means.AGAIN,
    56: Means.AGAIN,
    74: Means.AGAIN,
    75: Means.AGAIN,
    78: Means.AGAIN,
}
"""For reading, and for what may be done twice: asked of a partition's leader. What it does not name is refused."""

COORDINATING: Final = {
    0: Means.DONE,
    -1: Means.AGAIN,
    3: Means.ABSENT,
    5: Means.AGAIN,
    7: Means.AGAIN,
    14: Means.AGAIN,
    15: Means.AGAIN,
    16: Means.AGAIN,
}
"""For what is asked of a group's coordinator."""

ADMINISTERING: Final = {
    0: Means.DONE,
    -1: Means.AGAIN,
    3: Means.ABSENT,
    5: Means.AGAIN,
    7: Means.AGAIN,
    41: Means.AGAIN,
    89: Means.AGAIN,
}
"""For what is asked of any broker about topics."""

_REMEDIES: Final = {
    10: "raise the topic's max.message.bytes",
    12: "raise the brokers' offset.metadata.max.bytes",
    18: "raise the topic's segment.bytes",
    25: "a group of that name has members; stop them, or rename the application",
    29: "allow this user to read, write and describe the topic",
    30: "allow this user to read the group",
    31: "allow this user to do so in the cluster",
    37: "ask for one partition or more",
    38: "ask for as many replicas as there are brokers, or fewer",
}


def means(table: Mapping[int, Means], code: int) -> Means:
    return table.get(code, Means.REFUSED)


def means_of_append(code: int, offset: int) -> Means:
    """An error that comes with an offset comes from a leader that had appended, and cannot say whether it counts."""
    if code and offset >= 0:
        return Means.OPEN
    return APPENDING.get(code, Means.OPEN)


def name_of(code: int) -> str:
    return NAMES.get(code, f"error {code}")


def refusal(what: object, code: int, words: str | None = None) -> EnvironmentFailed:
    return EnvironmentFailed(refusal_words(what, code, words))


def refusal_words(what: object, code: int, words: str | None = None) -> str:
    remedy = _REMEDIES.get(code, "look into the brokers' log")
    return f"{what}: expected the broker to take it, found {name_of(code)}{f' ({words})' if words else ''}; {remedy}"
