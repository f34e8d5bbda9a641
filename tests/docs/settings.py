"""The tables in docs/configuration.md: every setting of `mmsb run`, and the variables that are none."""

from mmsb.cli.settings import APP, OTHER_VARIABLES, SETTINGS, SWITCH, Setting

BEGIN = "<!-- made by tests/docs/settings.py -->\n"
END = "<!-- end -->\n"


def with_settings(page: str) -> str:
    """The page with the tables as they must be."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + _settings() + "\n" + _others() + END + rest.partition(END)[2]


def _settings() -> str:
    lines = ["| in a file | flag | variable | value | default | what |", "|---|---|---|---|---|---|"]
    for setting in SETTINGS:
        key = "–" if setting.secret else f"`{setting.key}`"
        default = "false" if setting.kind is SWITCH else setting.default
        lines.append(
            f"| {key} | {_flag(setting)} | `{setting.variable}` | {setting.kind.words} | {default} | {setting.help} |"
        )
    return "\n".join(lines) + "\n"


def _flag(setting: Setting) -> str:
    if setting is APP:
        return "first, without one"
    return "–" if setting.secret else f"`{setting.flag}`"


def _others() -> str:
    lines = ["| other variable | what |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {what} |" for name, what in OTHER_VARIABLES.items())]) + "\n"
