# pyright: reportUnknownMemberType=false
"""A Faust worker that adds up what customers spent, out of what changed.

`faust --app examples.orders.revenue worker --without-web`
"""

from typing import Any

import faust

from examples.orders import shop
from examples.orders.settings import KAFKA, PARTITIONS, settings
from mmsb import EventKind
from mmsb.faust import Events, EventTable

app = faust.App(**settings("orders-revenue"))
orders = Events(app, shop.app, shop.Order, KAFKA)
revenue = EventTable(app, "revenue", default=0, partitions=PARTITIONS)


@app.agent(orders.topic)
async def add_up(stream: faust.StreamT[Any]) -> None:
    async for published in orders.read(stream):
        event = published.event
        if event.kind != EventKind.CREATED or event.page is None:
            continue
        customer, _ = event.key
        total = event.page.total
        if revenue.add(published, customer, lambda before, more=total: before + more):
            print(f"customer {customer}: {revenue[customer]}", flush=True)
