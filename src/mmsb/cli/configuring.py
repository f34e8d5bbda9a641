"""Finds what each setting of `mmsb run` is: a flag goes over a variable, that over the file, that over the default.

What nobody knows is refused, with the name that was probably meant: a setting that is misspelled would be one that is
not set, and nobody would notice before it is needed.
"""

import re
from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

from mmsb.cli.screen import Screen
from mmsb.cli.settings import APP, BY_KEY, DATA, FILE_VARIABLE, OTHER_VARIABLES, PREFIX, SETTINGS, SWITCH, Setting
from mmsb.schemas.errors import InvalidValue

HIDDEN: Final = "(hidden)"
LIST: Final = "`mmsb run --show-config` lists what there is"


@dataclass(frozen=True)
class Held:
    """A setting that somebody has said, and where."""

    value: Any
    source: str


def find(asked: Namespace, environment: Mapping[str, str]) -> dict[str, Held]:
    """What is said of each setting, by its key. A variable that is empty says nothing."""
    said = {name: text for name, text in environment.items() if name.startswith(PREFIX) and text}
    held = _of_file(asked.config or said.get(FILE_VARIABLE)) | _of_variables(said)
    for setting in SETTINGS:
        if getattr(asked, setting.key, None) is not None:
            held[setting.key] = Held(getattr(asked, setting.key), _flag(setting, getattr(asked, setting.key)))
    return held


def settle(asked: Namespace, held: Mapping[str, Held]) -> Namespace:
    """What was asked for, with every setting in it."""
    for setting in (APP, DATA):
        if setting.key not in held:
            where = "as APP" if setting is APP else f"with {setting.flag}"
            raise InvalidValue(
                f"missing: {setting.metavar}, {setting.help}; say it {where}, in {setting.variable} or as "
                f"`{setting.key}` in the file of --config; `mmsb run --help` shows how"
            )
    nothing = {setting.key: False if setting.kind is SWITCH else None for setting in SETTINGS}
    return Namespace(**{**vars(asked), **nothing, **{key: each.value for key, each in held.items()}})


def show(held: Mapping[str, Held], screen: Screen) -> None:
    """Every setting, and where it is from."""
    if screen.machine:
        screen.record({setting.key: _row_json(setting, held.get(setting.key)) for setting in SETTINGS})
        return
    rows = [(setting.key, *_row(setting, held.get(setting.key))) for setting in SETTINGS]
    screen.table(("setting", "value", "from"), rows)


def _row(setting: Setting, held: Held | None) -> tuple[str, str]:
    if held is None:
        return "false" if setting.kind is SWITCH else setting.default, "default"
    return _shown(setting, held.value), held.source


def _row_json(setting: Setting, held: Held | None) -> dict[str, Any]:
    if held is None:
        return {"value": False if setting.kind is SWITCH else None, "from": "default"}
    return {"value": HIDDEN if setting.secret else held.value, "from": held.source}


def _shown(setting: Setting, value: object) -> str:
    if setting.secret:
        return HIDDEN
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flag(setting: Setting, value: object) -> str:
    if setting is APP:
        return "APP"
    return setting.flag.replace("--", "--no-", 1) if value is False else setting.flag


def _of_variables(said: Mapping[str, str]) -> dict[str, Held]:
    settings = {setting.variable: setting for setting in SETTINGS}
    held: dict[str, Held] = {}
    for name, text in said.items():
        if name in settings:
            held[settings[name].key] = _held(settings[name], text, name)
        elif name not in OTHER_VARIABLES:
            _refuse(f"{name}: there is no such variable", name, [*settings, *OTHER_VARIABLES])
    return held


def _of_file(name: str | None) -> dict[str, Held]:
    if name is None:
        return {}
    import tomllib  # only where there is a file

    try:
        text = Path(name).read_text("utf-8")
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{name}: expected TOML, as `partitions = 8`, found: {error}") from None
    held: dict[str, Held] = {}
    for key, value in found.items():
        where = f"{name}:{_line_of(key, text)}"
        if key not in BY_KEY:
            _refuse(f"{where}: there is no setting {key!r}", key, [each.key for each in SETTINGS if not each.secret])
        if BY_KEY[key].secret:
            raise InvalidValue(
                f"{where}: {key} is never in a file of settings; put it into one of its own, which only we may read, "
                f"and name that as {key}_file, or set {BY_KEY[key].variable}"
            )
        held[key] = _held(BY_KEY[key], value, where)
    return held


def _line_of(key: str, text: str) -> int:
    """TOML's reader does not tell. A setting begins its line, and so does a table, which is none."""
    pattern = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    return next((at for at, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _held(setting: Setting, given: object, source: str) -> Held:
    try:
        return Held(setting.kind.of(given), source)
    except InvalidValue as error:
        words = f"expected {setting.kind.words}" if setting.secret else str(error)
        raise InvalidValue(f"{source}: {setting.key}: {words}") from None


def _refuse(what: str, given: str, known: Iterable[str]) -> NoReturn:
    tails = {name.removeprefix(PREFIX): name for name in known}  # what all begin with makes nothing alike
    near = get_close_matches(given.removeprefix(PREFIX), tails, 1)
    raise InvalidValue(f"{what}; {f'did you mean {tails[near[0]]}?' if near else LIST}")
