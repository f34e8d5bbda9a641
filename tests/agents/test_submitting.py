"""What is handed to a sink, and is no record of its stream, is refused before anything happens."""

import asyncio
from typing import Any

import faust
import pytest

from examples.orders import shop
from mmsb.faust import Sink
from mmsb.schemas.errors import InvalidValue


def test_the_value_of_a_record_is_not_the_record() -> None:
    sink = Sink("enrich", faust.App("enrich"), shop.app, "kafka://localhost:9092")
    value: Any = b"1,1"
    with pytest.raises(InvalidValue, match=r"with one of sink\.records, found b'1,1'"):
        asyncio.run(sink.submit(value, shop.Place(1, 1, "tea", 1, 3)))
