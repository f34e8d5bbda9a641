"""Real brokers that want to know who we are, behind TLS: all works as in the open, and nothing that should not does."""

import asyncio
import logging
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from mmsb.schemas.errors import EnvironmentFailed
from mmsb.streams.kafka.cluster.client import open_broker
from mmsb.streams.kafka.cluster.security import OPEN, Security
from tests.kafka.certificates import make_authority
from tests.kafka.cluster import Cluster, Listener, running_cluster
from tests.kafka.contract import (
    Clause,
    a_group_gives_each_partition_to_one_member,
    an_append_gives_the_offset_that_it_got,
    check,
    notes_are_kept_by_group_and_partition,
    records_are_followed_unchanged,
)

pytestmark = pytest.mark.slow

PASSWORD: Final = "not-to-be-seen-4711"
ANN: Final[dict[str, Any]] = {"user": "ann", "password": PASSWORD}
LISTENERS: Final = [
    Listener("TLS", "SSL"),
    Listener("MUTUAL", "SSL"),
    Listener("ELSEWHERE", "SSL"),
    Listener("OPENSASL", "SASL_PLAINTEXT"),
    Listener("CLOSEDSASL", "SASL_SSL"),
]
CLAUSES: Final[list[Clause]] = [
    an_append_gives_the_offset_that_it_got,
    records_are_followed_unchanged,
    notes_are_kept_by_group_and_partition,
    a_group_gives_each_partition_to_one_member,
]
REFUSED_S: Final = 10
"""To find out that it will not work."""


@dataclass(frozen=True)
class Secured:
    cluster: Cluster
    authority: Path
    stranger: Path
    """An authority that did not vouch for the brokers."""

    own: Path
    """Our certificate and key."""


@pytest.fixture(scope="module")
def secured(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    if shutil.which("openssl") is None:
        pytest.skip("not run: there is no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("secured")
    authority = make_authority(folder, "authority")
    stranger = make_authority(folder, "stranger")
    broker, elsewhere = authority.vouch("broker", "127.0.0.1"), authority.vouch("elsewhere", "192.0.2.1")
    plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_ann="{PASSWORD}";'
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(broker),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.elsewhere.ssl.keystore.type": "PEM",
        "listener.name.elsewhere.ssl.keystore.location": str(elsewhere),
        "listener.name.closedsasl.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.opensasl.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.closedsasl.plain.sasl.jaas.config": plain,
        "listener.name.closedsasl.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.closedsasl.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.opensasl.scram-sha-512.sasl.jaas.config": scram,
    }
    with running_cluster(folder / "kafka", settings=settings, listeners=LISTENERS, users={"ann": PASSWORD}) as cluster:
        own = authority.vouch("own", "127.0.0.1")
        yield Secured(cluster, authority.certificate, stranger.certificate, own)


def try_all(url: str, security: Security) -> None:
    async def main() -> None:
        async with open_broker(url, security) as broker, open_broker(url, security) as other:
            for clause in CLAUSES:
                await check(clause, broker, other, f"secured-{uuid.uuid4().hex}")

    asyncio.run(main())


def refused(url: str, security: Security) -> str:
    """What it says when it does not even open."""

    async def main() -> None:
        async with asyncio.timeout(REFUSED_S), open_broker(url, security):
            pytest.fail("it was let in")

    with pytest.raises(EnvironmentFailed) as raised:
        asyncio.run(main())
    assert PASSWORD not in str(raised.value)
    return str(raised.value)


def test_over_tls(secured: Secured) -> None:
    try_all(secured.cluster.url_of("TLS"), Security(authorities=secured.authority))


def test_with_a_certificate_of_our_own(secured: Secured) -> None:
    security = Security(authorities=secured.authority, certificate=secured.own)
    try_all(secured.cluster.url_of("MUTUAL"), security)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_with_a_user_within_tls(secured: Secured, mechanism: str) -> None:
    try_all(secured.cluster.url_of("CLOSEDSASL"), Security(**ANN, mechanism=mechanism, authorities=secured.authority))


def test_with_a_user_over_an_open_line(secured: Secured) -> None:
    try_all(secured.cluster.url_of("OPENSASL"), Security(**ANN, protocol="SASL_PLAINTEXT"))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("wrong", [{"password": "guessed"}, {"user": "bob"}])
def test_a_wrong_user_or_password_is_refused(secured: Secured, mechanism: str, wrong: dict[str, str]) -> None:
    said: dict[str, Any] = {**ANN, **wrong}
    security = Security(**said, mechanism=mechanism, authorities=secured.authority)
    words = refused(secured.cluster.url_of("CLOSEDSASL"), security)
    assert "expected the broker to take our user" in words


def test_a_mechanism_that_the_broker_does_not_have_is_refused(secured: Secured) -> None:
    security = Security(**ANN, protocol="SASL_PLAINTEXT", mechanism="SCRAM-SHA-256")
    assert "UnsupportedSaslMechanism" in refused(secured.cluster.url_of("OPENSASL"), security)


def test_a_broker_for_whom_nobody_vouches_is_not_trusted(secured: Secured) -> None:
    for security in (Security(protocol="SSL"), Security(**ANN, authorities=secured.stranger)):
        words = refused(secured.cluster.url_of("CLOSEDSASL" if security.is_sasl else "TLS"), security)
        assert "CERTIFICATE_VERIFY_FAILED" in words


def test_a_broker_that_is_somebody_else_is_not_trusted(secured: Secured) -> None:
    words = refused(secured.cluster.url_of("ELSEWHERE"), Security(authorities=secured.authority))
    assert "certificate is not valid for '127.0.0.1'" in words


def test_a_broker_that_wants_a_certificate_gets_one_or_says_so(secured: Secured) -> None:
    refused(secured.cluster.url_of("MUTUAL"), Security(authorities=secured.authority))


@pytest.mark.parametrize("listener", ["TLS", "OPENSASL", "CLOSEDSASL"])
def test_who_says_nothing_of_himself_is_not_let_in(secured: Secured, listener: str) -> None:
    assert "speak PLAINTEXT" in refused(secured.cluster.url_of(listener), OPEN)


def test_who_expects_tls_where_there_is_none_is_told_what_was_spoken(secured: Secured) -> None:
    words = refused(secured.cluster.url, Security(**ANN, authorities=secured.authority))
    assert "look whether they listen there, and speak SASL_SSL" in words


def test_a_password_is_in_no_log(secured: Secured, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for mechanism in ("PLAIN", "SCRAM-SHA-512"):
        security = Security(**ANN, mechanism=mechanism, authorities=secured.authority)
        try_all(secured.cluster.url_of("CLOSEDSASL"), security)
    assert "Request to" in caplog.text, "aiokafka tells of all requests"
    assert PASSWORD not in caplog.text
