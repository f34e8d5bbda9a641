"""A member of a group in a process of its own, to be killed and frozen: it says what it is told, and when.

    python -m tests.kafka.member_process PORT GROUP TOPIC NAME SESSION_SECONDS REST_SECONDS

It ends when its input does, without a word to the group.
"""

import asyncio
import sys
import time

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.coordinator import Patience
from mmsb.streams.kafka.cluster.member import GroupMember
from tests.kafka.members import connected


async def take_part(port: int, group: str, topic: str, name: str, patience: Patience) -> None:
    async with connected(port) as client:
        member = GroupMember(*client, group, topic, (), name, patience)
        await member.start()
        while True:
            try:
                assignment = await member.next()
            except EnvironmentFailed as error:
                _say(f"ended {error}")
                return
            if assignment is None:
                _say("nothing")
                member.ready()
            else:
                _say(f"has {' '.join(map(str, sorted(assignment.partitions)))}")


def _say(words: str) -> None:
    print(time.monotonic(), words, flush=True)


async def while_wanted(port: str, group: str, topic: str, name: str, session: str, rest: str) -> None:
    patience = Patience(float(session), float(rest))
    taking_part = asyncio.create_task(take_part(int(port), group, topic, name, patience))
    ending = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait([taking_part, ending], return_when=asyncio.FIRST_COMPLETED)
    if taking_part.done():
        await taking_part
    taking_part.cancel()


if __name__ == "__main__":
    asyncio.run(while_wanted(*sys.argv[1:]))
