"""Faust at the edge: agents that submit intents, and agents that consume what changed (docs/faust.md).

`Sink` numbers the intents that an agent makes of its records by where these lie, so that records which are read twice
apply once. `Events` gives an agent the events of a page class, and `EventTable` counts each of them once.

An extra: `pip install 'mmsb[faust]'`. Nothing else of MMSB knows it.
"""

try:
    from mmsb.faust.events import Events, PublishedEvent
    from mmsb.faust.sink import Sink
    from mmsb.faust.tables import EventTable
except ModuleNotFoundError as error:
    if error.name != "faust":
        raise
    raise ModuleNotFoundError("mmsb.faust: expected Faust, found none installed: pip install 'mmsb[faust]'") from error

__all__ = ["EventTable", "Events", "PublishedEvent", "Sink"]
