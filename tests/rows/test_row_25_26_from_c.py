"""Rows 25 and 26: C structs are our bytes, buffers are handed over as views, and a bad record harms no neighbour."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mmsb
from examples.bank import Account, Deposit, Transfer
from tests.rows.bank import Log, records, rich

COMPILER = shutil.which("cc")
SOURCE = Path(__file__).with_name("transfer.c")


@pytest.fixture
def program(tmp_path):
    if COMPILER is None:
        pytest.skip("there is no C compiler called cc here")
    if sys.byteorder != "little":
        pytest.skip("the program writes its structs as they are, which is right on little-endian machines only")
    [layout] = [one for one in Log().machine.bundle.descriptor.intents if one.name == "Transfer"]
    built = tmp_path / "transfer"
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", f"-DTRANSFER_TYPE=UINT64_C({layout.type_id})"]
    subprocess.run([COMPILER, *flags, "-o", str(built), str(SOURCE)], check=True, timeout=60)
    return built


def written(program: Path, *arguments: int) -> bytes:
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def test_a_c_program_writes_an_intent_that_is_accepted(program):
    log = rich()
    value = written(program, 1, 2, 30)

    assert value == mmsb.pack(Transfer(1, 2, 30), id=b"written in C".ljust(16, b"\0"))
    log.applied(value)
    assert (log.read(Account[1]).balance, log.read(Account[2]).balance) == (70, 130)

    [again] = log.send(value).outcomes
    assert again.status is mmsb.Status.DUPLICATE


def test_what_c_writes_is_judged_like_anything_else(program):
    assert rich().rejection(written(program, 1, 2, -5))[1] == "Transfer.amount must be > 0, found -5"
    assert rich().rejection(written(program, 1, 2, 500))[0].code is mmsb.Code.PREDICATE


def test_a_bad_record_among_5000_is_named_and_its_neighbours_apply():
    values = [mmsb.pack(Deposit(1, 1))] * 5_000
    values[4_217] = values[0][:-1]
    log = Log()

    outcome = log.send(*values)

    bad = [outcome.first + at for at, row in enumerate(outcome.outcomes) if row.status is not mmsb.Status.APPLIED]
    assert bad == [4_217]
    assert outcome[4_217].rejection == mmsb.Rejection(mmsb.Code.MALFORMED)
    assert log.read(Account[1]).balance == 4_999


def test_a_batch_is_decoded_in_place():
    batch = mmsb.encode_batch(0, list(records(0, [mmsb.pack(Deposit(1, 1))] * 3)))

    [decoded] = mmsb.decode_batches(batch)

    assert decoded.buffer is batch
    assert Log().machine.step(decoded).last == 2
