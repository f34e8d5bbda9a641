"""What README.md and the pages under docs/ show runs, and what they name is there."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.tables import DOCUMENTS, anchors, blocks, prose, text_of
from tests.project.tree import ROOT, run

README = text_of("README.md")
DECLARATIONS, FIVE_MINUTES, COMPILED = blocks(README, "python")

SHOW = """
import json
descriptor = app.bundle().descriptor.to_json()
code = {one["name"]: app.bundle().program_named(one["name"]).code.to_json() for one in descriptor["intents"]}
print(json.dumps({"code": code, **descriptor}))
"""


def declared(source: str, path: Path) -> dict[str, Any]:
    """What a module of this source declares: IR and layouts, as its bundle hashes them."""
    path.write_text(source + SHOW, "utf-8")
    result = run(sys.executable, path, cwd=ROOT)
    assert result.returncode == 0, result.stdout
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_first_block_declares_what_the_example_declares(tmp_path):
    first = declared(DECLARATIONS, tmp_path / "first.py")
    example = declared(text_of("examples/bank.py"), tmp_path / "example.py")

    names = [intent["name"] for intent in first["intents"]]
    assert names
    assert first["pages"] == example["pages"]
    assert first["intents"] == [intent for intent in example["intents"] if intent["name"] in names]
    assert first["code"] == {name: example["code"][name] for name in names}


def test_the_second_block_prints_what_it_says():
    result = run(sys.executable, "-c", FIVE_MINUTES, cwd=ROOT)
    said = [comment.strip() for comment in re.findall(r"#(.*)$", FIVE_MINUTES, re.MULTILINE)]

    assert result.returncode == 0, result.stdout
    *outcomes, account = result.stdout.splitlines()
    assert ", ".join(outcomes) in said
    assert account in said


def test_the_third_block_gives_the_same_bytes_compiled():
    result = run(sys.executable, "-c", FIVE_MINUTES + COMPILED, cwd=ROOT)

    assert "assert again.sections == outcome.sections" in COMPILED
    assert result.returncode == 0, result.stdout


def test_the_walkthrough_says_what_it_promises():
    result = run(sys.executable, "-m", "examples.walkthrough", cwd=ROOT)

    assert result.returncode == 0, result.stdout
    for words in (
        "duplicate of offset 2",
        "rejected, predicate: the predicate of Transfer said no",
        "rejected, bound: Transfer.amount must be > 0, found 0",
        "balance=70",
        "which is equal",
    ):
        assert words in result.stdout


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text("utf-8"))):
        if "://" in link:
            continue
        name, _, section = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{link} in {path.name}"
        assert not section or section in anchors(target), f"no section #{section} in {target.name}"


# Files that a program makes, or that a reader is to write.
MADE = re.compile(r"[<*A-Z…]|^\.venv/|^bench/results/")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_named_exists(path):
    for name in re.findall(r"`([\w./*<>-]+(?:/|\.(?:py|md|toml|lock|bin|json)))`", prose(path.read_text("utf-8"))):
        if MADE.search(name):
            continue
        assert (ROOT / name).exists() or (path.parent / name).exists(), f"{name} in {path.name}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_shown_is_there(path):
    makefile = text_of("Makefile")
    text = path.read_text("utf-8")
    consoles = "\n".join(blocks(text, "console"))
    for target in re.findall(r"(?:^\$ |`)make ([a-z]\w*)", consoles + prose(text), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target} in {path.name}"
    for module in re.findall(r"python -m ([\w.]+)", text):
        if module.split(".")[0] in ("tests", "examples", "bench"):
            found = ROOT.joinpath(*module.split("."))
            assert found.with_suffix(".py").exists() or (found / "__main__.py").exists(), f"{module} in {path.name}"
