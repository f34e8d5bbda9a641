"""The past of a folder, asked by a program: the same as the command line tells."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

import mmsb
from examples import remittances
from examples.remittances import Open, Send
from mmsb.cli.past_rows import entry_json
from mmsb.cli.stored import Stored


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("asked") / "data"
    asyncio.run(_send(data))
    return data


async def _send(data: Path) -> None:
    async with remittances.app.run(data=data, interpreted=True, partitions=2) as bus:
        for account in range(4):
            await bus.submit(Open(account, 100, 100 if account == 3 else 1_000), actor="bank", reason="opening")
        for account in range(1, 4):
            await bus.submit(Send(0, account, 10), actor="bob", id=f"send-{account}", correlation="gifts")


@pytest.mark.parametrize("partition", [0, 1])
def test_entries_say_what_the_log_says(sent, partition):
    with mmsb.Logbook(sent) as book:
        found = list(book.log(partition=partition))
        backwards = list(book.log(partition=partition, newest_first=True))
    stored = Stored(sent)
    past = stored.past(partition)
    told = [entry_json(past.descriptor_at(entry.tlog), entry) for entry in past.entries(0, 100)]
    stored.close()

    assert backwards == found[::-1]
    assert len(found) == len(told) >= 4
    for entry, row in zip(found, told, strict=True):
        for name in (
            "partition", "offset", "intent", "actor", "reason", "id", "correlation", "causation", "first_offset", "why",
            "generation",
        ):  # fmt: skip
            assert getattr(entry, name) == row[name]
        assert str(entry.status) == row["status"]
        assert [(page.page, page.key, page.kind.name.lower(), page.before) for page in entry.pages] == [
            (page["page"], page["key"], page["kind"], page["before"]) for page in row["pages"]
        ]
        assert list(entry.follow_ups) == row["follow_ups"]


def test_conditions_hold_together(sent):
    with mmsb.Logbook(sent) as book:
        where = next(entry.partition for number in (0, 1) for entry in book.log(partition=number, id="send-1"))
        [first] = book.log(partition=where, id="send-1")
        sends = list(book.log(partition=where, type="Send", actor="bob", correlation="gifts"))
        refused = [entry for number in (0, 1) for entry in book.log(partition=number, status=mmsb.Status.REJECTED)]
        at = datetime.fromtimestamp(first.time / 1_000_000, UTC)
        east = at.astimezone(timezone(timedelta(hours=2)))
        since = list(book.log(partition=where, since=east))
        until = list(book.log(partition=where, until=at.replace(tzinfo=None)))
        whole = list(book.log(partition=where))
        middle = list(book.log(partition=where, first=1, last=2))

    assert [entry.id for entry in sends][:1] == [first.id]
    assert len(sends) == 3
    assert [(entry.intent, entry.rejection is not None) for entry in refused] == [("Credit", True)]
    assert until + since == whole
    assert first in since
    assert [entry.offset for entry in middle] == [1, 2]


def test_why_goes_both_ways(sent):
    with mmsb.Logbook(sent) as book:
        [refused] = [entry for number in (0, 1) for entry in book.log(partition=number, status=mmsb.Status.REJECTED)]
        told = book.why(refused.offset, refused.partition)
        above = book.why(told.causes[0].offset, told.causes[0].partition)

    assert (told.entry, told.begins, told.missing, told.cut) == (refused, None, (), False)
    assert [(cause.intent, cause.actor) for cause in told.causes] == [("Send", "bob")]
    assert [effect.entry.intent for effect in told.effects] == ["Refund"]
    assert [effect.entry for effect in above.effects] == [refused]
    assert above.effects[0].effects == told.effects


def test_what_is_not_there_is_refused(sent, tmp_path):
    with mmsb.Logbook(sent) as book:
        with pytest.raises(mmsb.InvalidValue, match="expected one of 0, 1, found 2"):
            book.log(partition=2)
        with pytest.raises(mmsb.InvalidValue, match="nothing is known of offset 999"):
            book.why(999)
        with pytest.raises(mmsb.InvalidValue, match="did you mean 'Send'"):
            book.log(type="Snd")
    with pytest.raises(mmsb.EnvironmentFailed, match="expected a data folder"):
        mmsb.Logbook(tmp_path)
