"""Runs what a page of the documents shows, from its top to its end, in a folder of its own.

The words behind a fence say what becomes of a block, and readers do not see them:

    python               a program: it runs
    python continues     goes on with the names of the program before it
    … file=NAME          is saved under that name, as the page tells the reader to
    console              commands that are only looked up: what they do is tested elsewhere
    console run          commands that run one after another, and what each prints
    console serve        one command, which runs until the next heading and then gets SIGTERM
    text                 directly behind a program: what it prints

In what is shown, … stands for anything within a line, and a line of its own for any lines.
"""

import io
import linecache
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.project.tree import ROOT

ENDS_SECONDS = 120.0


@dataclass(frozen=True)
class Block:
    kind: str
    words: tuple[str, ...]
    text: str
    line: int  # of its first line, from 1
    section: int  # counted by headings
    follows: bool  # directly behind the block before it

    def option(self, name: str) -> str | None:
        return next((word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")), None)


@dataclass(frozen=True)
class Command:
    line: str
    shown: str  # what it prints, as the page says


def blocks_of(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = text.splitlines()
    at, section, end = 0, 0, -2
    while at < len(lines):
        section += lines[at].startswith("#")
        fence = re.fullmatch(r"```(\S*)(.*)", lines[at])
        if fence:
            start = at + 1
            at = lines.index("```", start)
            words = tuple(shlex.split(fence[2]))
            body = "".join(f"{line}\n" for line in lines[start:at])
            between = lines[end + 1 : start - 1]
            yield Block(fence[1], words, body, start + 1, section, end > 0 and not any(between))
            end = at
        at += 1


def commands_of(block: Block) -> list[Command]:
    """The lines behind `$`, each with what is shown below it; a comment behind two blanks is for the reader."""
    found: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(re.sub(r"\s{2,}#.*", "", line[2:]), ""))
        else:
            found[-1] = Command(found[-1].line, f"{found[-1].shown}{line}\n")
    return found


def assert_shown(shown: str, printed: str, where: str) -> None:
    """That what was printed is what the page shows."""
    pattern = "".join(
        r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in shown.splitlines()
    )
    plain = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    assert re.fullmatch(pattern, plain), f"{where} shows\n{shown}\nand it prints\n{printed}"


class Run:
    """One page in one folder, which is the working folder meanwhile."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._names: dict[str, Any] = {}
        self._serving: tuple[subprocess.Popen[str], int] | None = None
        self._printed = ""

    def block(self, block: Block) -> None:
        self._end_serving(block.section)
        where = f"{self._name}:{block.line}"
        file = block.option("file")
        if file:
            (self._folder / file).write_text(block.text, "utf-8")
        elif block.kind == "python":
            self._python(block)
        elif block.kind == "text" and block.follows:
            assert_shown(block.text, self._printed, where)
        elif block.kind == "console" and "run" in block.words:
            for command in commands_of(block):
                self._command(command, where)
        elif block.kind == "console" and "serve" in block.words:
            [command] = commands_of(block)
            self._serve(command, where, block.section)

    def _python(self, block: Block) -> None:
        path = self._folder / f"block_{block.line}.py"
        path.write_text(block.text, "utf-8")
        if "continues" not in block.words:
            self._names = {"__name__": "__main__"}
        linecache.checkcache(str(path))
        said = io.StringIO()
        with redirect_stdout(said):
            exec(compile(block.text, path, "exec"), self._names)
        self._printed = said.getvalue()

    def _command(self, command: Command, where: str) -> None:
        done = subprocess.run(
            command.line, shell=True, executable="bash", cwd=self._folder, env=_environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=ENDS_SECONDS,
        )  # fmt: skip
        assert_shown(command.shown, done.stdout, f"{where}: {command.line}")

    def _serve(self, command: Command, where: str, section: int) -> None:
        """Until it has printed what is shown, which ends with the line that says that it is ready."""
        process = subprocess.Popen(
            shlex.split(command.line), cwd=self._folder, env=_environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._serving = (process, section)
        assert process.stdout is not None, "it is a pipe"
        printed = "".join(process.stdout.readline() for _ in command.shown.splitlines())
        assert_shown(command.shown, printed, f"{where}: {command.line}")

    def _end_serving(self, section: int) -> None:
        if self._serving is None or self._serving[1] == section:
            return
        process, _ = self._serving
        self._serving = None
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=ENDS_SECONDS)
        assert process.returncode == 0, rest

    def end(self) -> None:
        self._end_serving(-1)

    def kill(self) -> None:
        if self._serving is not None:
            self._serving[0].kill()
            self._serving[0].communicate()


def run_page(name: str, text: str, folder: Path) -> None:
    with _in_folder(folder):
        run = Run(name, folder)
        try:
            for block in blocks_of(text):
                run.block(block)
            run.end()
        finally:
            run.kill()


def _environment() -> dict[str, str]:
    """As a shell in the repository's root, in which the reader has activated `.venv`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


@contextmanager
def _in_folder(folder: Path) -> Generator[None]:
    """Work in it, import from it, and leave no module of it behind."""
    before, modules = Path.cwd(), set(sys.modules)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        os.chdir(before)
        for module in set(sys.modules) - modules:
            if str(getattr(sys.modules[module], "__file__", "")).startswith(str(folder)):
                del sys.modules[module]
