"""`mmsb`: reads the command line, runs the command, and turns what went wrong into a line or two and an exit code."""

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Final

import mmsb
from mmsb.cli.commands import COMMANDS
from mmsb.cli.exits import Exit, exit_of
from mmsb.cli.mirrored import with_folders
from mmsb.cli.parser import find_command, help_text, make_parser
from mmsb.cli.screen import standard

REPORT: Final = "this is a bug of MMSB's: please report it with the lines above"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    warnings.formatwarning = _warning
    try:
        return _run(given)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Python would complain once more when it flushes what nobody reads.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.CLOSED
    except Exception as error:
        code = exit_of(error)
        if code == Exit.BUG:
            traceback.print_exc()
        print(f"mmsb: {REPORT if code == Exit.BUG else _words(error)}", file=sys.stderr)
        return code


def _warning(message: Warning | str, *_: object, **__: object) -> str:
    """For people, who have no use for our file and line."""
    return f"mmsb: {message}\n"


def _run(given: list[str]) -> int:
    if not given or given[0] in ("--help", "-h", "help"):
        print(help_text(COMMANDS), end="")
        return Exit.DONE
    if given[0] == "--version":
        print(f"mmsb {mmsb.__version__}")
        return Exit.DONE
    command = find_command(given[0], COMMANDS)
    given = with_folders(given, standard(machine=False))
    try:
        asked = make_parser(command).parse_intermixed_args(given[1:])
    except SystemExit:  # argparse leaves so after help; its errors are raised
        return Exit.DONE
    screen = standard(asked.json)
    code = command.run(asked, screen)
    screen.flush()
    return code


def _words(error: BaseException) -> str:
    """An error of ours says it all; one of the system's names its file."""
    if isinstance(error, TimeoutError) and not str(error):
        return "there was no room in time, and nothing was submitted; try again, or wait longer with --timeout"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; mend that, and run the command again"
    return str(error)
