"""What users write passes both type checkers, and mistakes in it do not."""

import json

import pytest

from tests.project.tree import ROOT, run, tool

EXAMPLE = ROOT / "tests" / "typing" / "bank_example.py"
MISTAKES = {
    "Transfer(1, 2)": "amount",
    "Account[1].page.nothing": "nothing",
    "Transfer(1, 2, 'ten')": "rgument",
    "Transfer(1, 2, 3).amount = 5": "amount",
    "Account(1)": "positional",
    "assert_type(Account[1], mmsb.Ref[Transfer])": "assert",
}


def check(name: str, path: str):
    """With what `make check` found out about all modules, if it has run."""
    if name == "mypy":
        return run(tool("mypy"), "--config-file", "pyproject.toml", path, cwd=ROOT)
    return run(tool("basedpyright"), path, cwd=ROOT)


@pytest.mark.parametrize("name", ["mypy", "basedpyright"])
def test_the_example_passes(name):
    found = check(name, str(EXAMPLE))
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("name", ["mypy", "basedpyright"])
def test_each_mistake_is_found_on_its_line(name, tmp_path):
    start = len(EXAMPLE.read_text("utf-8").splitlines()) + 1
    path = tmp_path / "mistaken_bank.py"
    path.write_text(EXAMPLE.read_text("utf-8") + "".join(f"{mistake}\n" for mistake in MISTAKES), "utf-8")
    if name == "mypy":
        found = run(tool("mypy"), "--config-file", "pyproject.toml", "--cache-dir", str(tmp_path), str(path), cwd=ROOT)
    else:
        settings = {"typeCheckingMode": "strict", "extraPaths": [str(ROOT / "src")]}
        (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
        found = run(tool("basedpyright"), "--project", str(tmp_path), cwd=ROOT)
    output = found.stdout.splitlines()
    for line, (mistake, word) in enumerate(MISTAKES.items(), start):
        hits = [text for text in output if f"{path.name}:{line}:" in text and "error" in text]
        assert any(word in text for text in hits), f"{mistake} (line {line}): {found.stdout}"
