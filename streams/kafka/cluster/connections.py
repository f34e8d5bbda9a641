# mypy: disable-error-code="import-untyped, misc, no-untyped-call"
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
"""Connections to brokers: aiokafka's, one for each lane to each broker, with its insides kept in here.

aiokafka's own client would open one connection at a time, ask for all topics of the cluster, and log what is no error.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Hashable
from contextlib import suppress
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import SaslAuthenticateRequest

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.security import Security, protocol_of, tls_context
from mmsb.streams.kafka.cluster.url import Address

CLIENT_ID: Final = "mmsb"
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 300.0
"""Every request has a limit of its own, below this one of aiokafka's."""

IDLE_SECONDS: Final = 240.0
"""Short of the ten minutes after which brokers hang up, which would leave it open what became of an append."""

_DENIED: Final = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    ssl.SSLCertVerificationError,
)


class Unsent(Exception):
    """A broker could not be reached: the request was not sent."""


class Unanswered(Exception):
    """The request was sent and not answered: it may have been carried out, or be carried out yet."""


class Connections:
    def __init__(self, security: Security) -> None:
        self._security = security
        self._context = tls_context(security)
        self._open: dict[tuple[Address, Hashable], Any] = {}
        self._opening: defaultdict[tuple[Address, Hashable], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._closed = False

    async def ask(self, address: Address, lane: Hashable, request: object, seconds: float) -> Any:
        """The answer to a request of aiokafka's. One connection carries what is asked in a lane, and answers in order.

        Raises Unsent, Unanswered, and EnvironmentFailed for what will not change by asking again.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        connection = await self._connected(address, lane, seconds)
        try:
            answer = connection.send(request)
        except KafkaConnectionError as error:
            raise Unsent(f"{address}: {error}") from error
        except (IncompatibleBrokerVersion, NotImplementedError) as error:
            raise EnvironmentFailed(
                f"{address}: expected a broker of Kafka 2.1 or newer that knows {type(request).__name__}, found that "
                f"it does not: {error}"
            ) from error
        try:
            async with asyncio.timeout_at(deadline):
                return await answer
        except (KafkaError, OSError, TimeoutError) as error:
            self._drop(address, lane, connection)
            raise Unanswered(f"{address}: no answer: {error!r}") from error
        except asyncio.CancelledError:
            self._drop(address, lane, connection)  # what is asked next would wait for the answer that nobody wants
            raise

    @property
    def protocol(self) -> str:
        return protocol_of(self._security)

    def drop(self, address: Address, lane: Hashable) -> None:
        """Close a lane's connection; who waits for an answer on it gets none."""
        connection = self._open.pop((address, lane), None)
        if connection is not None:
            connection.close()

    def drop_lane(self, lane: Hashable) -> None:
        for address, other in list(self._open):
            if other == lane:
                self.drop(address, lane)

    async def close(self) -> None:
        self._closed = True
        closing = [connection.close() for connection in self._open.values()]
        self._open.clear()
        for closed in closing:
            with suppress(asyncio.CancelledError):
                await closed

    def _drop(self, address: Address, lane: Hashable, connection: Any) -> None:
        """That one, and none that has taken its place."""
        if self._open.get((address, lane)) is connection:
            self.drop(address, lane)

    async def _connected(self, address: Address, lane: Hashable, seconds: float) -> Any:
        try:
            async with asyncio.timeout(min(seconds, CONNECT_SECONDS)), self._opening[address, lane]:
                found = self._open.get((address, lane))
                if found is not None and _is_usable(found):
                    return found
                self.drop(address, lane)
                connection = self._connection(address)
                await _connect(connection, address)
                if self._closed:
                    connection.close()
                    raise Unsent("the client is closed")
                self._open[address, lane] = connection
                return connection
        except TimeoutError as error:
            raise Unsent(f"{address}: cannot connect in time") from error

    def _connection(self, address: Address) -> Any:
        return _Connection(
            address.host,
            address.port,
            client_id=CLIENT_ID,
            request_timeout_ms=round(ANSWER_SECONDS * 1000),
            max_idle_ms=round(IDLE_SECONDS * 1000),
            security_protocol=self.protocol,
            ssl_context=self._context,
            sasl_mechanism=self._security.mechanism,
            sasl_plain_username=self._security.user,
            sasl_plain_password=self._security.password,
        )


async def _connect(connection: Any, address: Address) -> None:
    try:
        await connection.connect()
    except _DENIED as error:
        raise EnvironmentFailed(
            f"{address}: expected the broker to take our user or certificate, and its own to be good, found: {error}"
        ) from error
    except (KafkaError, OSError) as error:
        raise Unsent(f"{address}: cannot connect: {error!r}") from error


def _is_usable(connection: Any) -> bool:
    return connection.connected() and not connection._writer.is_closing()


class _Connection(AIOKafkaConnection):
    """One that logs no password: aiokafka's logger has whole requests when it is asked for all.

    And one that closes at once: within TLS it would wait for the broker's good-bye, and be left open if the loop ends.
    """

    def close(self, reason: Any = None, exc: Any = None) -> Any:
        writer = self._writer
        closed = super().close(reason, exc)
        if writer is not None:
            writer.transport.abort()
        return closed

    def send(self, request: Any, expect_response: bool = True) -> Any:
        if isinstance(request, SaslAuthenticateRequest):
            request = _Unlogged(request)
        return super().send(request, expect_response)


class _Unlogged:
    def __init__(self, request: Any) -> None:
        self._request = request

    def prepare(self, versions: Any) -> Any:
        struct = self._request.prepare(versions)
        kind: type[Any] = type(struct)
        shown = f"{kind.__name__}(not shown)"
        hidden: Any = type(shown, (kind,), {"__repr__": lambda self: shown})  # pyright: ignore[reportUnknownLambdaType]
        return hidden(*(getattr(struct, name) for name in struct.SCHEMA.names))
