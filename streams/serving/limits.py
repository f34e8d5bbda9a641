"""What one connection may have at once; both sides keep to it."""

from typing import Final

IN_FLIGHT_BYTES_MAX: Final = 32 << 20  # of one connection's intents that have not settled
CALL_BYTES: Final = 512  # what one submission costs beside its intents
QUESTIONS_MAX: Final = 8_192  # of one connection, at once; subscriptions count
