"""Three questions to real processes, which give three answers: what starts, serves, stands still, waits and closes."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

import mmsb
from examples.bank import Deposit, Open, app
from tests.cli.running import environment
from tests.project.tree import ROOT
from tests.watching.asking import answers, ask, figures, free_port, labelled, stats_of, until

START_SECONDS = 30.0
WAITS = (200, 503, 200)
SERVES = (200, 200, 200)
STALLS = (200, 503, 503)


class Watched:
    """`mmsb run --http`, of tests/watching/stalling.py."""

    def __init__(self, gate: Path, folder: Path, *options: str) -> None:
        self.port = free_port()
        words = ["run", "examples.bank:app", "--data", str(folder), "--interpreted", "--http", str(self.port), *options]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.watching.stalling", str(gate), *words],
            cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def until(self, wanted: tuple[int, int, int]) -> None:
        """Also from before it listens."""
        while self.process.poll() is None:
            try:
                return until(self.port, wanted, START_SECONDS)
            except ConnectionRefusedError:
                continue
        pytest.fail(f"it ended: {self.process.communicate()}")

    def end(self) -> tuple[int, str]:
        """Its exit code and complaints."""
        _, complaints = self.process.communicate(timeout=30)
        return self.process.returncode, complaints


@contextmanager
def watched(gate: Path, folder: Path, *options: str) -> Generator[Watched]:
    owner = Watched(gate, folder, *options)
    try:
        yield owner
    finally:
        owner.process.kill()
        owner.process.communicate()


def log_one(folder: Path) -> None:
    """Return once a deposit is logged."""

    async def submit() -> None:
        async with mmsb.connect(folder, app) as bank:
            await bank.submit(Deposit(1, 1), until="logged", timeout=10)

    asyncio.run(submit())


@pytest.mark.slow
def test_a_process_answers_three_questions_through_its_life(tmp_path: Path) -> None:
    gate, folder = tmp_path / "gate", tmp_path / "bank"
    gate.touch()
    with ExitStack() as stack:
        owner = stack.enter_context(watched(gate, folder))
        owner.until(WAITS)  # its claim cannot be made durable
        spare = stack.enter_context(watched(gate, folder, "--spare"))
        assert ask(owner.port, "/ready") == (503, "not ready\nit starts: it folds what the folder holds\n")
        assert ask(owner.port, "/stats")[0] == 503
        assert figures(ask(owner.port, "/metrics")[1])[labelled("mmsb_ready")] == 0

        gate.unlink()
        owner.until(SERVES)
        assert stats_of(ask(owner.port, "/stats")[1])["partitions"][0]["settled"] == -1

        gate.touch()
        log_one(folder)
        until(owner.port, STALLS)
        for path in ("/ready", "/progressing"):
            assert (
                ask(owner.port, path)[1]
                .splitlines()[1]
                .startswith("partition 0: intents 0 to 0 wait, and none has settled for ")
            )
        found = figures(ask(owner.port, "/metrics")[1])
        assert (found[labelled("mmsb_ready")], found[labelled("mmsb_progressing")]) == (0, 0)
        assert found[labelled("mmsb_lag_intents", partition="0")] == 1
        assert found[labelled("mmsb_still_seconds", partition="0")] > 0
        assert ask(owner.port, "/stats")[1].startswith("STATS_SECONDS: no step ended within 0.3 s")

        gate.unlink()
        until(owner.port, SERVES)

        owner.process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            ask(owner.port, "/alive", seconds=0.3)
        owner.process.send_signal(signal.SIGCONT)
        until(owner.port, SERVES)

        gate.touch()
        log_one(folder)
        spare.until(WAITS)
        owner.process.send_signal(signal.SIGTERM)
        until(owner.port, STALLS)
        assert ask(owner.port, "/ready")[1].startswith("not ready\nit closes")
        assert answers(spare.port) == WAITS
        assert "it is a spare" in ask(spare.port, "/ready")[1]

        gate.unlink()
        assert owner.end() == (0, "")
        spare.until(SERVES)
        assert stats_of(ask(spare.port, "/stats")[1])["partitions"][0]["settled"] == 1


def test_what_embeds_it_is_watched_while_it_runs(tmp_path: Path) -> None:
    port = free_port()

    async def check() -> None:
        async with app.run(data=tmp_path, interpreted=True, http=f"127.0.0.1:{port}") as bank:
            await bank.submit(Open(1, "ann"))
            assert await asyncio.to_thread(answers, port) == SERVES
            stats = stats_of((await asyncio.to_thread(ask, port, "/stats"))[1])
            assert stats["partitions"][0]["digest"] == (await bank.stats()).partitions[0].digest
        with pytest.raises(ConnectionRefusedError):
            ask(port, "/alive")

    asyncio.run(check())


def test_a_port_that_is_taken_stops_the_start_before_anything_is_made(tmp_path: Path) -> None:
    port = free_port()

    async def check() -> None:
        async with app.run(data=tmp_path / "one", interpreted=True, http=str(port)):
            with pytest.raises(mmsb.EnvironmentFailed, match=r"cannot listen on 127\.0\.0\.1"):
                await app.run(data=tmp_path / "two", interpreted=True, http=str(port)).__aenter__()
        assert not (tmp_path / "two").exists()

    asyncio.run(check())


@pytest.mark.parametrize("log", [None, "kafka://127.0.0.1:1"])
def test_a_start_says_that_it_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str | None) -> None:
    port, asked = free_port(), threading.Event()

    def compile_slowly(*_: object) -> None:
        asked.wait(START_SECONDS)
        raise mmsb.EnvironmentFailed("no compiler")

    monkeypatch.setattr("mmsb.streams.engine.build", compile_slowly)
    monkeypatch.setattr("mmsb.streams.kafka.engine.build_folding", compile_slowly)

    async def check() -> None:
        starting = asyncio.create_task(app.run(data=tmp_path, log=log, http=str(port)).__aenter__())
        found = (0, "")
        try:
            async with asyncio.timeout(START_SECONDS):
                while found == (0, ""):
                    with suppress(ConnectionRefusedError):
                        found = await asyncio.to_thread(ask, port, "/ready")
        finally:
            asked.set()
        assert found == (503, "not ready\nit starts: it loads its code, and compiles what is new here\n")
        with pytest.raises(mmsb.EnvironmentFailed, match="no compiler"):
            await starting

    asyncio.run(check())


def test_a_start_that_fails_ends_the_answers_too(tmp_path: Path) -> None:
    port = free_port()

    async def check() -> None:
        async with app.run(data=tmp_path, interpreted=True):
            with pytest.raises(mmsb.FolderInUse):
                await app.run(data=tmp_path, interpreted=True, http=str(port)).__aenter__()
        with pytest.raises(ConnectionRefusedError):
            ask(port, "/alive")

    asyncio.run(check())
