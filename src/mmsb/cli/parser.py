"""The parser of the command line, made from the commands. Its help has one width, so that docs can show it."""

import textwrap
from argparse import SUPPRESS, ArgumentParser, HelpFormatter, RawDescriptionHelpFormatter
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
        _add(found.add_parser(command.name, **_texts(command)), command)
    return parser


def _texts(command: Command) -> dict[str, str | bool]:
    examples = "\n".join(["examples:", *(f"  {line}" for line in command.examples)])
    text = "\n\n".join(textwrap.fill(part, WIDTH) for part in (command.summary, *command.text.split("\n\n")) if part)
    usage = f"mmsb {command.name} {command.usage}"
    return {"usage": usage, "description": text, "epilog": examples, "add_help": False, "prog": f"mmsb {command.name}"}


def _add(parser: ArgumentParser, command: Command) -> None:
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


def _plain(message: str) -> str:
    return message.replace("the following arguments are required", "missing").replace(
        "unrecognized arguments", "unknown"
    )
