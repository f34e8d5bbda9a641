"""`mmsb completion`: what a shell offers while a command is typed, made from the commands themselves."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Final

from mmsb.cli.command import Command
from mmsb.cli.exits import Exit
from mmsb.cli.screen import Screen


def options_of(command: Command) -> list[str]:
    parser = ArgumentParser(add_help=False)
    command.add_arguments(parser)
    found = [option for action in parser._actions for option in action.option_strings]  # pyright: ignore[reportPrivateUsage]
    return [*found, "--help"]


def _bash(commands: tuple[Command, ...]) -> str:
    cases = "\n".join(f'        {command.name}) words="{" ".join(options_of(command))}" ;;' for command in commands)
    return f"""\
# bash: source <(mmsb completion bash)
_mmsb() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{" ".join(command.name for command in commands)} --help --version" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    if [[ "$word" == -* ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _mmsb mmsb
"""


def _zsh(commands: tuple[Command, ...]) -> str:
    names = "\n".join(f"        '{command.name}:{_quoted(command.summary)}'" for command in commands)
    cases = "\n".join(f"        {command.name}) options=({' '.join(options_of(command))}) ;;" for command in commands)
    return f"""\
#compdef mmsb
# zsh: source <(mmsb completion zsh)
_mmsb() {{
    local -a commands options
    commands=(
{names}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    case "$words[2]" in
{cases}
        *) options=() ;;
    esac
    if [[ "$PREFIX" == -* ]]; then
        compadd -- $options
    else
        _files
    fi
}}
compdef _mmsb mmsb
"""


def _fish(commands: tuple[Command, ...]) -> str:
    lines = ["# fish: mmsb completion fish | source"]
    for command in commands:
        lines.append(f"complete -c mmsb -n __fish_use_subcommand -f -a {command.name} -d '{_quoted(command.summary)}'")
        lines += [
            f"complete -c mmsb -n '__fish_seen_subcommand_from {command.name}' -l {option.removeprefix('--')}"
            for option in options_of(command)
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("'", "").replace(":", ",")


SHELLS: Final[dict[str, Callable[[tuple[Command, ...]], str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}


def complete(asked: Namespace, screen: Screen) -> int:
    from mmsb.cli.commands import COMMANDS

    screen.line(SHELLS[asked.shell](COMMANDS).rstrip())
    return Exit.DONE


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=tuple(SHELLS), help=", ".join(SHELLS))


COMPLETION = Command(
    "completion",
    "SHELL",
    "print a completion script for bash, zsh or fish",
    "Source what it prints, for instance from your shell's start-up file.",
    ("source <(mmsb completion bash)", "mmsb completion fish | source"),
    _add,
    complete,
)
