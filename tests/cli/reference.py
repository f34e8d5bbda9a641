"""docs/command-line.md shows the help of each command: `.venv/bin/python -m tests.cli.reference` writes it anew."""

from mmsb.cli.commands import COMMANDS
from mmsb.cli.parser import help_text, make_parser
from tests.project.tree import ROOT

PAGE = "docs/command-line.md"


def written(page: str) -> str:
    """The page with the help of now in the block below each heading."""
    helps = {"mmsb": help_text(COMMANDS)}
    helps |= {f"mmsb {command.name}": make_parser(command).format_help() for command in COMMANDS}
    for title, text in helps.items():
        begin = f"## `{title}`\n\n```text\n"
        assert page.count(begin) == 1, f"{PAGE}: expected a section `{title}` that begins with its help"
        before, _, behind = page.partition(begin)
        page = before + begin + text + behind[behind.index("```\n") :]
    return page


if __name__ == "__main__":
    path = ROOT / PAGE
    path.write_text(written(path.read_text("utf-8")), "utf-8")
