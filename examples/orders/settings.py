"""What both Faust workers are set to, and why."""

import os
from typing import Any, Final

KAFKA: Final = os.environ.get("ORDERS_KAFKA", "kafka://localhost:9092")
PARTITIONS: Final = 2


def settings(name: str) -> dict[str, Any]:
    """Of the Faust application of that name."""
    return {
        "id": name,
        "broker": KAFKA,
        # Who has a name is known to the group when it starts again, and goes on at once. Without one the group would
        # wait for its former life until the session is over. Each worker of an application needs another name.
        "consumer_group_instance_id": os.environ.get("ORDERS_WORKER", f"{name}-1"),
        # One that does not start again is missed after 6 s, the least that brokers allow, instead of 60 s.
        "broker_session_timeout": 6.0,
        "broker_heartbeat_interval": 1.0,
        # What was done since the last commit is done once more after a kill: every second instead of every 2.8 s.
        "broker_commit_interval": 1.0,
        "topic_disable_leader": True,  # nothing here is for one worker alone
    }
