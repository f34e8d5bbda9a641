"""Where brokers are, as people write it."""

import pytest

from mmsb.schemas.errors import InvalidValue
from mmsb.streams.kafka.cluster.url import Address, is_url, parse_url


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("kafka://one", [("one", 9092)]),
        ("kafka://one:19092", [("one", 19092)]),
        ("KAFKA://one:1,two,three.example.com:65535", [("one", 1), ("two", 9092), ("three.example.com", 65535)]),
        ("kafka://10.0.0.1:9093", [("10.0.0.1", 9093)]),
        ("kafka://[::1]", [("::1", 9092)]),
        ("kafka://[2001:db8::7]:9094,one", [("2001:db8::7", 9094), ("one", 9092)]),
    ],
)
def test_brokers_are_named_by_host_and_port(url: str, addresses: list[tuple[str, int]]) -> None:
    assert parse_url(url) == tuple(Address(*address) for address in addresses)


@pytest.mark.parametrize(
    "url",
    [
        "", "kafka", "kafka:", "kafka:one", "kafka:/one", "kafka://", "one:9092", "http://one", "kafka://one,",
        "kafka://,one", "kafka://one:", "kafka://one:port", "kafka://one:0", "kafka://one:65536", "kafka://one:-1",
        "kafka://one/", "kafka://one/topic", "kafka://one?acks=1", "kafka://one#x", "kafka://::1", "kafka://::1:9092",
        "kafka://[::1", "kafka://[one]x:1", "kafka://one two", "kafka:// one", "kafka://one ,two", "kafka://[::1]9092",
    ],
)  # fmt: skip
def test_anything_else_is_refused_saying_what_is_meant(url: str) -> None:
    with pytest.raises(InvalidValue, match=r"expected kafka://host:port"):
        parse_url(url)


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidValue, match="MMSB_KAFKA_PASSWORD") as raised:
        parse_url("kafka://ann:secret@one:9092")
    assert "secret" not in str(raised.value)


def test_an_address_reads_as_it_is_written() -> None:
    assert [str(address) for address in parse_url("kafka://one:1,[::1]:2")] == ["one:1", "[::1]:2"]


@pytest.mark.parametrize(
    ("text", "meant"), [("kafka://one", True), ("data", False), ("kafka", False), ("./a:b", False)]
)
def test_a_folder_is_no_url(text: str, meant: bool) -> None:
    assert is_url(text) is meant
