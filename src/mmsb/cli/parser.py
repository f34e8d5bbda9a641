"""The parsers of the command line, one for each command. Their help has one width, so that docs can show it."""

import textwrap
from argparse import ArgumentParser, HelpFormatter, RawDescriptionHelpFormatter
from difflib import get_close_matches
from typing import Final, NoReturn

from mmsb.cli.command import Command
from mmsb.schemas.errors import InvalidValue

WIDTH: Final = 100
NAMES_WIDTH: Final = 28
UNKNOWN: Final = "unrecognized arguments"  # as argparse calls them

TEXT: Final = """\
usage: mmsb COMMAND …

MMSB keeps state that can explain itself: what was asked is logged, what was done is logged, and every
byte of every page names the intent that wrote it.

`mmsb run` owns a data folder; the other commands ask it, or read the folder themselves while nobody
runs it. Only `run`, `rehearse`, `migrate` and `submit --app` need the application's code.

commands:
{commands}

`mmsb COMMAND --help` explains one, with examples. `mmsb --version` prints the version.
"""


class _Formatter(RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=NAMES_WIDTH, width=WIDTH)


class Parser(ArgumentParser):
    """Its errors are raised, and say where help is."""

    def error(self, message: str) -> NoReturn:
        raise InvalidValue(f"{_plain(message)}; {self._meant(message)}`{self.prog} --help` shows how")

    def _meant(self, message: str) -> str:
        """The flag that is most like one that there is not."""
        _, found, given = message.partition(f"{UNKNOWN}: ")
        near = get_close_matches(given.partition("=")[0].split()[0], self._option_string_actions, 1) if found else []
        return f"did you mean {near[0]}? " if near else ""

    def _get_formatter(self) -> HelpFormatter:
        return _Formatter(self.prog)


def help_text(commands: tuple[Command, ...]) -> str:
    return TEXT.format(commands="\n".join(f"  {command.name:<12} {command.summary}" for command in commands))


def make_parser(command: Command) -> Parser:
    """Options may stand anywhere among what they are about: use its `parse_intermixed_args`."""
    name = f"mmsb {command.name}"
    parts = (command.summary, *command.text.split("\n\n"))
    text = "\n\n".join(textwrap.fill(part, WIDTH) for part in parts)
    examples = "\n".join(["examples:", *(f"  {line}" for line in command.examples)])
    parser = Parser(
        name, usage=f"{name} {command.usage}", description=text, epilog=examples, add_help=False, allow_abbrev=False
    )
    command.add_arguments(parser)
    parser.add_argument("--help", "-h", action="help", help="show this and end")
    parser.set_defaults(json=False)
    return parser


def find_command(given: str, commands: tuple[Command, ...]) -> Command:
    found = {command.name: command for command in commands}
    if given not in found:
        near = get_close_matches(given, found, 1)
        meant = f"did you mean `mmsb {near[0]}`?" if near else f"there are {', '.join(found)}"
        raise InvalidValue(f"there is no command {given!r}; {meant}")
    return found[given]


def _plain(message: str) -> str:
    said = {"the following arguments are required": "missing", UNKNOWN: "unknown"}
    for theirs, ours in said.items():
        message = message.replace(theirs, ours)
    return message
