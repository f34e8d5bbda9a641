"""The clients in other languages, which know nothing of MMSB: what they ask for settles, and they hear of it."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from mmsb.schemas.ids import id_text, make_id
from tests.kafka.cluster import Cluster
from tests.kafka.judging import said
from tests.kafka.other_languages import FOLDER, built, repeat
from tests.kafka.working import Order, Worker, restored_names, until

pytestmark = pytest.mark.slow

LANGUAGES: Final = ("java", "go", "node")
PARTITIONS: Final = 3
SALARIES: Final = {
    int(account): int(amount) for account, amount in map(str.split, (FOLDER / "salaries.txt").read_text().splitlines())
}
MANY: Final = 2_500
LONG_RUN: Final = "november-" * 24  # so that many are more than the mebibyte that brokers take at once
PAID: Final = {account: amount for account, amount in SALARIES.items() if amount}


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with restored_names():
        yield


def heard(path: Path) -> list[dict[str, Any]]:
    """Partition after partition; a last line that is being written does not count yet."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    return sorted(records, key=lambda record: record["@partition"])


def places(records: list[dict[str, Any]], mark: str = "@") -> list[tuple[int, int]]:
    return [(record[f"{mark}partition"], record[f"{mark}offset"]) for record in records]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_in_another_language_pays_once_and_hears_of_it_once(
    kafka_url: str, tmp_path: Path, language: str
) -> None:
    order = Order(
        kafka_url, tmp_path / "worker", f"bank-{uuid.uuid4().hex[:12]}", "bank", PARTITIONS, ("--events", "json")
    )
    client = built(language, order)
    worker = Worker(order)
    try:
        worker.wait()
        with client.watching("events", tmp_path) as events, client.watching("rejects", tmp_path) as rejects:
            assert client.pay("november", like="november") == f"sent {len(SALARIES)}\n"
            assert client.pay("december", like="december") == f"sent {len(SALARIES)}\n"
            assert client.pay("november", like="december") == f"sent {len(SALARIES)}\n", "packed now"
            until(lambda: len(heard(events)) >= 2 * len(PAID), "the changes of two runs")
            until(lambda: len(heard(rejects)) >= 2, "their rejections")
            assert repeat(order, "events", PARTITIONS) == 2 * len(PAID)
            assert repeat(order, "rejects", PARTITIONS) == 2
            client.pay("january", like="november")
            until(lambda: len(heard(events)) >= 3 * len(PAID), "the changes of the third run")
            until(lambda: len(heard(rejects)) >= 3, "its rejection")
            worker.stop()
            said("log", "copy", f"{order.url}/{order.name}", tmp_path / "log")
            log = said("log", tmp_path / "log", "--from", "0")
            applied = places([row for row in log if row["status"] == "applied"], "")
            rejected = places([row for row in log if row["status"] == "rejected"], "")
            until(lambda: set(applied) <= set(places(heard(events))), "all changes")
            until(lambda: set(rejected) <= set(places(heard(rejects))), "all rejections")
        changes, refusals = heard(events), heard(rejects)
    finally:
        worker.kill()

    found = Counter((row["rejection"] or row["status"], row["reason"]) for row in log)
    runs = ("november", "december", "january")
    unpaid = len(SALARIES) - len(PAID)
    assert found == Counter(
        {("duplicate", "november"): len(SALARIES)}
        | {("applied", run): len(PAID) for run in runs}
        | {("bound", run): unpaid for run in runs}
    )
    assert {row["actor"] for row in log} == {"payroll"}
    assert places(changes) == applied, "each once, and in order"
    assert places(refusals) == rejected
    number = list(SALARIES).index(10) + 1
    assert {record["@cause"] for record in refusals} == {id_text(make_id(f"{run}/{number}")) for run in runs}
    pages = {row["key"]: row["fields"] for row in said("scan", tmp_path / "log", "Account")}
    view = {change["@key"]: {name: change[name] for name in ("owner", "balance", "moves")} for change in changes}
    assert view == pages
    assert {key: fields["balance"] for key, fields in pages.items()} == {key: 3 * PAID[key] for key in PAID}


def test_clients_pay_more_than_a_batch_takes_and_hear_of_it_after_their_broker_was_killed(
    own_kafka: Cluster, tmp_path: Path
) -> None:
    order = Order(own_kafka.url, tmp_path / "worker", "bank", "bank", 1, ("--events", "json"))
    clients = {language: built(language, order) for language in LANGUAGES}
    many = tmp_path / "many.txt"
    many.write_text("".join(f"{account} 1\n" for account in range(1, MANY + 1)))
    total = len(clients) * MANY
    worker = Worker(order)
    try:
        worker.wait()
        with ExitStack() as watching:
            events = [
                watching.enter_context(client.watching("events", tmp_path / language))
                for language, client in clients.items()
            ]
            clients["go"].pay("november", like="november")
            until(lambda: all(len(heard(path)) == len(PAID) for path in events), "the changes before")
            own_kafka.kill()
            own_kafka.restart()
            for language, client in clients.items():
                sent = client.pay(f"{language}-{LONG_RUN}", like="november", salaries=many)
                assert sent == f"sent {MANY}\n", language
            until(lambda: all(len(heard(path)) >= len(PAID) + total for path in events), "the changes after")
            changes = [heard(path) for path in events]
        worker.stop()
    finally:
        worker.kill()
    for each in changes:
        assert places(each) == sorted(set(places(each))), "each once, and in order"
        paid = {change["@key"]: change["balance"] for change in each}
        assert paid == PAID | {account: PAID.get(account, 0) + len(clients) for account in range(1, MANY + 1)}
