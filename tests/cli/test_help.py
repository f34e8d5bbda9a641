"""Help that teaches, usage errors that say what to do, and what shells complete."""

import inspect
import os
import re
import subprocess
from pathlib import Path

import pytest

import mmsb
from mmsb.cli.commands import COMMANDS
from mmsb.cli.completion import SHELLS, options_of
from mmsb.cli.exits import MEANINGS, Exit, exit_of
from mmsb.schemas import errors
from tests.cli.reference import PAGE, written
from tests.docs.tables import code, table, text_of

NAMES = [command.name for command in COMMANDS]


def test_mmsb_alone_lists_all_commands(ask):
    done, out, _ = ask()

    assert done == Exit.DONE
    assert re.findall(r"^  (\w+) +\w", out, re.MULTILINE) == NAMES
    assert ask("--help")[1] == out
    assert ask("--version")[1] == f"mmsb {mmsb.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_help_says_in_a_line_what_it_does_and_shows_examples(ask, command):
    done, out, _ = ask(command.name, "--help")
    usage, _, summary, *_ = out.splitlines()

    assert done == Exit.DONE
    assert usage.startswith(f"usage: mmsb {command.name} ")
    assert summary == command.summary
    assert all(f"  {example}" in out for example in command.examples)
    assert all(len(line) <= 110 for line in out.splitlines())


def test_the_page_shows_the_help_of_each_command():
    assert text_of(PAGE) == written(text_of(PAGE)), "run `.venv/bin/python -m tests.cli.reference`"


def test_each_example_names_a_command_and_options_that_exist():
    for command in COMMANDS:
        for example in command.examples:
            words = example.replace("source <(", "").rstrip(")").split()
            assert words[:2] == ["mmsb", command.name], example
            assert {word for word in words if word.startswith("--")} <= {*options_of(command)}, example


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_knows_all_commands_and_options(ask, shell):
    out = ask("completion", shell)[1]

    for command in COMMANDS:
        assert command.name in out
        for option in options_of(command):
            assert option.removeprefix("--") in out


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_of_the_shells_own_syntax(ask, shell):
    if not any((Path(folder) / shell).exists() for folder in os.get_exec_path()):
        pytest.skip(f"there is no {shell} here")
    checked = subprocess.run(
        [shell, "-n"], input=ask("completion", shell)[1], capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completes_a_command_and_an_option(ask):
    script = ask("completion", "bash")[1]
    script += 'COMP_WORDS=(mmsb hi); COMP_CWORD=1; _mmsb; echo "${COMPREPLY[@]}"\n'
    script += 'COMP_WORDS=(mmsb log --f); COMP_CWORD=2; _mmsb; echo "${COMPREPLY[@]}"\n'
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=False)

    assert done.stdout.split() == ["history", "--from"]


def test_exit_codes_are_those_of_the_page():
    rows = table(text_of("docs/errors.md"), "exit code", "means", "next")

    assert [(int(code(number)), meaning) for number, meaning, _ in rows] == [(int(k), v) for k, v in MEANINGS.items()]
    assert all(following for *_, following in rows)
    assert set(MEANINGS) == set(Exit)


def test_each_error_has_an_exit_code():
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.MmsbError)]

    assert [kind for kind in kinds if exit_of(kind.__new__(kind)) == Exit.BUG] == [errors.MmsbError]
    assert exit_of(errors.PageNotFound()) == Exit.NO_PAGE
    assert exit_of(errors.FolderInUse()) == Exit.CONFLICT
    assert exit_of(errors.NewerFormat()) == Exit.CORRUPT
    assert exit_of(FileNotFoundError()) == Exit.ENVIRONMENT
    assert exit_of(RuntimeError()) == Exit.BUG
