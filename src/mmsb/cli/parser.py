"""The parser of the command line, made from the commands. Its help has one width, so that docs can show it."""

import textwrap
from argparse import SUPPRESS, ArgumentParser, HelpFormatter, RawDescriptionHelpFormatter
from collections.abc import Callable
from difflib import get_close_matches
from typing import Final, NoReturn

from mmsb.cli.command import Command
from mmsb.schemas.errors import InvalidValue

WIDTH: Final = 100
NAMES_WIDTH: Final = 28

TEXT: Final = """\
MMSB keeps state that can explain itself: what was asked is logged, what was done is logged, and every
byte of every page names the intent that wrote it.

`mmsb run` owns a data folder; the other commands ask it, or read the folder themselves while nobody
runs it. Only `run` and `submit --app` need the application's code.
"""


class _Formatter(RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=NAMES_WIDTH, width=WIDTH)


class Parser(ArgumentParser):
    """Its errors are raised, and say where help is."""

    def error(self, message: str) -> NoReturn:
        raise InvalidValue(f"{_plain(message)}; `{self.prog} --help` shows how")

    def _get_formatter(self) -> HelpFormatter:
        return _Formatter(self.prog)


def make_parser(commands: tuple[Command, ...]) -> Parser:
    lines = [f"  {command.name:<12} {command.summary}" for command in commands]
    text = "\n".join(["commands:", *lines, "", "`mmsb COMMAND --help` explains one, with examples."])
    parser = Parser("mmsb", usage="mmsb COMMAND …", description=TEXT, epilog=text, add_help=False)
    options = parser.add_argument_group("options")
    options.add_argument("--help", "-h", action="help", help="show this and end")
    options.add_argument("--version", action="store_true", help="print the version and end")
    found = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser, help=SUPPRESS)
    for command in commands:
        _add(found.add_parser, command)
    return parser


def _add(add_parser: Callable[..., Parser], command: Command) -> None:
    name = f"mmsb {command.name}"
    examples = "\n".join(["examples:", *(f"  {line}" for line in command.examples)])
    parser = add_parser(
        command.name, prog=name, usage=f"{name} {command.usage}", description=_text(command), epilog=examples,
        add_help=False,
    )  # fmt: skip
    command.add_arguments(parser)
    parser.add_argument("--help", "-h", action="help", help="show this and end")
    parser.set_defaults(run=command.run, json=False)


def check_command(given: str, commands: tuple[Command, ...]) -> None:
    """Raise with what was probably meant, which argparse does not say."""
    names = [command.name for command in commands]
    if given.startswith("-") or given in names:
        return
    near = get_close_matches(given, names, 1)
    meant = f"did you mean `mmsb {near[0]}`?" if near else f"there are {', '.join(names)}"
    raise InvalidValue(f"there is no command {given!r}; {meant}")


def _text(command: Command) -> str:
    parts = (command.summary, *command.text.split("\n\n"))
    return "\n\n".join(textwrap.fill(part, WIDTH) for part in parts if part)


def _plain(message: str) -> str:
    said = {"the following arguments are required": "missing", "unrecognized arguments": "unknown"}
    for theirs, ours in said.items():
        message = message.replace(theirs, ours)
    return message
