"""Markdown as the tests of the documents read it: tables, fenced blocks, links."""

import re
from pathlib import Path

from tests.project.tree import ROOT

DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("*/README.md"),
        ROOT / "examples" / "orders" / "README.md",
        *ROOT.glob("tests/*/*.md"),
    ]
)


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def table(text: str, *header: str) -> list[list[str]]:
    """The rows of the one table with this header."""
    lines = text.splitlines()
    starts = [at for at, line in enumerate(lines) if cells(line) == list(header)]
    assert len(starts) == 1, f"expected one table {header}, found {len(starts)}"
    rows: list[list[str]] = []
    for line in lines[starts[0] + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(cells(line))
    return rows


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []


def code(cell: str) -> str:
    """What stands between back quotes, and nothing else does."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    assert found, f"expected `code`, found {cell}"
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}(?: [^\n]*)?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchor(title: str) -> str:
    """How Markdown on the web names a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {anchor(title) for title in re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)}
