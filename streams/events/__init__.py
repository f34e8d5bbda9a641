"""Events for consumers in this process: a projection of the accepted TLog, from any position, at each one's own pace.

`events.py` is the door. Each consumer has a reader (`reader.py`), which takes packed events from a feed (`feed.py`): a
follower of the TLog (`follower.py`) and the newest events that it made. Readers near each other share a feed; those in
the past, or far ahead of the others, have their own until they meet. Nothing is done unless a reader asks for more, so
that the log itself is the queue of whoever stalls.
"""
