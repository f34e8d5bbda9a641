# pyright: reportUnknownMemberType=false
"""A Faust worker whose agent fails on one record, until it is mended."""

import os
from typing import Any, Final

import faust

from examples.bank import Deposit
from examples.bank import app as bank
from mmsb.faust import Sink

URL: Final = os.environ["TESTED_KAFKA"]
MENDED: Final = "MMSB_TEST_MENDED" in os.environ
BAD: Final = b"bad"

bank.name = os.environ["TESTED_NAME"]
app = faust.App(f"{bank.name}-deposits", broker=URL, topic_disable_leader=True, broker_commit_interval=0.1)
deposits = app.topic(f"{bank.name}-deposits", value_serializer="raw")
sink = Sink("deposits", app, bank, URL)


@app.agent(deposits)
async def deposit(stream: faust.StreamT[Any]) -> None:
    async for record in sink.records(stream):
        if record.value != BAD:
            receipts = await sink.submit(record, Deposit(1, int(record.value)), Deposit(1, 1))
            assert len(await receipts) == 2
        elif MENDED:
            await sink.submit(record)
        else:
            raise ValueError("it is bad")
