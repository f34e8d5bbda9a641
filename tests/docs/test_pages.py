"""What README.md and the pages under docs/ show runs, and what they name is there."""

import re
import sys

import pytest

from tests.docs.pages import blocks_of, run_page
from tests.docs.tables import DOCUMENTS, anchors, blocks, prose, text_of
from tests.project.tree import ROOT, run

PAGES = [path for path in DOCUMENTS if path.name == "README.md" or path.parent == ROOT / "docs"]
RUNNING = [path for path in PAGES if {"python", "run", "serve"} & {
    word for block in blocks_of(path.read_text("utf-8")) for word in (block.kind, *block.words)
}]  # fmt: skip

# Fences that show what other tests hold against the code, or a picture.
SHOWN = {"", "text", "json", "mermaid", "toml"}

# Commands that no page runs, because they take minutes, or run these tests, or need a broker, which tests/kafka has, or
# a machine or cluster to install on: tests/deploy holds what they name.
ELSEWHERE = re.compile(
    r"make|(NUMBA_DISABLE_JIT=1 )?\.venv/bin/python -m (tests|bench)\."
    r"|mmsb .*(kafka://|\./worker-1|--http |http://)|kafka-[a-z-]+\.sh |echo '.*' \|( kafka-console-producer\.sh .*)?$"
    r"|examples/clients/build$|((java -jar|node) )?\.cache/clients/.* localhost:9092 "
    r"|source \.venv/bin/activate$|faust --app "
    r"|(deploy/install|mkdir|cp|install|export|systemctl|journalctl|runuser|curl|docker|kubectl) "
)


@pytest.mark.parametrize("path", RUNNING, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_shows_runs_and_prints_what_it_says(path, tmp_path):
    run_page(str(path.relative_to(ROOT)), path.read_text("utf-8"), tmp_path)


def test_the_first_program_finds_what_it_left(tmp_path):
    [program] = blocks(text_of("README.md"), "python")
    (tmp_path / "first.py").write_text(program, "utf-8")

    first, second = (run(sys.executable, "first.py", cwd=tmp_path).stdout.splitlines()[0] for _ in range(2))

    assert first == "70"
    assert second == "140"
    assert f"the balance is then {second}" in " ".join(text_of("README.md").split())


def test_every_block_runs_or_is_held_against_the_code():
    for path in PAGES:
        for block in blocks_of(path.read_text("utf-8")):
            where = f"{path.name}:{block.line}"
            if block.kind == "console" and not block.words:
                for line in re.findall(r"^\$ (.*)", block.text, re.MULTILINE):
                    assert ELSEWHERE.match(line), f"{where}: {line}"
            else:
                assert block.kind in {"python", "console", *SHOWN}, f"{where}: {block.kind}"


def test_readers_find_the_pages_that_run():
    assert {"README.md", "core.md", "tutorial.md"} <= {path.name for path in RUNNING}


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


# Files that a program makes, that a reader is to write, or that are installed.
MADE = re.compile(r"[<*A-Z…]|^/|^\.venv/|^bench/results/|^(first|newer)\.py$|^\d/")


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
