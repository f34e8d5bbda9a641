# pyright: reportUnknownMemberType=false
"""A Faust worker that looks the prices of orders up, and submits what follows.

`faust --app examples.orders.enrich worker --without-web`
"""

import asyncio
import json
from typing import Any

import faust

from examples.orders import shop
from examples.orders.settings import KAFKA, settings
from mmsb.faust import Sink

PRICES = {"tea": 3, "salt": 1, "pepper": 7}

app = faust.App(**settings("orders-enrich"))
placed = app.topic("placed-orders", value_serializer="raw")  # bytes: what Faust cannot decode it would skip
refused = app.topic("refused-orders", value_serializer="raw")
sink = Sink("enrich", app, shop.app, KAFKA)


async def price_of(product: str) -> int:
    """As a service elsewhere would say."""
    await asyncio.sleep(0.001)
    return PRICES[product]


@app.agent(placed)
async def enrich(stream: faust.StreamT[Any]) -> None:
    async for record in sink.records(stream):
        try:
            order = json.loads(record.value)
            place = shop.Place(
                order["customer"], order["order"], order["product"], order["quantity"], await price_of(order["product"])
            )
        except (ValueError, TypeError, KeyError) as error:
            # What cannot be an order is put aside with its reason, and nothing follows of it here.
            await (await refused.send(value=record.value, headers={"reason": repr(error).encode()}))
            await sink.submit(record)
        else:
            await sink.submit(record, place)
